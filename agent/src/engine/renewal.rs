//! Behaviours that were judged by what holds no longer leave the kernel once more: new profiles, and names that came after
//! what was done without them.

use super::{Arc, Container, Engine, ProfileSet};
use crate::event::SlotKey;

impl Engine {
    /// Puts other profiles in force. Returns the containers that have another one now: what they did so far was judged
    /// by the former.
    pub fn set_profiles(&mut self, profiles: Arc<ProfileSet>) -> Vec<SlotKey> {
        let former = std::mem::replace(&mut self.profiles, profiles);
        let changed = |container: &&Arc<Container>| {
            former.of_container(container) != self.profiles.of_container(container)
        };
        let live = self.enricher.index().live();
        live.filter(changed).map(|container| container.key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Run, SECOND, connected, described, found, lifecycle, listens};
    use super::*;
    use crate::container::RuntimeEvent;
    use crate::engine::Input;
    use crate::event::{BootTime, ContainerOp};
    use agent_common::slot::SlotFlags;

    fn listens_often(run: &mut Run, ports: std::ops::Range<u16>) {
        for port in ports {
            run.feed(listens(port, 1));
        }
    }

    #[test]
    fn what_was_kept_until_the_name_came_does_not_leave_the_kernel_again() {
        let mut run = Run::new();
        run.feed(connected())
            .feed(lifecycle(ContainerOp::CREATED, 1))
            .feed(lifecycle(ContainerOp::LIVE, 1));
        listens_often(&mut run, 1000..1200);
        run.feed(described("nginx:1.25"));
        assert_eq!((run.renewed.len(), run.alerts.len()), (0, 200));
    }

    #[test]
    fn what_was_judged_without_the_name_and_not_kept_leaves_the_kernel_again_once() {
        let mut run = Run::new();
        run.feed(connected())
            .feed(lifecycle(ContainerOp::CREATED, 1))
            .feed(lifecycle(ContainerOp::LIVE, 1));
        listens_often(&mut run, 1000..1300);
        assert_eq!(run.renewed, []);
        run.feed(described("nginx:1.25")).feed(described("nginx:1.26"));
        let container = SlotKey {
            slot: 3,
            generation: 1,
        };
        assert_eq!(run.renewed, [container]);
    }

    #[test]
    fn what_a_container_did_while_nobody_knew_it_leaves_the_kernel_again() {
        let mut run = Run::new();
        let nobody = RuntimeEvent::Listed {
            runtime: "docker".to_owned(),
            ids: Vec::new(),
        };
        run.feed(connected())
            .feed(lifecycle(ContainerOp::CREATED, 1))
            .feed(lifecycle(ContainerOp::LIVE, 1));
        run.feed(Input::Tick(BootTime(2 * SECOND)))
            .feed(Input::Runtime(nobody))
            .feed(Input::Tick(BootTime(30 * SECOND)));
        run.feed(listens(9999, 31));
        assert_eq!(run.alerts[0].metadata, "unavailable");
        run.feed(described("nginx:1.25"));
        assert_eq!(run.renewed.len(), 1);
    }

    fn profiles(listen: &str) -> Arc<ProfileSet> {
        let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: web}\nmatch: {images: [nginx]}";
        let file = std::path::Path::new("web.yaml");
        let profile = crate::profile::parse(&format!("{head}\n{listen}\n"), file).unwrap();
        Arc::new(ProfileSet::new(vec![(file.to_owned(), profile)]).unwrap())
    }

    #[test]
    fn only_containers_whose_profile_changed_are_judged_again() {
        let mut run = Run::new();
        run.feed(found(SlotFlags::LIVE)).feed(described("nginx:1.25"));
        let engine = &mut run.engine;
        assert_eq!(engine.set_profiles(profiles("listen: [{port: 80}]")).len(), 1);
        assert_eq!(engine.set_profiles(profiles("listen: [{port: 80}]")), []);
        assert_eq!(engine.set_profiles(profiles("listen: [{port: 81}]")).len(), 1);
        assert_eq!(engine.set_profiles(Arc::default()).len(), 1);
        assert_eq!(engine.set_profiles(Arc::default()), []);
    }
}
