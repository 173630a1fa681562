//! Ten thousand containers in every order in which records and runtimes can tell of them: nothing is kept of any.

use super::{Run, SECOND, connected};
use crate::container::{ContainerMetadata, ImageRef, RuntimeEvent};
use crate::engine::{Input, Table};
use crate::event::{BootTime, ContainerId, ContainerOp, EventHeader, EventKind, SlotKey};
use agent_common::event::{ContainerEvent, ExecEvent, NetEvent, StrRef};
use std::sync::Arc;
use zerocopy::{FromZeros, IntoBytes};

const CONTAINERS: u32 = 10_000;
/// Slots that they share: each is used many times over.
const SLOTS: u32 = 700;
/// A container every 20 ms.
const STEP: u64 = SECOND / 50;

/// One of them.
#[derive(Clone, Copy)]
struct Subject {
    number: u32,
    time: u64,
}

impl Subject {
    fn key(self) -> SlotKey {
        SlotKey {
            slot: 2 + self.number % SLOTS,
            generation: 1 + self.number / SLOTS,
        }
    }

    fn id(self) -> String {
        format!("{:064x}", self.number)
    }

    fn header(self, kind: EventKind, len: usize) -> EventHeader {
        let mut header = EventHeader::new_zeroed();
        let SlotKey { slot, generation } = self.key();
        (header.kind, header.slot, header.generation) = (kind, slot, generation);
        (header.exec_id, header.tgid) = (9, 4242);
        (header.time_boot_ns, header.len) = (self.time, u16::try_from(len).unwrap());
        header.behaviour.kind = kind;
        header
    }

    fn step(self, op: ContainerOp) -> Input {
        let (mut event, id) = (ContainerEvent::new_zeroed(), self.id());
        let fixed = size_of::<ContainerEvent>();
        event.header = self.header(EventKind::CONTAINER, fixed + id.len());
        event.op = op;
        event.id = StrRef {
            off: u16::try_from(fixed).unwrap(),
            len: u16::try_from(id.len()).unwrap(),
        };
        Input::Record([event.as_bytes(), id.as_bytes()].concat())
    }

    fn executes(self) -> Input {
        let mut event = ExecEvent::new_zeroed();
        event.header = self.header(EventKind::EXEC, size_of::<ExecEvent>());
        event.header.exec_id = 100 + u64::from(self.number);
        Input::Record(event.as_bytes().to_vec())
    }

    fn connects(self) -> Input {
        let mut event = NetEvent::new_zeroed();
        event.header = self.header(EventKind::CONNECT, size_of::<NetEvent>());
        event.remote = crate::detect::testing::end("10.0.0.9", 80);
        (event.protocol, event.socket_type) = (6, 1);
        Input::Record(event.as_bytes().to_vec())
    }

    fn described(self) -> Input {
        let metadata = ContainerMetadata {
            name: format!("box-{}", self.number),
            runtime: "docker".to_owned(),
            image: ImageRef {
                reference: "busybox".to_owned(),
                ..ImageRef::default()
            },
            addresses: vec![std::net::Ipv4Addr::from(0x0a01_0000 + self.number).into()],
            ..ContainerMetadata::default()
        };
        Input::Runtime(RuntimeEvent::Described {
            id: ContainerId::from(self.id().as_str()),
            metadata: Arc::new(metadata),
        })
    }

    fn removed(self) -> Input {
        Input::Runtime(RuntimeEvent::Removed {
            id: ContainerId::from(self.id().as_str()),
        })
    }

    /// Its life, as the daemon hears of it.
    fn life(self) -> Vec<Input> {
        let [created, live, gone] = [ContainerOp::CREATED, ContainerOp::LIVE, ContainerOp::GONE];
        let step = |op| self.step(op);
        let (did, contacted) = (self.executes(), self.connects());
        match self.number % 10 {
            0 => vec![
                self.described(),
                step(created),
                step(live),
                did,
                contacted,
                step(gone),
                self.removed(),
            ],
            1 => vec![
                step(created),
                step(live),
                did,
                contacted,
                self.described(),
                step(gone),
            ],
            2 => vec![step(created), step(gone), step(live), did, contacted],
            3 => vec![
                step(created),
                step(live),
                step(gone),
                did,
                contacted,
                self.described(),
            ],
            4 => vec![step(live), contacted, step(gone), step(gone), did],
            // Its end is found by looking, or when its slot is another's.
            5 => vec![
                step(created),
                step(live),
                did,
                contacted,
                Input::Ended(self.key()),
            ],
            6 => vec![step(created), step(live), did, contacted],
            7 => vec![did, contacted, step(gone)],
            8 => vec![self.described(), self.removed()],
            _ => vec![self.described()],
        }
    }
}

fn leftovers(tables: &[Table]) -> Vec<(&'static str, usize)> {
    // A cache of processes, the oldest of which goes first: it stays full.
    let kept = tables.iter().filter(|table| table.name != "processes");
    kept.filter(|table| table.entries > 0)
        .map(|table| (table.name, table.entries))
        .collect()
}

#[test]
fn nothing_is_kept_of_ten_thousand_containers() {
    let mut run = Run::new();
    run.feed(connected());
    let mut time = SECOND;
    for number in 0..CONTAINERS {
        time += STEP;
        for input in (Subject { number, time }).life() {
            run.feed(input);
        }
        run.feed(Input::Tick(BootTime(time)));
        run.alerts.clear();
        let over = |table: &Table| table.entries > table.capacity;
        let tables = run.engine.tables();
        assert!(!tables.iter().any(over), "container {number}: {tables:?}");
    }
    // Those whose end nobody told, and what arrives for others when they are long forgotten.
    for number in (CONTAINERS - SLOTS)..CONTAINERS {
        run.feed(Input::Ended(Subject { number, time }.key()));
    }
    for minute in 1..=21 {
        run.feed(Input::Tick(BootTime(time + minute * 60 * SECOND)));
    }
    for number in 0..50 {
        let late = Subject { number, time };
        run.feed(late.executes()).feed(late.connects());
    }
    run.feed(Input::Tick(BootTime(time + 30 * 60 * SECOND)));
    assert_eq!(leftovers(&run.engine.tables()), []);
}
