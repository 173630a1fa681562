mod churn;
mod contacts;
mod graph;
mod names;
mod outside;
mod unattributed;
mod user_rules;
mod waiting;

use super::*;
use crate::alert::{AlertIds, Occurrences};
use crate::container::{ContainerMetadata, ImageRef, RuntimeEvent, SlotReader};
use crate::event::{
    Clock, ContainerId, ContainerOp, EventHeader, EventKind, ExecId, FileObject, SlotKey, SocketAddress,
};
use crate::process::LineageReader;
use crate::profile::ImageName;
use agent_common::behaviour::BehaviourKey;
use agent_common::event::{ContainerEvent, FileOpenEvent, NetEvent, RecordFlags, StrRef};
use agent_common::lineage::LineageEntry;
use agent_common::slot::{SlotFlags, SlotState};
use std::net::IpAddr;
use zerocopy::{FromZeros, IntoBytes};

const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const PROC_SUPER_MAGIC: u32 = 0x9fa0;
pub(super) const SECOND: u64 = 1_000_000_000;

/// The kernel's tables: one process (exec id 9, /usr/bin/nc, child of init), and behaviours seen five times.
struct Tables;

impl LineageReader for Tables {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        let (tgid, parent, path): (u32, u64, &[u8]) = match exec_id.0 {
            9 => (4242, 1, b"/usr/bin/app"),
            1 => (1, 0, b"/sbin/init"),
            _ => return None,
        };
        let mut entry = LineageEntry::new_zeroed();
        (entry.head.tgid, entry.head.parent) = (tgid, parent);
        entry.path[..path.len()].copy_from_slice(path);
        entry.head.path_len = u16::try_from(path.len()).unwrap();
        Some(entry)
    }
}

impl SlotReader for Tables {
    fn slot(&mut self, _slot: u32) -> Option<SlotState> {
        None
    }
}

impl KernelView for Tables {
    fn forget(&mut self, _behaviour: &BehaviourKey) -> Option<Occurrences> {
        Some(Occurrences {
            count: 5,
            last: BootTime::default(),
        })
    }
}

/// An engine and what came out of it.
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) alerts: Vec<Alert>,
    pub(super) renewed: Vec<SlotKey>,
    pub(super) released: Vec<SlotKey>,
    pub(super) peers: Vec<(SlotKey, Option<ImageName>, Vec<IpAddr>)>,
}

impl Run {
    pub(super) fn new() -> Self {
        let host = HostFacts {
            node: "host-1".to_owned(),
            clock: Clock {
                boot_unix_ns: 1_700_000_000_000_000_000,
            },
            ..HostFacts::default()
        };
        let engine = Engine::new(
            host,
            RoleSet::shipped().unwrap(),
            AlertBuilder::new(AlertIds::new(1)),
        );
        Self {
            engine,
            alerts: Vec::new(),
            renewed: Vec::new(),
            released: Vec::new(),
            peers: Vec::new(),
        }
    }

    /// A container runs, and its name is still to come.
    pub(super) fn pending() -> Self {
        let mut run = Self::new();
        run.feed(connected())
            .feed(lifecycle(ContainerOp::CREATED, 1))
            .feed(lifecycle(ContainerOp::LIVE, 1));
        run
    }

    pub(super) fn feed(&mut self, input: Input) -> &mut Self {
        let mut outputs = Vec::new();
        self.engine.handle(input, &mut Tables, &mut outputs);
        for output in outputs {
            match output {
                Output::Alert(alert) => self.alerts.push(*alert),
                Output::Renew(container) => self.renewed.push(container),
                Output::Released(container) => self.released.push(container),
                Output::Peer {
                    container,
                    image,
                    addresses,
                } => self.peers.push((container, image, addresses)),
                Output::Activity(_) | Output::Policy { .. } => {}
            }
        }
        self
    }

    pub(super) fn rules(&self) -> Vec<(&str, u32)> {
        self.alerts
            .iter()
            .map(|alert| (alert.rule.as_str(), alert.revision))
            .collect()
    }
}

