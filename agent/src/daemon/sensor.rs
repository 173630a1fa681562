//! The kernel adapter in the words of the engine's task: a source of records, and the maps.
//!
//! Both are used by one task, one after the other: the lock between them is never waited for.

mod heartbeat;
mod rings;
mod watch;

use super::books::{BookMetrics, kernel_books};
use super::lost_ends::LostEnds;
use super::maps::{Export, KernelBooks, SensorMaps};
use super::run::SensorParts;
use super::usage;
use crate::container::SlotReader;
use crate::control::{CapabilityStatus, StatusReport};
use crate::detect::{SensorFinding, WATCHED_NAMES};
use crate::engine::{KernelView, Occurrences, RunningContainer};
use crate::event::{BootTime, ExecId, SlotKey};
use crate::kernel::{Capability, CapabilityReport, ContainerSlot, KernelError, Sensor, SensorConfig};
use crate::process::LineageReader;
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::SlotBooks;
use agent_common::lineage::LineageEntry;
use agent_common::slot::{SlotControl, SlotRef, SlotState};
use rings::Rings;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watch::Watch;

/// How often maps are counted, key by key.
const SELDOM: Duration = Duration::from_secs(10);
/// How long a slot rests after its container is gone: late records of it still find their container.
const SLOT_REST: Duration = Duration::from_secs(30);

struct Live {
    sensor: Sensor,
    /// Slots of containers that are gone, oldest first.
    resting: VecDeque<(SlotRef, Instant)>,
    lost_ends: LostEnds,
    watch: Watch,
    /// What was attached at load.
    ready: Ready,
    /// When was last read what is read seldom.
    timed: Option<Instant>,
    /// Made when the books are copied for the first time.
    books: Option<BookMetrics>,
}

type Shared = Arc<Mutex<Live>>;

/// Loads the sensor.
///
/// # Errors
/// When this host cannot run it at all.
pub fn load(config: SensorConfig) -> Result<SensorParts, KernelError> {
    let mut sensor = Sensor::load(config)?;
    sensor.slots.watch_names(WATCHED_NAMES)?;
    let running = sensor.slots.in_use().map(running).collect();
    let degraded = sensor.reports().iter().filter_map(degraded);
    let findings = degraded.chain(sensor.slots.obstacle().map(hidden)).collect();
    let ready = ready(sensor.reports());
    let source = |source| KernelError::Read {
        path: "the alert ring".to_owned(),
        source,
    };
    let wake = sensor.rings.wake_up().map_err(source)?;
    let live = Live {
        watch: Watch::of(&sensor),
        sensor,
        resting: VecDeque::new(),
        lost_ends: LostEnds::default(),
        ready,
        timed: None,
        books: None,
    };
    let live = Arc::new(Mutex::new(live));
    Ok(SensorParts {
        source: Box::new(Rings::new(wake, Arc::clone(&live))),
        maps: Box::new(Maps(live)),
        findings,
        running,
        ready,
    })
}

fn ready(reports: &[CapabilityReport]) -> Ready {
    let attached = |required: &Capability| {
        reports
            .iter()
            .any(|report| report.capability == *required && report.backend.is_some())
    };
    if Capability::REQUIRED.iter().all(attached) {
        Ready::Yes
    } else {
        Ready::Blind
    }
}

fn key(SlotRef { slot, generation }: SlotRef) -> SlotKey {
    SlotKey { slot, generation }
}

fn running(found: ContainerSlot) -> RunningContainer {
    let ContainerSlot { slot, state } = found;
    RunningContainer {
        key: SlotKey {
            slot,
            generation: state.generation,
        },
        created: BootTime(state.created_boot_ns),
        flags: state.flags.0,
        id: String::from_utf8_lossy(found.id()).into_owned(),
    }
}

