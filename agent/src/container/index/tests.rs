use super::*;
use crate::event::KernelString;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use zerocopy::FromZeros;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const SECOND: u64 = 1_000_000_000;

fn key(slot: u32, generation: u32) -> SlotKey {
    SlotKey { slot, generation }
}

fn step(op: ContainerOp, id: &str, slot_flags: u32) -> Lifecycle {
    Lifecycle {
        op,
        slot_flags,
        id: KernelString::from(id),
        cgroup: KernelString::from(format!("/x/{id}").as_str()),
    }
}

fn described(id: &str, name: &str, address: Option<[u8; 4]>) -> RuntimeEvent {
    RuntimeEvent::Described {
        id: id.into(),
        metadata: Arc::new(ContainerMetadata {
            name: name.to_owned(),
            runtime: "docker".to_owned(),
            addresses: address
                .map(|octets| IpAddr::from(Ipv4Addr::from(octets)))
                .into_iter()
                .collect(),
            ..ContainerMetadata::default()
        }),
    }
}

fn listed(ids: &[&str]) -> RuntimeEvent {
    RuntimeEvent::Listed {
        runtime: "docker".to_owned(),
        ids: ids.iter().copied().map(ContainerId::from).collect(),
    }
}

fn at(seconds: u64) -> BootTime {
    BootTime(seconds * SECOND)
}

fn words(index: &mut ContainerIndex) -> Vec<&'static str> {
    let word = |change: &IndexChange| match change {
        IndexChange::Appeared(_) => "appeared",
        IndexChange::Live(_) => "live",
        IndexChange::Resolved(_) => "resolved",
        IndexChange::Updated(_) => "updated",
        IndexChange::Unavailable(_) => "unavailable",
        IndexChange::Gone(_) => "gone",
        IndexChange::Forgotten(_) => "forgotten",
    };
    index.take_changes().iter().map(word).collect()
}

/// Slots as a test wants them.
#[derive(Default)]
struct Slots(Vec<(u32, SlotState)>, usize);

impl Slots {
    fn with(key: SlotKey, id: &str, flags: u32) -> Self {
        let mut state = SlotState::new_zeroed();
        state.generation = key.generation;
        state.flags = SlotFlags(flags);
        state.id[..id.len()].copy_from_slice(id.as_bytes());
        Self(vec![(key.slot, state)], 0)
    }
}

impl SlotReader for Slots {
    fn slot(&mut self, slot: u32) -> Option<SlotState> {
        self.1 += 1;
        self.0
            .iter()
            .find(|(found, _)| *found == slot)
            .map(|(_, state)| *state)
    }
}

#[test]
fn a_docker_container_lives_through_its_states() {
    let mut index = ContainerIndex::default();
    index.apply(described(A, "web", None), at(1));
    assert_eq!(words(&mut index), [""; 0], "no slot yet");
    index.observe_lifecycle(key(3, 1), at(1), &step(ContainerOp::CREATED, A, 0));
    index.observe_lifecycle(key(3, 1), at(2), &step(ContainerOp::LIVE, A, SlotFlags::LIVE));
    assert_eq!(words(&mut index), ["appeared", "resolved", "live"]);
    index.apply(described(A, "web", Some([172, 17, 0, 2])), at(2));
    index.apply(described(A, "web", Some([172, 17, 0, 2])), at(3));
    assert_eq!(words(&mut index), ["updated"], "the same again changes nothing");
    let mapped = IpAddr::from(Ipv4Addr::new(172, 17, 0, 2).to_ipv6_mapped());
    assert_eq!(index.by_address(mapped, at(3)).unwrap().display_name(), "web");
    index.observe_lifecycle(key(3, 1), at(9), &step(ContainerOp::GONE, A, SlotFlags::GONE));
    assert_eq!(words(&mut index), ["gone"]);
    assert_eq!(
        index.get(key(3, 1)).unwrap().display_name(),
        "web",
        "late events have names"
    );
    assert!(
        index.by_address(mapped, at(9)).is_some(),
        "it had the address then"
    );
    assert!(index.by_address(mapped, at(10)).is_none(), "and has it no more");
    assert!(index.by_slot(3).is_none());
    index.tick(at(9 + 600));
    assert!(index.get(key(3, 1)).is_none() && index.by_id(&A.into()).is_none());
}