fn header(kind: EventKind, second: u64) -> EventHeader {
    let mut header = EventHeader::new_zeroed();
    (header.kind, header.slot, header.generation) = (kind, 3, 1);
    (header.exec_id, header.tgid, header.time_boot_ns) = (9, 4242, second * SECOND);
    header.behaviour.kind = kind;
    header
}

fn with_strings<T: IntoBytes + zerocopy::Immutable>(
    mut record: T,
    header: fn(&mut T) -> &mut EventHeader,
    tail: &[u8],
) -> Input {
    header(&mut record).len = u16::try_from(size_of::<T>() + tail.len()).unwrap();
    Input::Record([record.as_bytes(), tail].concat())
}

fn string<T>(len: usize) -> StrRef {
    StrRef {
        off: u16::try_from(size_of::<T>()).unwrap(),
        len: u16::try_from(len).unwrap(),
    }
}

pub(super) fn lifecycle(op: ContainerOp, second: u64) -> Input {
    let mut event = ContainerEvent::new_zeroed();
    event.header = header(EventKind::CONTAINER, second);
    event.op = op;
    event.id = string::<ContainerEvent>(ID.len());
    with_strings(event, |event| &mut event.header, ID.as_bytes())
}

fn opens_core_pattern(second: u64) -> Input {
    let path = b"/proc/sys/kernel/core_pattern";
    let mut event = FileOpenEvent::new_zeroed();
    event.header = header(EventKind::FILE_OPEN, second);
    event.header.flags = RecordFlags(RecordFlags::DEVIATION);
    event.file = FileObject {
        magic: PROC_SUPER_MAGIC,
        ino: 5,
        mode: 0o100_644,
        ..FileObject::default()
    };
    (event.open_flags, event.f_mode) = (1, 2);
    event.path = string::<FileOpenEvent>(path.len());
    with_strings(event, |event| &mut event.header, path)
}

pub(super) fn listens(port: u16, second: u64) -> Input {
    let mut event = NetEvent::new_zeroed();
    event.header = header(EventKind::LISTEN, second);
    event.local = SocketAddress {
        port,
        family: 2,
        ..SocketAddress::default()
    };
    (event.protocol, event.socket_type) = (6, 1);
    with_strings(event, |event| &mut event.header, b"")
}

fn connects_to(address: &str, port: u16, second: u64) -> Input {
    let mut event = NetEvent::new_zeroed();
    event.header = header(EventKind::CONNECT, second);
    event.header.behaviour.detail = u64::from(port);
    event.remote = crate::detect::testing::end(address, port);
    (event.protocol, event.socket_type) = (6, 1);
    with_strings(event, |event| &mut event.header, b"")
}

pub(super) fn described(image: &str) -> Input {
    let metadata = ContainerMetadata {
        name: "web".to_owned(),
        runtime: "docker".to_owned(),
        image: ImageRef {
            reference: image.to_owned(),
            ..ImageRef::default()
        },
        command: vec!["/usr/bin/app".to_owned()],
        ..ContainerMetadata::default()
    };
    Input::Runtime(RuntimeEvent::Described {
        id: ContainerId::from(ID),
        metadata: Arc::new(metadata),
    })
}

pub(super) fn connected() -> Input {
    Input::Runtime(RuntimeEvent::Connected {
        runtime: "docker".to_owned(),
    })
}

#[test]
fn repeats_come_as_the_last_revision_with_the_kernels_count() {
    let mut run = Run::new();
    run.feed(connected())
        .feed(described("nginx:1.25"))
        .feed(lifecycle(ContainerOp::CREATED, 1));
    run.feed(lifecycle(ContainerOp::LIVE, 1))
        .feed(opens_core_pattern(2));
    run.feed(Input::Tick(BootTime(30 * SECOND)));
    assert_eq!(run.alerts.len(), 1, "the window is open");
    run.feed(Input::Tick(BootTime(63 * SECOND)));
    assert_eq!(
        run.rules(),
        [("escape.core_pattern", 0), ("escape.core_pattern", 1)]
    );
    assert_eq!(run.alerts[0].id, run.alerts[1].id);
    assert_eq!(run.alerts[1].repeat.count, 5);
    run.feed(opens_core_pattern(64));
    assert_eq!(run.alerts.len(), 3);
    assert_ne!(run.alerts[2].id, run.alerts[0].id, "a new window is a new alert");
}

