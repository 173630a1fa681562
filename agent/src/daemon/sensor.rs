//! The kernel adapter in the words of the engine's task: a source of records, and the maps.
//!
//! Both are used by one task, one after the other: the lock between them is never waited for.

mod heartbeat;
mod resting;
mod rings;
mod start;
mod status;
mod watch;

use super::books::{BookMetrics, kernel_books};
use super::lost_ends::LostEnds;
use super::maps::{Export, KernelBooks, SensorMaps};
use super::run::SensorParts;
use super::usage;
use crate::container::SlotReader;
use crate::control::StatusReport;
use crate::detect::{SensorFinding, WATCHED_NAMES};
use crate::engine::{KernelView, Occurrences};
use crate::event::{BootTime, ExecId, SlotKey};
use crate::kernel::{KernelError, MapUsage, Sensor, SensorConfig};
use crate::process::LineageReader;
use crate::profile::{CompiledProfile, ImageName};
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::SlotBooks;
use agent_common::lineage::LineageEntry;
use agent_common::slot::{SlotControl, SlotRef, SlotState};
use ipnet::IpNet;
use resting::Resting;
use rings::Rings;
use start::{degraded, hidden, ready, running};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use watch::Watch;

/// How often maps are counted, key by key.
const SELDOM: Duration = Duration::from_secs(10);

struct Live {
    sensor: Sensor,
    resting: Resting,
    lost_ends: LostEnds,
    /// Containers whose profile the kernel did not take.
    policies_refused: u64,
    /// Why, of those that run.
    unenforced: BTreeMap<SlotKey, String>,
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
        resting: Resting::default(),
        lost_ends: LostEnds::default(),
        policies_refused: 0,
        unenforced: BTreeMap::new(),
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

fn key(SlotRef { slot, generation }: SlotRef) -> SlotKey {
    SlotKey { slot, generation }
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

    fn watch(&mut self, on: bool) {
        if let Err(error) = lock(&self.0).sensor.watch(on) {
            tracing::warn!(%error, "watchers do not see everything");
        }
    }

    fn renew(&mut self, container: SlotKey) {
        let SlotKey { slot, generation } = container;
        if let Err(error) = lock(&self.0).sensor.slots.renew(SlotRef { slot, generation }) {
            tracing::warn!(%error, slot, "what a container did is not judged again");
        }
    }

    fn assign(&mut self, container: SlotKey, profile: Option<&Arc<CompiledProfile>>, own: &[IpNet]) {
        let mut live = lock(&self.0);
        let assigned = live.sensor.assign(container, profile, own);
        live.unenforced.remove(&container);
        if let Err(error) = assigned {
            let problem = format!("a profile is not in the kernel: {error}");
            // What ends is no problem any more, whatever the kernel said to that.
            live.unenforced.extend(profile.map(|_| (container, problem)));
            let profile = profile.map_or("none", |profile| profile.name());
            tracing::warn!(%error, profile, slot = container.slot, "a profile is not in the kernel");
            live.policies_refused += 1;
        }
    }

    fn peer(&mut self, container: SlotKey, image: Option<&ImageName>, addresses: &[IpAddr]) {
        let mut live = lock(&self.0);
        if let Err(error) = live.sensor.peer(container, image, addresses) {
            tracing::warn!(%error, slot = container.slot, "a container's addresses are in no policy");
            let problem =
                format!("a container's addresses are in no policy, contacts with it are not denied: {error}");
            // With the container it is over; what ends is no problem.
            if !addresses.is_empty() {
                live.unenforced.insert(container, problem);
            }
        }
    }

    fn host(&mut self, addresses: &[IpAddr]) {
        if let Err(error) = lock(&self.0).sensor.host(addresses) {
            tracing::warn!(%error, "the host's addresses are in no policy");
        }
    }

    fn except(&mut self, container: SlotKey, excepted: bool) {
        if let Err(error) = lock(&self.0).sensor.slots.except(container, excepted) {
            tracing::warn!(%error, slot = container.slot, "what a container is excepted from could not be changed");
        }
    }

    fn release(&mut self, container: SlotKey) {
        self.assign(container, None, &[]);
        let SlotKey { slot, generation } = container;
        lock(&self.0)
            .resting
            .add(SlotRef { slot, generation }, Instant::now());
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
        lock(&self.0).describe(report);
    }

    fn collect(&mut self, metrics: &Metrics) {
        let mut live = lock(&self.0);
        let Live { resting, sensor, .. } = &mut *live;
        resting.recycle(&mut sensor.slots, Instant::now());
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

    fn usage(&self) -> Vec<MapUsage> {
        let slots = self.sensor.slots.usage();
        slots.into_iter().chain(self.sensor.policies.usage()).collect()
    }

    /// How full maps are.
    fn collect_maps(&mut self, metrics: &Metrics, now: Instant) {
        if self.timed.is_none_or(|last| now.duration_since(last) >= SELDOM) {
            self.timed = Some(now);
            usage::collect_maps(&self.usage(), metrics);
        }
    }

    fn lost_ends(&mut self, now: Instant) -> Vec<SlotKey> {
        if !self.lost_ends.is_due(now) {
            return Vec::new();
        }
        let resting: BTreeSet<SlotKey> = self.resting.slots().map(key).collect();
        let gone = self.sensor.slots.gone().map(key);
        let lost = self
            .lost_ends
            .confirm(gone.filter(|slot| !resting.contains(slot)).collect());
        if !lost.is_empty() {
            tracing::warn!(containers = lost.len(), "records of containers' ends were lost");
        }
        lost
    }
}
