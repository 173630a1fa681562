//! Programs and scripts that containers executed while they started. A container that is learned later does not start
//! again, so its entrypoint's helpers would be missing from its profile.
//!
//! Only programs of the image below the entrypoint, and only of the first seconds: who comes later is not learned
//! unseen.

use crate::container::Container;
use crate::event::{BootTime, EnrichedEvent, FileFlags, KernelString, Payload, SlotKey, Timestamp};
use crate::process::ExecSession;
use crate::profile::Learner;
use agent_common::magic;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a container starts.
const STARTUP: Duration = Duration::from_secs(30);
/// Different programs of one container.
const MAX_PROGRAMS: usize = 64;
/// Programs of all containers: with paths of [`MAX_PATH`] some megabytes.
const MAX_TOTAL: usize = 16_384;
/// Bytes of a path that is kept.
const MAX_PATH: usize = 256;

/// A program and, within the container, who started it.
pub(super) type Program = (Vec<u8>, Option<Vec<u8>>);

/// What is kept of the containers that run.
#[derive(Debug, Default)]
pub(super) struct Startups {
    containers: HashMap<SlotKey, Startup>,
    total: usize,
}

/// What is kept of one.
#[derive(Debug, Default)]
pub(super) struct Startup {
    pub(super) programs: BTreeMap<Program, Timestamp>,
    /// Executions that found no room.
    pub(super) left_out: u64,
}

impl Startups {
    /// Takes in an event of `container`.
    pub(super) fn observe(&mut self, event: &EnrichedEvent, container: &Container) {
        let Payload::Exec(exec) = &event.raw.payload else {
            return;
        };
        let changed = exec.file.flags & (FileFlags::UPPER | FileFlags::MEMFD | FileFlags::UNLINKED) != 0;
        let starts = BootTime(event.raw.header.time_boot_ns).since(container.first_seen) <= STARTUP;
        let of_image = !changed && exec.file.magic != magic::TMPFS;
        let below_entrypoint = event.process.exec_session == ExecSession::Entrypoint;
        if event.raw.header.ret >= 0 && starts && of_image && below_entrypoint {
            self.keep(event, &event.process.exe, container.key);
            if let Some(script) = Learner::script(event, exec) {
                self.keep(event, &script, container.key);
            }
        }
    }

    fn keep(&mut self, event: &EnrichedEvent, program: &KernelString, container: SlotKey) {
        let startup = self.containers.entry(container).or_default();
        let parent = event
            .ancestors
            .first()
            .filter(|parent| parent.slot == Some(container));
        let path = |path: &KernelString| Some(path.bytes.to_vec()).filter(|path| path.len() <= MAX_PATH);
        let known = path(program).zip(parent.map_or(Some(None), |parent| path(&parent.exe).map(Some)));
        match known {
            Some(program) if startup.programs.contains_key(&program) => {}
            Some(program) if startup.programs.len() < MAX_PROGRAMS && self.total < MAX_TOTAL => {
                startup.programs.insert(program, event.time);
                self.total += 1;
            }
            _ => startup.left_out += 1,
        }
    }

    /// What is known of a container's start.
    pub(super) fn of(&self, container: SlotKey) -> Option<&Startup> {
        self.containers.get(&container)
    }

    /// Containers of which something is known.
    pub(super) fn len(&self) -> usize {
        self.containers.len()
    }

    /// The container is gone.
    pub(super) fn forget(&mut self, container: SlotKey) {
        if let Some(startup) = self.containers.remove(&container) {
            self.total -= startup.programs.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{OWN, SECOND, Scene, scene};
    use crate::event::{Exec, FileObject};

    fn kept(startups: &Startups) -> Vec<String> {
        let startup = startups.of(OWN);
        startup.map_or_else(Vec::new, |startup| {
            let programs = startup.programs.keys();
            programs
                .map(|(exe, _)| String::from_utf8(exe.clone()).unwrap())
                .collect()
        })
    }

    fn executed(startups: &mut Startups, scene: &Scene) {
        let event = scene.event(Payload::Exec(scene.exec()));
        startups.observe(&event, &event.container.clone().unwrap());
    }

    fn early(exe: &str) -> Scene {
        let mut scene = scene("nginx", exe).below(&["/bin/sh"]);
        scene.now_ns = SECOND;
        scene
    }

    #[test]
    fn the_entrypoint_s_helpers_are_kept_until_the_container_is_gone() {
        let mut startups = Startups::default();
        for exe in ["/usr/bin/find", "/usr/bin/find", "/usr/sbin/nginx"] {
            executed(&mut startups, &early(exe));
        }
        assert_eq!(kept(&startups), ["/usr/bin/find", "/usr/sbin/nginx"]);
        startups.forget(OWN);
        assert_eq!((kept(&startups).len(), startups.total), (0, 0));
    }

    #[test]
    fn scripts_are_kept_by_their_names_too() {
        let mut startups = Startups::default();
        let scene = early("/usr/bin/dash");
        let exec = Exec {
            filename: "/docker-entrypoint.sh".into(),
            args: "/bin/sh\0/docker-entrypoint.sh\0nginx".into(),
            ..scene.exec()
        };
        let event = scene.event(Payload::Exec(exec));
        startups.observe(&event, &event.container.clone().unwrap());
        assert_eq!(kept(&startups), ["/docker-entrypoint.sh", "/usr/bin/dash"]);
    }

    #[test]
    fn who_comes_later_by_exec_or_from_outside_the_image_is_not_kept() {
        let mut startups = Startups::default();
        let mut later = early("/usr/bin/curl");
        later.now_ns = 31 * SECOND;
        executed(&mut startups, &later);
        executed(&mut startups, &early("/usr/bin/curl").attached());
        let mut dropped = early("/usr/bin/x");
        dropped.exe.file.flags |= FileFlags::UPPER;
        executed(&mut startups, &dropped);
        let mut in_memory = early("/tmp/x");
        in_memory.exe.file = FileObject {
            magic: magic::TMPFS,
            ..FileObject::default()
        };
        executed(&mut startups, &in_memory);
        assert_eq!(kept(&startups), [""; 0]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_counted() {
        let mut startups = Startups::default();
        for number in 0..70 {
            executed(&mut startups, &early(&format!("/bin/tool{number}")));
        }
        executed(&mut startups, &early(&format!("/{}", "x".repeat(MAX_PATH))));
        let startup = startups.of(OWN).unwrap();
        assert_eq!((startup.programs.len(), startup.left_out), (MAX_PROGRAMS, 7));
    }
}