fn degraded(report: &CapabilityReport) -> Option<SensorFinding> {
    // A worse way that works is shown in `agent check`; blindness is an alert.
    report
        .backend
        .is_none()
        .then(|| SensorFinding::CapabilityDegraded {
            capability: report.capability.name().to_owned(),
            reason: report.reason_not_better.clone().unwrap_or_default(),
        })
}

/// Containers that the start-up scan cannot find.
fn hidden(reason: String) -> SensorFinding {
    SensorFinding::CapabilityDegraded {
        capability: Capability::Identity.name().to_owned(),
        reason,
    }
}

fn lock(live: &Shared) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The maps.
struct Maps(Shared);

impl LineageReader for Maps {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        lock(&self.0).sensor.lineage.read(exec_id)
    }
}

impl SlotReader for Maps {
    fn slot(&mut self, slot: u32) -> Option<SlotState> {
        lock(&self.0).sensor.slots.state(slot)
    }
}

impl KernelView for Maps {
    fn forget(&mut self, behaviour: &BehaviourKey) -> Option<Occurrences> {
        let value = lock(&self.0).sensor.slots.rearm(behaviour)?;
        Some(Occurrences {
            count: value.count,
            last: BootTime(value.last_boot_ns),
        })
    }
}

impl SensorMaps for Maps {
    fn export(&mut self, container: SlotKey, export: Export) {
        let slots = &mut lock(&self.0).sensor.slots;
        let current = slots.state(container.slot);
        if current.is_none_or(|state| state.generation != container.generation) {
            return;
        }
        let control = slots.control(container.slot);
        let flags = match export {
            Export::EveryEvent => control.flags | SlotControl::EXPORT_ALL,
            Export::FirstOccurrences => control.flags & !SlotControl::EXPORT_ALL,
        };
        if let Err(error) = slots.set_control(container.slot, SlotControl { flags, ..control }) {
            tracing::warn!(%error, "what leaves the kernel could not be changed");
        }
    }

    fn renew(&mut self, container: SlotKey) {
        let SlotKey { slot, generation } = container;
        if let Err(error) = lock(&self.0).sensor.slots.renew(SlotRef { slot, generation }) {
            tracing::warn!(%error, slot, "what a container did is not judged again");
        }
    }

    fn release(&mut self, container: SlotKey) {
        let SlotKey { slot, generation } = container;
        let resting = &mut lock(&self.0).resting;
        resting.push_back((SlotRef { slot, generation }, Instant::now()));
    }

    fn inspect(&mut self) -> Vec<SensorFinding> {
        lock(&self.0).inspect(Instant::now())
    }

    fn ready(&self) -> Ready {
        let live = lock(&self.0);
        match (live.ready, live.watch.ready()) {
            // Silence is the worst: nothing of what is attached works.
            (_, Ready::Silent) => Ready::Silent,
            (Ready::Yes, now) => now,
            (ready, _) => ready,
        }
    }

    fn detach(&mut self) {
        lock(&self.0).sensor.detach();
    }

    fn container_books(&mut self, container: SlotKey) -> Option<SlotBooks> {
        let SlotKey { slot, generation } = container;
        lock(&self.0).sensor.slots.books(SlotRef { slot, generation })
    }

    fn lost_ends(&mut self) -> Vec<SlotKey> {
        lock(&self.0).lost_ends(Instant::now())
    }

    fn books(&mut self) -> Option<KernelBooks> {
        match lock(&self.0).sensor.books.read() {
            Ok(totals) => Some(kernel_books(&totals)),
            Err(error) => {
                tracing::warn!(%error, "the kernel's counters cannot be read");
                None
            }
        }
    }

    fn describe(&mut self, report: &mut StatusReport) {
        let live = lock(&self.0);
        report.capabilities = live.sensor.reports().iter().map(capability).collect();
        report.problems.extend(live.watch.problems());
        for (name, map) in usage::maps(&live.sensor.slots.usage()) {
            report.maps.insert(name.to_owned(), map);
        }
        let hidden = live.sensor.slots.obstacle();
        report
            .problems
            .extend(hidden.map(|reason| format!("identity: {reason}")));
        match live.sensor.books.read() {
            Ok(totals) => {
                let KernelBooks { kinds, errors } = kernel_books(&totals);
                (report.events, report.kernel_errors) = (kinds, errors);
            }
            Err(error) => report.problems.push(format!("the kernel's counters: {error}")),
        }
    }

