//! The kernel's maps without a kernel.

use super::KEY;
use crate::alert::Occurrences;
use crate::container::SlotReader;
use crate::control::StatusReport;
use crate::daemon::maps::{Export, KernelBooks, SensorMaps};
use crate::detect::SensorFinding;
use crate::engine::KernelView;
use crate::event::{ExecId, SlotKey};
use crate::process::LineageReader;
use crate::profile::{CompiledProfile, ImageName};
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::{Outcome, SlotBooks};
use agent_common::lineage::LineageEntry;
use agent_common::slot::SlotState;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// What happened, in order.
pub(in crate::daemon) type Journal = Arc<Mutex<Vec<String>>>;

/// Maps with a journal, fixed books and containers whose end was lost.
pub(in crate::daemon) struct Fake(
    pub(in crate::daemon) Journal,
    pub(in crate::daemon) KernelBooks,
    pub(in crate::daemon) Vec<SlotKey>,
);

impl Fake {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl LineageReader for Fake {
    fn read(&mut self, _: ExecId) -> Option<LineageEntry> {
        None
    }
}
impl SlotReader for Fake {
    fn slot(&mut self, _: u32) -> Option<SlotState> {
        None
    }
}
impl KernelView for Fake {
    fn forget(&mut self, _: &BehaviourKey) -> Option<Occurrences> {
        None
    }
}
impl SensorMaps for Fake {
    fn release(&mut self, container: SlotKey) {
        self.note(format!("{} released", container.slot));
    }

    fn lost_ends(&mut self) -> Vec<SlotKey> {
        std::mem::take(&mut self.2)
    }

    fn inspect(&mut self) -> Vec<SensorFinding> {
        Vec::new()
    }

    fn ready(&self) -> Ready {
        Ready::Yes
    }

    fn detach(&mut self) {
        self.note("detached");
    }

    fn container_books(&mut self, container: SlotKey) -> Option<SlotBooks> {
        let mut books = SlotBooks::of(container.generation);
        books.seen[1] = 2;
        books.outcomes[Outcome::SENT.0 as usize] = 2;
        (container == KEY).then_some(books)
    }

    fn assign(&mut self, container: SlotKey, profile: Option<&Arc<CompiledProfile>>, _: &[IpNet]) {
        let name = profile.map_or("no profile", |profile| profile.name());
        self.note(format!("{} {name}", container.slot));
    }

    fn peer(&mut self, container: SlotKey, image: Option<&ImageName>, addresses: &[IpAddr]) {
        if let Some(image) = image.filter(|_| !addresses.is_empty()) {
            self.note(format!("{} is {image} at {}", container.slot, addresses.len()));
        }
    }

    fn host(&mut self, _: &[IpAddr]) {}

    fn except(&mut self, container: SlotKey, excepted: bool) {
        if excepted {
            self.note(format!("{} excepted", container.slot));
        }
    }

    fn watch(&mut self, _: bool) {}

    fn renew(&mut self, container: SlotKey) {
        self.note(format!("{} renewed", container.slot));
    }

    fn export(&mut self, container: SlotKey, export: Export) {
        self.note(format!("{} {export:?}", container.slot));
    }
    fn books(&mut self) -> Option<KernelBooks> {
        Some(self.1.clone())
    }
    fn describe(&mut self, report: &mut StatusReport) {
        report.events = self.1.kinds.clone();
    }
    fn collect(&mut self, _: &Metrics) {}
    fn view(&mut self) -> &mut dyn KernelView {
        self
    }
}
