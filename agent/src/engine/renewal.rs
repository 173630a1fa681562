//! Behaviours that were judged by what holds no longer leave the kernel once more: new profiles, and names that came after
//! what was done without them.

use super::{Arc, Container, Engine, Output, ProfileSet};
use crate::container::ContainerMetadata;
use crate::event::SlotKey;
use crate::profile::ImageName;
use crate::user_rules::{UserRuleSet, UserRules};

impl Engine {
    /// Puts other profiles in force. Returns the containers that have another one now: what they did so far was judged
    /// by the former.
    pub fn set_profiles(&mut self, profiles: Arc<ProfileSet>) -> Vec<SlotKey> {
        let former = std::mem::replace(&mut self.profiles, profiles);
        self.graph.profiles_changed();
        let changed = |container: &&Arc<Container>| {
            former.of_container(container) != self.profiles.of_container(container)
        };
        let live = self.enricher.index().live();
        live.filter(changed).map(|container| container.key).collect()
    }

    /// Puts other rules of users in force. Returns all containers, if the rules are not the same: what containers did so far does not leave
    /// the kernel again by itself, and the new rules have not judged it.
    pub fn set_rules(&mut self, rules: Arc<UserRuleSet>) -> Vec<SlotKey> {
        if rules == self.rules {
            return Vec::new();
        }
        rules.inherit(&self.rules);
        self.detectors
            .set_user_rules(Box::new(UserRules::new(Arc::clone(&rules))));
        self.rules = rules;
        let live = self.enricher.index().live();
        live.map(|container| container.key).collect()
    }

    /// What the kernel is to know of the container's profile.
    pub(super) fn policy(&self, container: &Container) -> Output {
        Output::Policy {
            container: container.key,
            profile: self.profiles.of_container(container).map(Arc::clone),
            own: container.known().map_or_else(Vec::new, ContainerMetadata::places),
        }
    }

    /// What it is to know of the container as others' peer.
    pub(super) fn peer(container: &Container) -> Output {
        let image = container.known().map(|known| &known.image.reference);
        Output::Peer {
            container: container.key,
            image: image.and_then(|reference| ImageName::parse(reference)),
            addresses: container.addresses().collect(),
        }
    }

    /// That it is none any more.
    pub(super) fn no_peer(container: SlotKey) -> Output {
        Output::Peer {
            container,
            image: None,
            addresses: Vec::new(),
        }
    }

    /// The same for containers that are `named`.
    pub(super) fn policies(&self, named: &[SlotKey]) -> Vec<Output> {
        let live = self.enricher.index().live();
        let named = live.filter(|container| named.contains(&container.key));
        named.map(|container| self.policy(container)).collect()
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
        let mut run = Run::pending();
        listens_often(&mut run, 1000..1200);
        run.feed(described("nginx:1.25"));
        assert_eq!((run.renewed.len(), run.alerts.len()), (0, 200));
    }

    #[test]
    fn what_was_judged_without_the_name_and_not_kept_leaves_the_kernel_again_once() {
        let mut run = Run::pending();
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

    fn has(addresses: &[&str]) -> Input {
        let metadata = ContainerMetadata {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            subnets: vec!["172.17.0.0/16".parse().unwrap()],
            ..ContainerMetadata::default()
        };
        let Input::Runtime(RuntimeEvent::Described { id, metadata: named }) = described("postgres:16") else {
            unreachable!()
        };
        let metadata = Arc::new(ContainerMetadata {
            image: named.image.clone(),
            ..metadata
        });
        Input::Runtime(RuntimeEvent::Described { id, metadata })
    }

    #[test]
    fn the_kernel_is_told_who_has_which_address_until_the_container_ends() {
        let mut run = Run::new();
        run.feed(found(SlotFlags::LIVE)).feed(has(&[]));
        run.feed(has(&["172.17.0.2", "::ffff:10.0.0.1"]));
        run.feed(lifecycle(ContainerOp::GONE, 2));
        // Names that come after the end are nobody's address.
        run.feed(has(&["172.17.0.3"]));
        let told: Vec<_> = run
            .peers
            .iter()
            .map(|(_, image, addresses)| {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                (image.as_ref().map(ToString::to_string), addresses.join(" "))
            })
            .collect();
        let image = || Some("postgres:16".to_owned());
        let (none, both) = (String::new, "172.17.0.2 10.0.0.1".to_owned());
        assert_eq!(told, [(image(), none()), (image(), both), (None, none())]);
    }

    #[test]
    fn an_address_is_told_in_its_network_where_that_is_known() {
        let Input::Runtime(RuntimeEvent::Described { metadata, .. }) = has(&["172.17.0.2", "10.0.0.1"])
        else {
            unreachable!()
        };
        let places: Vec<_> = metadata.places().iter().map(ToString::to_string).collect();
        assert_eq!(places, ["172.17.0.2/16", "10.0.0.1/32"]);
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
