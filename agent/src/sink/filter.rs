//! Which alerts a sink is sent.

use crate::config::SinkFilter;
use crate::detect::Class;
use crate::spool::Record;
use serde::Deserialize;

/// What filters ask of a stored alert.
#[derive(Debug, Deserialize)]
struct Addressed {
    class: Class,
    container: Option<OfPod>,
}

#[derive(Debug, Deserialize)]
struct OfPod {
    pod: Option<Namespaced>,
}

#[derive(Debug, Deserialize)]
struct Namespaced {
    namespace: String,
}

impl SinkFilter {
    /// True for an alert that the sink is sent. What cannot be read is sent: a filter must not hide it.
    pub(super) fn takes(&self, record: &Record) -> bool {
        if record.severity < self.min_severity {
            return false;
        }
        if self.classes.is_none() && self.namespaces.is_none() {
            return true;
        }
        serde_json::from_slice(&record.payload).map_or(true, |alert: Addressed| {
            self.takes_class(alert.class) && self.takes_namespace(&alert)
        })
    }

    fn takes_class(&self, class: Class) -> bool {
        self.classes
            .as_ref()
            .is_none_or(|classes| classes.contains(&class))
    }

    fn takes_namespace(&self, alert: &Addressed) -> bool {
        let Some(namespaces) = &self.namespaces else {
            return true;
        };
        let pod = alert
            .container
            .as_ref()
            .and_then(|container| container.pod.as_ref());
        pod.is_some_and(|pod| namespaces.contains(&pod.namespace))
    }
}
