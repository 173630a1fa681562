//! The kernel adapter in the words of the engine's task: a source of records, and the maps.
//!
//! Both are used by one task, one after the other: the lock between them is never waited for.

use super::lost_ends::LostEnds;
use super::maps::{Export, KernelBooks, SensorMaps};
use super::run::SensorParts;
use crate::container::SlotReader;
use crate::control::{CapabilityStatus, KindCounters, StatusReport};
use crate::detect::{SensorFinding, WATCHED_NAMES};
use crate::engine::{KernelView, Occurrences, RunningContainer};
use crate::event::{BootTime, EventKind, ExecId, SlotKey};
use crate::kernel::{Capability, CapabilityReport, ContainerSlot, KernelError, Sensor, SensorConfig, Totals};
use crate::process::LineageReader;
use crate::source::{EventSource, RawBatch, SourceError};
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use crate::telemetry::metrics::{set_seconds, set_total};
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::Outcome;
use agent_common::lineage::LineageEntry;
use agent_common::slot::{SlotControl, SlotRef, SlotState};
use async_trait::async_trait;
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// How often rings are read that nobody announced anything in.
const POLL: Duration = Duration::from_millis(50);
/// How often run times are read: a file per program.
const RUN_TIMES: Duration = Duration::from_secs(10);
/// How long a slot rests after its container is gone: late records of it still find their container.
const SLOT_REST: Duration = Duration::from_secs(30);

struct Live {
    sensor: Sensor,
    /// Slots of containers that are gone, oldest first.
    resting: VecDeque<(SlotRef, Instant)>,
    lost_ends: LostEnds,
    /// When run times were last read.
    timed: Option<Instant>,
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
        sensor,
        resting: VecDeque::new(),
        lost_ends: LostEnds::default(),
        timed: None,
    };
    let live = Arc::new(Mutex::new(live));
    Ok(SensorParts {
        source: Box::new(Rings {
            wake,
            live: Arc::clone(&live),
        }),
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

/// Both rings.
struct Rings {
    wake: AsyncFd<OwnedFd>,
    live: Shared,
}

#[async_trait]
impl EventSource for Rings {
    async fn next_batch(&mut self) -> Result<RawBatch, SourceError> {
        let batch = self.drain();
        if !batch.records.is_empty() {
            return Ok(batch);
        }
        tokio::select! {
            ready = self.wake.readable() => ready.map_err(SourceError::Wait)?.clear_ready(),
            () = tokio::time::sleep(POLL) => {}
        }
        // Nothing is awaited between reading and returning: a dropped future loses no record.
        Ok(self.drain())
    }
}

impl Rings {
    fn drain(&self) -> RawBatch {
        let mut batch = RawBatch::default();
        lock(&self.live)
            .sensor
            .rings
            .drain(&mut |record| batch.records.push(record.to_vec()));
        batch
    }
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
        for report in live.sensor.reports() {
            let backend = report.backend.map_or("blind", |backend| backend.name());
            let labels = [report.capability.name(), backend];
            metrics.capability.with_label_values(&labels).set(1);
        }
        if let Ok(totals) = live.sensor.books.read() {
            collect_totals(&totals, metrics);
        }
        live.collect_run_times(metrics, Instant::now());
    }

    fn view(&mut self) -> &mut dyn KernelView {
        self
    }
}

impl Live {
    /// Run times of programs, while the kernel keeps them (`kernel.bpf_stats_enabled`).
    fn collect_run_times(&mut self, metrics: &Metrics, now: Instant) {
        if self
            .timed
            .is_some_and(|last| now.duration_since(last) < RUN_TIMES)
        {
            return;
        }
        self.timed = Some(now);
        for stats in self.sensor.program_stats() {
            let label = [stats.program.as_str()];
            set_seconds(
                &metrics.program_seconds.with_label_values(&label),
                Duration::from_nanos(stats.run_ns),
            );
            set_total(&metrics.program_runs.with_label_values(&label), stats.runs);
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

/// True for outcomes that are blind spots; what is neither lost, sent nor repeated was suppressed.
fn is_lost(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::LOST_RING_FULL | Outcome::LOST_SCRATCH_BUSY | Outcome::LOST_UNREADABLE | Outcome::LOST_QUOTA
    )
}

fn kernel_books(totals: &Totals) -> KernelBooks {
    let mut books = KernelBooks::default();
    for (kind, name) in EventKind::ALL {
        let mut counters = KindCounters::default();
        for (outcome, reason) in Outcome::ALL {
            let count = totals.get(kind, outcome);
            match outcome {
                Outcome::SEEN => counters.seen = count,
                Outcome::REPEATED => counters.repeated = count,
                Outcome::SENT => counters.sent = count,
                _ if count == 0 => {}
                lost if is_lost(lost) => drop(counters.lost.insert(reason.to_owned(), count)),
                _ => drop(counters.suppressed.insert(reason.to_owned(), count)),
            }
        }
        if counters != KindCounters::default() {
            books.kinds.insert(name.to_owned(), counters);
        }
    }
    let errors = totals.errors.iter().filter(|(_, count)| *count > 0);
    books
        .errors
        .extend(errors.map(|(cause, count)| ((*cause).to_owned(), *count)));
    books
}

fn collect_totals(totals: &Totals, metrics: &Metrics) {
    for (kind, name) in EventKind::ALL {
        for (outcome, reason) in Outcome::ALL {
            let counter = match outcome {
                Outcome::SEEN => metrics.events_seen.with_label_values(&[name]),
                Outcome::REPEATED => metrics.events_repeated.with_label_values(&[name]),
                Outcome::SENT => metrics.events_sent.with_label_values(&[name]),
                lost if is_lost(lost) => metrics.events_lost.with_label_values(&[name, reason]),
                _ => metrics.events_suppressed.with_label_values(&[name, reason]),
            };
            set_total(&counter, totals.get(kind, outcome));
        }
    }
    for (cause, count) in &totals.errors {
        set_total(&metrics.kernel_errors.with_label_values(&[cause]), *count);
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