    fn collect(&mut self, metrics: &Metrics) {
        let mut live = lock(&self.0);
        live.recycle(Instant::now());
        live.collect_books(metrics);
        live.watch.collect(metrics);
        live.collect_maps(metrics, Instant::now());
    }

    fn view(&mut self) -> &mut dyn KernelView {
        self
    }
}

impl Live {
    fn collect_books(&mut self, metrics: &Metrics) {
        let Ok(totals) = self.sensor.books.read() else {
            return;
        };
        let reports = self.sensor.reports();
        let books = self.books.get_or_insert_with(|| {
            // What is attached does not change either.
            for report in reports {
                let backend = report.backend.map_or("blind", |backend| backend.name());
                let labels = [report.capability.name(), backend];
                metrics.capability.with_label_values(&labels).set(1);
            }
            BookMetrics::of(&totals, metrics)
        });
        books.set(&totals);
    }

    /// How full maps are.
    fn collect_maps(&mut self, metrics: &Metrics, now: Instant) {
        if self.timed.is_none_or(|last| now.duration_since(last) >= SELDOM) {
            self.timed = Some(now);
            usage::collect_maps(&self.sensor.slots.usage(), metrics);
        }
    }

    fn lost_ends(&mut self, now: Instant) -> Vec<SlotKey> {
        if !self.lost_ends.is_due(now) {
            return Vec::new();
        }
        let resting: BTreeSet<SlotKey> = self.resting.iter().map(|(slot, _)| key(*slot)).collect();
        let gone = self.sensor.slots.gone().map(key);
        let lost = self
            .lost_ends
            .confirm(gone.filter(|slot| !resting.contains(slot)).collect());
        if !lost.is_empty() {
            tracing::warn!(containers = lost.len(), "records of containers' ends were lost");
        }
        lost
    }

    fn recycle(&mut self, now: Instant) {
        while let Some((slot, since)) = self.resting.front().copied() {
            if now.duration_since(since) < SLOT_REST {
                return;
            }
            self.resting.pop_front();
            if let Err(error) = self.sensor.slots.recycle(slot) {
                tracing::warn!(%error, "a slot stays out of use");
            }
        }
    }
}

fn capability(report: &CapabilityReport) -> CapabilityStatus {
    CapabilityStatus {
        capability: report.capability.name().to_owned(),
        backend: report.backend.map_or("none", |backend| backend.name()).to_owned(),
        trust: report.backend.map_or("blind", |_| report.trust.name()).to_owned(),
        reason: report.reason_not_better.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Trust;
    use crate::kernel::Backend;

    #[test]
    fn ready_means_that_what_is_required_is_attached() {
        let reports = |blind: &[Capability]| -> Vec<CapabilityReport> {
            let all = [
                Capability::Identity,
                Capability::Exec,
                Capability::FileOpen,
                Capability::Mount,
            ];
            all.into_iter()
                .map(|capability| CapabilityReport {
                    capability,
                    backend: (!blind.contains(&capability)).then_some(Backend::Tracepoint),
                    trust: Trust::RACY,
                    reason_not_better: None,
                    programs: Vec::new(),
                    left_out: Vec::new(),
                })
                .collect()
        };
        assert_eq!(ready(&reports(&[])), Ready::Yes);
        assert_eq!(ready(&reports(&[Capability::Mount])), Ready::Yes, "it degrades");
        for required in Capability::REQUIRED {
            assert_eq!(ready(&reports(&[required])), Ready::Blind);
        }
        assert_eq!(ready(&[]), Ready::Blind);
    }
}
