use super::*;
use crate::event::{
    ContainerOp, EventHeader, EventKind, Exec, ExecId, FileObject, KernelString, Lifecycle, SocketAddress,
};
use agent_common::lineage::LineageEntry;
use agent_common::slot::SlotState;
use zerocopy::FromZeros;

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Slots are not known.
impl SlotReader for TwoEntries {
    fn slot(&mut self, _slot: u32) -> Option<SlotState> {
        None
    }
}

/// Process 1 has exec id 1; 10 (exec id 5) is its child.
struct TwoEntries;

impl LineageReader for TwoEntries {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        let (tgid, parent) = match exec_id.0 {
            1 => (1, 0),
            5 => (10, 1),
            _ => return None,
        };
        let mut entry = LineageEntry::new_zeroed();
        (entry.head.tgid, entry.head.parent) = (tgid, parent);
        entry.path[..4].copy_from_slice(b"/bin");
        entry.head.path_len = 4;
        Some(entry)
    }
}

fn enricher() -> Enricher {
    let clock = Clock {
        boot_unix_ns: 1_000_000,
    };
    Enricher::new(clock)
}

fn header(kind: EventKind, slot: u32, exec_id: u64, tgid: u32) -> EventHeader {
    let mut header = EventHeader::new_zeroed();
    (header.kind, header.slot, header.generation) = (kind, slot, 1);
    (header.exec_id, header.tgid, header.time_boot_ns) = (exec_id, tgid, 7);
    header
}

fn lifecycle(op: ContainerOp) -> RawEvent {
    let lifecycle = Lifecycle {
        op,
        slot_flags: 0,
        id: KernelString::from(ID),
        cgroup: KernelString::default(),
    };
    RawEvent {
        header: header(EventKind::CONTAINER, 3, 5, 10),
        payload: Payload::Container(lifecycle),
    }
}

fn bpf(slot: u32, exec_id: u64, tgid: u32) -> RawEvent {
    RawEvent {
        header: header(EventKind::BPF, slot, exec_id, tgid),
        payload: Payload::Bpf(crate::event::Bpf { cmd: 0, subtype: 0 }),
    }
}

fn exec(exec_id: u64, parent: u64, tgid: u32) -> RawEvent {
    let exec = Exec {
        parent: ExecId(parent),
        file: FileObject::default(),
        stdio: 0,
        stdio_peer: SocketAddress::default(),
        path: KernelString::from("/usr/bin/nc"),
        filename: KernelString::from("nc"),
        args: KernelString::from("nc\0-l"),
        cwd: KernelString::from("/"),
    };
    RawEvent {
        header: header(EventKind::EXEC, 3, exec_id, tgid),
        payload: Payload::Exec(exec),
    }
}

#[test]
fn an_event_has_its_container_process_and_ancestors() {
    let mut enricher = enricher();
    assert!(matches!(
        enricher.enrich(lifecycle(ContainerOp::CREATED), &mut TwoEntries),
        Enriched::Container(_)
    ));
    let Enriched::Container(event) = enricher.enrich(exec(9, 5, 11), &mut TwoEntries) else {
        panic!("not the container's")
    };
    assert_eq!(event.container.unwrap().id.as_str(), ID);
    assert_eq!(event.process.exe_name(), "nc");
    let ancestors: Vec<u32> = event.ancestors.iter().map(|ancestor| ancestor.host_pid).collect();
    assert_eq!((ancestors, event.ancestors_truncated), (vec![10, 1], false));
    assert_eq!(event.time.0, 1_000_007);
    let Enriched::Container(later) = enricher.enrich(bpf(3, 9, 11), &mut TwoEntries) else {
        panic!("not the container's")
    };
    assert!(
        Arc::ptr_eq(&later.process, &event.process),
        "the exec filled the cache"
    );
}

#[test]
fn a_forked_process_has_the_executing_one_as_ancestor() {
    let event = enricher().enrich(bpf(0, 5, 12), &mut TwoEntries).event().clone();
    assert_eq!(
        (event.process.host_pid, event.process.exe_name()),
        (12, "bin".into())
    );
    let ancestors: Vec<u32> = event.ancestors.iter().map(|ancestor| ancestor.host_pid).collect();
    assert_eq!((ancestors, event.ancestors_truncated), (vec![10, 1], false));
}

#[test]
fn an_unknown_exec_id_leaves_what_the_header_says() {
    let event = enricher().enrich(bpf(0, 77, 12), &mut TwoEntries).event().clone();
    assert_eq!((event.process.host_pid, event.process.exe.is_empty()), (12, true));
    assert!(event.ancestors.is_empty() && event.ancestors_truncated);
}

#[test]
fn a_failed_exec_is_the_act_of_the_old_image() {
    let mut failed = exec(5, 1, 10);
    failed.header.ret = -13;
    let event = enricher().enrich(failed, &mut TwoEntries).event().clone();
    assert_eq!(event.process.exe_name(), "bin");
}

#[test]
fn a_slot_that_nobody_knows_is_not_the_host() {
    assert!(matches!(
        enricher().enrich(bpf(9, 5, 10), &mut TwoEntries),
        Enriched::Unattributed(_)
    ));
    assert!(matches!(
        enricher().enrich(bpf(0, 5, 10), &mut TwoEntries),
        Enriched::Host(_)
    ));
}
