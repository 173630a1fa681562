//! Events' actors in the words of alerts.

use super::{AlertContainer, AlertImage, AlertProcess, AlertProfile, Ancestor};
use crate::container::Container;
use crate::detect::Class;
use crate::event::{Clock, EnrichedEvent, FileFlags, Payload};
use crate::process::Process;
use crate::profile::{CompiledProfile, Mode, ProfileState};
use agent_common::magic;

pub(super) fn container(container: &Container) -> AlertContainer {
    let known = container.known();
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    AlertContainer {
        id: container.id.as_str().to_owned(),
        name: known.and_then(|known| filled(&known.name)),
        runtime: container.runtime().map(str::to_owned),
        image: known.map_or_else(AlertImage::default, |known| AlertImage {
            reference: filled(&known.image.reference),
            id: known.image.id.clone(),
            digest: known.image.digest.clone(),
        }),
        pod: known.and_then(|known| known.pod.clone()),
        labels: known.map(|known| known.labels.clone()).unwrap_or_default(),
        labels_omitted: known.map_or(0, |known| known.labels_omitted),
        privileged: known.is_some_and(|known| known.privileged),
    }
}

pub(super) fn profile(profile: Option<&CompiledProfile>, class: Class) -> AlertProfile {
    AlertProfile {
        name: profile.map(|profile| profile.name().to_owned()),
        state: profile
            .map_or(ProfileState::None, CompiledProfile::state)
            .word()
            .to_owned(),
        mode: profile
            .map_or(Mode::Monitor, |profile| profile.mode(class))
            .word()
            .to_owned(),
    }
}

pub(super) fn process(event: &EnrichedEvent, clock: Clock) -> AlertProcess {
    let process = &event.process;
    let own = event.raw.slot();
    AlertProcess {
        pid: process.pid,
        host_pid: process.host_pid,
        start: clock.wall(process.start),
        exe: process.exe.to_text(),
        args: own_arguments(event),
        cwd: process.cwd.to_text(),
        uid: process.uid,
        ancestors: event
            .ancestors
            .iter()
            .map(|ancestor| Ancestor {
                host_pid: ancestor.host_pid,
                exe: ancestor.exe.to_text(),
                args: container_arguments(ancestor),
                host: ancestor.slot != own || own.is_none(),
            })
            .collect(),
        ancestors_truncated: event.ancestors_truncated,
        in_image: in_image(process),
        truncated: process.exe.truncated || process.args.truncated || process.cwd.truncated,
    }
}

/// Arguments of the host's processes hold passwords and tokens: they do not leave the host.
fn container_arguments(process: &Process) -> Vec<String> {
    if process.slot.is_some() {
        arguments(process)
    } else {
        Vec::new()
    }
}

/// A process that ran before the sensor may have no slot of its own; the event's tells whose it is. Who made or removed a
/// container's cgroup is not in it.
fn own_arguments(event: &EnrichedEvent) -> Vec<String> {
    let acts_in_container = event.raw.slot().is_some() && !matches!(event.raw.payload, Payload::Container(_));
    if acts_in_container {
        arguments(&event.process)
    } else {
        container_arguments(&event.process)
    }
}

fn arguments(process: &Process) -> Vec<String> {
    process.arguments().map(|argument| argument.to_text()).collect()
}

/// Only overlay tells: its lower layers are the image.
fn in_image(process: &Process) -> Option<bool> {
    const CHANGED: u16 = FileFlags::UPPER | FileFlags::MEMFD | FileFlags::UNLINKED;
    let file = process.file;
    if file.flags & CHANGED != 0 || file.magic == magic::TMPFS {
        return Some(false);
    }
    (file.flags & FileFlags::OVERLAY != 0).then_some(true)
}
