use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use zerocopy::FromBytes;
use zerocopy::FromZeros;

/// Lineage entries of a test; counts how often each is read.
#[derive(Default)]
struct Map(BTreeMap<u64, LineageEntry>, u32);

impl Map {
    fn link(&mut self, id: u64, parent: u64) {
        let mut entry = LineageEntry::new_zeroed();
        entry.head.parent = parent;
        entry.head.tgid = u32::try_from(id).unwrap_or(u32::MAX);
        self.0.insert(id, entry);
    }
}

impl LineageReader for Map {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        self.1 += 1;
        self.0.get(&exec_id.0).copied()
    }
}

fn chain(map: &mut Map, id: u64) -> (Vec<u64>, Completeness) {
    let mut lineage = Lineage::default();
    let process = lineage.get(ExecId(id), map).expect("an entry");
    let chain = lineage.chain(&process, map);
    let ids = chain
        .ancestors
        .iter()
        .map(|ancestor| ancestor.exec_id.0)
        .collect();
    (ids, chain.completeness)
}

#[test]
fn a_chain_ends_at_init() {
    let mut map = Map::default();
    for (id, parent) in [(1, 0), (2, 1), (3, 2)] {
        map.link(id, parent);
    }
    assert_eq!(chain(&mut map, 3), (vec![2, 1], Completeness::Complete));
}

#[test]
fn an_evicted_ancestor_truncates_the_chain() {
    let mut map = Map::default();
    map.link(3, 2);
    map.link(4, 3);
    assert_eq!(chain(&mut map, 4), (vec![3], Completeness::Truncated));
    map.link(2, 0);
    assert_eq!(
        chain(&mut map, 4),
        (vec![3, 2], Completeness::Truncated),
        "a process without parent that is not init"
    );
}

#[test]
fn a_cycle_ends_the_chain_and_is_counted() {
    let mut map = Map::default();
    for (id, parent) in [(2, 4), (3, 2), (4, 3)] {
        map.link(id, parent);
    }
    assert_eq!(chain(&mut map, 4), (vec![3, 2], Completeness::Truncated));
    map.link(9, 9);
    assert_eq!(chain(&mut map, 9), (vec![], Completeness::Truncated));
}

#[test]
fn a_chain_has_at_most_the_allowed_length() {
    let mut map = Map::default();
    for id in 2..100 {
        map.link(id, id - 1);
    }
    let (ids, completeness) = chain(&mut map, 99);
    assert_eq!(
        (ids.len(), completeness),
        (MAX_ANCESTORS, Completeness::Truncated)
    );
}

#[test]
fn an_entry_is_read_once() {
    let mut map = Map::default();
    map.link(1, 0);
    let mut lineage = Lineage::default();
    for _ in 0..3 {
        assert!(lineage.get(ExecId(1), &mut map).is_some());
    }
    assert_eq!(map.1, 1);
    assert!(lineage.get(ExecId::NONE, &mut map).is_none());
    assert_eq!(map.1, 1, "exec id 0 is never looked up");
}

#[test]
fn the_cache_is_bounded() {
    let mut map = Map::default();
    let mut lineage = Lineage::new(NonZeroUsize::new(2).unwrap());
    for id in 1..10 {
        map.link(id, 0);
        lineage.get(ExecId(id), &mut map);
    }
    assert_eq!(lineage.stats().cached, 2);
}

#[test]
fn lengths_past_the_buffer_are_cut_and_flagged() {
    let mut entry = LineageEntry::new_zeroed();
    entry.path = [b'p'; agent_common::limits::LINEAGE_PATH];
    entry.head.path_len = u16::MAX;
    entry.args[..8].copy_from_slice(b"nc\0-l\0\0\0");
    entry.head.args_len = 6;
    let process = from_entry(ExecId(1), &entry);
    assert!(process.exe.truncated && process.exe.bytes.len() == entry.path.len());
    let args: Vec<_> = process.arguments().map(|arg| arg.to_text()).collect();
    assert_eq!(args, ["nc", "-l"]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_process(bytes in proptest::collection::vec(any::<u8>(), size_of::<LineageEntry>())) {
        let entry = LineageEntry::read_from_bytes(&bytes).unwrap();
        let process = from_entry(ExecId(7), &entry);
        prop_assert!(process.exe.bytes.len() <= entry.path.len());
        std::hint::black_box(process.arguments().count());
    }

    #[test]
    fn any_links_give_a_bounded_chain(links in proptest::collection::vec(0_u64..40, 40)) {
        let mut map = Map::default();
        for (id, parent) in (0..).zip(&links) {
            map.link(id, *parent);
        }
        let (ids, _) = chain(&mut map, 1);
        prop_assert!(ids.len() <= MAX_ANCESTORS);
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        prop_assert_eq!(unique.len(), ids.len());
    }
}

#[test]
fn an_ancestor_that_ran_before_the_sensor_says_whose_it_is() {
    let mut map = Map::default();
    for (id, parent) in [(1, 0), (2, 1), (3, 2)] {
        map.link(id, parent);
    }
    for entry in map.0.values_mut() {
        entry.head.flags = agent_common::lineage::LineageFlags::FROM_PROCFS;
    }
    if let Some(entry) = map.0.get_mut(&2) {
        (entry.head.slot, entry.head.generation) = (7, 2);
    }
    let mut lineage = Lineage::default();
    let process = lineage.get(ExecId(3), &mut map).expect("an entry");
    let chain = lineage.chain(&process, &mut map);
    let slots: Vec<_> = chain.ancestors.iter().map(|ancestor| ancestor.slot).collect();
    let container = crate::event::SlotKey {
        slot: 7,
        generation: 2,
    };
    assert_eq!(slots, [Some(container), None]);
}