#[test]
fn a_restart_keeps_the_names_but_not_the_addresses() {
    let mut index = ContainerIndex::default();
    index.observe_lifecycle(key(3, 1), at(1), &step(ContainerOp::LIVE, A, SlotFlags::LIVE));
    index.apply(described(A, "web", Some([172, 17, 0, 2])), at(1));
    index.observe_lifecycle(key(3, 1), at(2), &step(ContainerOp::GONE, A, 0));
    index.observe_lifecycle(key(4, 1), at(3), &step(ContainerOp::CREATED, A, 0));
    let container = index.by_id(&A.into()).unwrap();
    assert_eq!((container.key, container.display_name()), (key(4, 1), "web"));
    assert!(container.known().unwrap().addresses.is_empty());
    assert_eq!(index.get(key(3, 1)).unwrap().key, key(3, 1));
}

#[test]
fn a_lost_end_is_noticed_when_the_slot_is_used_again() {
    let mut index = ContainerIndex::default();
    index.observe_lifecycle(key(3, u32::MAX), at(1), &step(ContainerOp::CREATED, A, 0));
    index.observe_lifecycle(
        key(3, 0),
        at(2),
        &step(ContainerOp::CREATED, &A.replace('a', "b"), 0),
    );
    assert_eq!(words(&mut index), ["appeared", "gone", "appeared"]);
    index.observe_lifecycle(key(3, u32::MAX), at(3), &step(ContainerOp::GONE, A, 0));
    assert_eq!(words(&mut index), [""; 0], "late news of the former container");
    assert_eq!(index.by_slot(3).unwrap().key, key(3, 0));
}

#[test]
fn a_candidate_is_a_container_only_once_live() {
    let mut index = ContainerIndex::default();
    let mut slots = Slots::with(key(5, 1), "web1", SlotFlags::CANDIDATE);
    index.observe_lifecycle(
        key(5, 1),
        at(1),
        &step(ContainerOp::CREATED, "web1", SlotFlags::CANDIDATE),
    );
    assert_eq!(index.attribute(key(5, 1), at(1), &mut slots), Attribution::Host);
    assert_eq!(slots.1, 0, "the kernel is not asked at once");
    assert_eq!(index.attribute(key(5, 1), at(3), &mut slots), Attribution::Host);
    assert_eq!(index.attribute(key(5, 1), at(3), &mut slots), Attribution::Host);
    assert_eq!(slots.1, 1);
    index.observe_lifecycle(
        key(5, 1),
        at(4),
        &step(ContainerOp::LIVE, "web1", SlotFlags::CANDIDATE),
    );
    assert_eq!(words(&mut index), ["appeared", "live"]);
    assert_eq!(index.by_id(&"web1".into()).unwrap().display_name(), "web1");
    assert_eq!(index.stats().candidates, 0);
}

#[test]
fn a_hosts_service_with_its_own_mounts_is_no_container() {
    let mut index = ContainerIndex::default();
    let flags = SlotFlags::CANDIDATE | SlotFlags::LIVE;
    index.observe_lifecycle(key(5, 1), at(1), &step(ContainerOp::LIVE, "ssh.service", flags));
    assert_eq!(words(&mut index), [""; 0]);
    assert_eq!(
        index.attribute(key(5, 1), at(1), &mut Slots::default()),
        Attribution::Host
    );
}

#[test]
fn a_lost_lifecycle_record_is_made_good_from_the_kernels_table() {
    let mut index = ContainerIndex::default();
    let mut slots = Slots::with(key(5, 2), A, SlotFlags::LIVE);
    let Attribution::Container(container) = index.attribute(key(5, 2), at(1), &mut slots) else {
        panic!("not resolved")
    };
    assert_eq!(container.id.as_str(), A);
    assert_eq!(
        index.attribute(key(5, 1), at(1), &mut slots),
        Attribution::Unknown,
        "never a container of another generation"
    );
    assert_eq!(index.stats().unknown_slots, 1);
}

#[test]
fn without_a_runtime_names_become_unavailable_after_two_seconds() {
    let mut index = ContainerIndex::default();
    index.observe_lifecycle(key(1, 1), at(10), &step(ContainerOp::CREATED, A, 0));
    index.tick(at(11));
    assert_eq!(words(&mut index), ["appeared"]);
    index.tick(at(12));
    assert_eq!(words(&mut index), ["unavailable"]);
    index.apply(described(A, "web", None), at(16));
    assert_eq!(
        words(&mut index),
        ["resolved"],
        "a runtime that comes later still names it"
    );
}

