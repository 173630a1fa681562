//! Docker's event messages → what they mean here. Pure.

use super::describe;
use crate::container::ContainerMetadata;
use crate::event::ContainerId;
use crate::runtimes::bounds;
use bollard::models::{EventMessage, EventMessageTypeEnum};
use std::collections::HashMap;

/// An event of the daemon that matters.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Notice {
    /// Everything that the event says: no inspect is possible yet.
    Created {
        id: ContainerId,
        metadata: Box<ContainerMetadata>,
    },
    Started(ContainerId),
    Renamed {
        id: ContainerId,
        name: String,
    },
    /// Attached to or detached from a network.
    Networks(ContainerId),
    Died(ContainerId),
    Destroyed(ContainerId),
}

/// The notice in `event`; `None` for what is of no interest or has no id.
pub(super) fn read(event: EventMessage) -> Option<Notice> {
    let action = event.action?;
    let actor = event.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    if event.typ == Some(EventMessageTypeEnum::NETWORK) {
        let id = attributes.get("container").filter(|id| !id.is_empty())?;
        let concerns = matches!(action.as_str(), "connect" | "disconnect");
        return concerns.then(|| Notice::Networks(id.as_str().into()));
    }
    let id = actor.id.filter(|id| !id.is_empty())?;
    let id = ContainerId::from(id.as_str());
    Some(match action.as_str() {
        "create" => Notice::Created {
            id,
            metadata: Box::new(created(attributes)),
        },
        "start" | "restart" => Notice::Started(id),
        "rename" => Notice::Renamed {
            id,
            name: attributes.remove("name")?,
        },
        "die" => Notice::Died(id),
        "destroy" | "remove" => Notice::Destroyed(id),
        _ => return None,
    })
}

/// The attributes of `create`: the container's labels, and among them `image` and `name`.
fn created(mut attributes: HashMap<String, String>) -> ContainerMetadata {
    let mut metadata = ContainerMetadata::default();
    metadata.image.reference = bounds::bounded(attributes.remove("image").unwrap_or_default());
    metadata.name = describe::name(&attributes.remove("name").unwrap_or_default());
    (metadata.labels, metadata.labels_omitted) = bounds::labels(attributes);
    metadata.pod = bounds::pod(&metadata.labels);
    metadata
}