#[test]
fn bytes_that_are_no_record_are_counted_and_change_nothing() {
    let mut run = Run::new();
    run.feed(Input::Record(vec![0; 7]))
        .feed(Input::Record(Vec::new()));
    let stats = run.engine.stats();
    assert_eq!(
        (
            stats.received,
            stats.handled_total(),
            stats.undecodable["no_header"]
        ),
        (2, 0, 2)
    );
}

#[test]
fn the_same_inputs_give_the_same_alerts() {
    let play = || {
        let mut run = Run::new();
        run.feed(connected())
            .feed(described("nginx:1.25"))
            .feed(lifecycle(ContainerOp::CREATED, 1));
        run.feed(lifecycle(ContainerOp::LIVE, 1))
            .feed(opens_core_pattern(2))
            .feed(listens(9999, 3));
        run.feed(Input::Tick(BootTime(70 * SECOND)));
        serde_json::to_string(&run.alerts).unwrap()
    };
    assert_eq!(play(), play());
}

pub(super) fn found(flags: u32) -> Input {
    Input::Running(RunningContainer {
        key: SlotKey {
            slot: 3,
            generation: 1,
        },
        created: BootTime(SECOND),
        flags,
        id: ID.to_owned(),
    })
}

#[test]
fn a_container_that_ran_before_the_agent_is_known_at_once_and_named_by_the_list() {
    let mut run = Run::new();
    run.feed(found(SlotFlags::LIVE)).feed(described("nginx:1.25"));
    let container = run.engine.index().live().next().unwrap();
    assert_eq!((container.id.as_str(), container.display_name()), (ID, "web"));
    run.feed(opens_core_pattern(2));
    assert_eq!(run.alerts[0].metadata, "resolved");
}

#[test]
fn what_was_lost_of_a_container_is_told_with_its_name() {
    let mut run = Run::new();
    run.feed(found(SlotFlags::LIVE)).feed(described("nginx:1.25"));
    let lost = || {
        Input::Sensor(SensorFinding::EventsLost {
            reasons: [("quota".to_owned(), 3)].into(),
            container: ID.to_owned(),
            lost: 7,
        })
    };
    run.feed(lost()).feed(lost());
    assert_eq!(run.rules(), [("sensor.events_lost", 0)], "folded");
    let container = run.alerts[0].container.as_ref().unwrap();
    assert_eq!(container.name.as_deref(), Some("web"));
}

#[test]
fn the_end_closes_every_window() {
    let mut run = Run::new();
    run.feed(found(SlotFlags::LIVE)).feed(opens_core_pattern(2));
    run.feed(Input::End);
    assert_eq!(
        run.rules(),
        [("escape.core_pattern", 0), ("escape.core_pattern", 1)]
    );
}

#[test]
fn records_that_cannot_be_read_are_an_alert() {
    let mut run = Run::new();
    run.feed(Input::Record(vec![0; 7]))
        .feed(Input::Record(vec![0; 7]));
    assert_eq!(run.rules(), [("sensor.records_undecodable", 0)]);
}

#[test]
fn a_wall_clock_that_was_set_dates_later_alerts() {
    let mut run = Run::new();
    run.feed(lifecycle(ContainerOp::LIVE, 1))
        .feed(opens_core_pattern(2));
    let mut host = run.engine.host.clone();
    host.clock.boot_unix_ns += 3_600_000_000_000;
    run.feed(Input::Host(Box::new(host)))
        .feed(Input::Tick(BootTime(100 * SECOND)));
    run.alerts.clear();
    run.feed(opens_core_pattern(102));
    let process = run.alerts[0].process.as_ref().unwrap();
    assert_eq!(run.alerts[0].time.to_rfc3339(), "2023-11-14T23:15:02.000000000Z");
    assert!(
        process.start.to_rfc3339().starts_with("2023-11-14T23:13:2"),
        "{:?}",
        process.start
    );
}