#[test]
fn a_container_older_than_the_agent_waits_from_the_agents_start() {
    let mut index = ContainerIndex::default();
    index.observe_lifecycle(key(1, 1), at(10), &step(ContainerOp::LIVE, A, SlotFlags::LIVE));
    index.tick(at(100));
    assert_eq!(
        words(&mut index),
        ["appeared", "live"],
        "the runtimes had no time to answer"
    );
    index.tick(at(102));
    assert_eq!(words(&mut index), ["unavailable"]);
}

#[test]
fn a_connected_runtime_is_waited_for_until_its_list_disowns_the_container() {
    let mut index = ContainerIndex::default();
    let runtime = "docker".to_owned();
    index.apply(
        RuntimeEvent::Connected {
            runtime: runtime.clone(),
        },
        at(1),
    );
    index.apply(listed(&[]), at(1));
    index.observe_lifecycle(key(1, 1), at(10), &step(ContainerOp::CREATED, A, 0));
    index.tick(at(30));
    assert_eq!(
        words(&mut index),
        ["appeared"],
        "the list is older than the container"
    );
    index.apply(listed(&[A]), at(31));
    assert_eq!(words(&mut index), [""; 0], "listed: its description will come");
    index.apply(listed(&[]), at(61));
    assert_eq!(words(&mut index), ["unavailable"]);
    let mut hung = ContainerIndex::default();
    hung.apply(
        RuntimeEvent::Connected {
            runtime: runtime.clone(),
        },
        at(1),
    );
    hung.observe_lifecycle(key(1, 1), at(10), &step(ContainerOp::CREATED, A, 0));
    hung.tick(at(11));
    let reason = "timeout".to_owned();
    hung.apply(RuntimeEvent::Disconnected { runtime, reason }, at(20));
    assert_eq!(words(&mut hung), ["appeared", "unavailable"]);
}

#[test]
fn slots_outside_the_table_are_counted_and_ignored() {
    let mut index = ContainerIndex::default();
    for slot in [0, MAX_SLOTS, u32::MAX] {
        index.observe_lifecycle(key(slot, 1), at(1), &step(ContainerOp::CREATED, A, 0));
    }
    assert_eq!(index.stats().bad_slots, 3);
    assert_eq!(index.live().count(), 0);
}

#[test]
fn bounds_hold_and_their_losses_are_counted() {
    let two = NonZeroUsize::new(2).unwrap();
    let mut index = ContainerIndex::new(IndexLimits {
        gone: two,
        early: two,
        ..IndexLimits::default()
    });
    for number in 0..5_u32 {
        index.apply(described(&format!("early{number}"), "x", None), at(1));
        let id = format!("{number:064x}");
        index.observe_lifecycle(key(1, number), at(1), &step(ContainerOp::CREATED, &id, 0));
        index.apply(described(&id, "x", Some([10, 0, 0, 1])), at(1));
    }
    let stats = index.stats();
    assert_eq!((stats.gone, stats.gone_dropped), (2, 2));
    assert_eq!((stats.early, stats.early_dropped), (2, 3));
    assert!(
        index
            .by_address(Ipv4Addr::new(10, 0, 0, 1).into(), at(1))
            .is_some()
    );
}

proptest! {
    /// Any order of steps keeps the keys consistent.
    #[test]
    fn any_history_keeps_the_index_consistent(
        steps in proptest::collection::vec((0_u32..6, 0_u32..4, 1_u32..4, 0_u32..8, 0_u8..4, 0_u64..700), 0..80)
    ) {
        let mut index = ContainerIndex::default();
        let mut now = at(1);
        for (op, generation, slot, flags, name, pause) in steps {
            now = BootTime(now.0 + pause * SECOND);
            let id = format!("{:064x}", u32::from(name));
            match op {
                0..=3 => index.observe_lifecycle(
                    key(slot, generation), now, &step(ContainerOp(op + 1), &id, flags)),
                4 => index.apply(described(&id, "x", Some([10, 0, 0, name])), now),
                _ => index.tick(now),
            }
            for container in index.live() {
                prop_assert_eq!(index.get(container.key), Some(container));
                let newest = index.by_id(&container.id).expect("a live id is known");
                prop_assert_eq!(&newest.id, &container.id);
            }
            let stats = index.stats();
            prop_assert!(stats.live < 4 && stats.pending <= stats.live);
        }
    }
}
