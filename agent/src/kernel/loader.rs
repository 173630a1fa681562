//! Loads the programs and attaches, per capability, the best way that this kernel takes.
//!
//! A capability that cannot be attached is reported, never fatal. Nothing is pinned: dropping the [`Sensor`]
//! detaches everything.

use super::attach::{Attacher, unload};
use super::backend::{Backend, Capability};
use super::calls;
use super::counter::Books;
use super::error::KernelError;
use super::feature::Features;
use super::guard::{Change, Guard};
use super::lineage::KernelLineage;
use super::memory;
use super::plan::{CGROUPS, TASKS};
use super::ring::RingReader;
use super::seals::Seals;
use super::slots::Slots;
use super::stats::{self, ProgramStats};
use super::{bpf, object, permission, seed};
use agent_common::event::Trust;
#[cfg(doc)]
use agent_common::limits::RUNTIME_TICKS;
use agent_common::slot::RUNTIME_TICK_SHIFT;
use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::ProgramError;
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};
use std::time::Duration;

/// How the sensor is to be loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct SensorConfig {
    /// Only this backend, for tests; where a capability has no way of it, the next after it. `None`: the best that loads.
    pub backend: Option<Backend>,
    /// Only these capabilities, and identity. `None`: all.
    pub capabilities: Option<&'static [Capability]>,
    /// How long a runtime's work in a container's cgroup is taken for the runtime's. `None`: as [`RUNTIME_TICKS`] says.
    pub runtime: Option<Duration>,
}

/// What became of a capability.
#[derive(Debug, Clone)]
pub struct CapabilityReport {
    pub capability: Capability,
    /// `None`: not attached, the sensor is blind here.
    pub backend: Option<Backend>,
    pub trust: Trust,
    /// Why no better way was taken, or not all of it; `None` when the best one was.
    pub reason_not_better: Option<String>,
    pub programs: Vec<&'static str>,
    pub left_out: Vec<LeftOut>,
}

/// A program that the way does without: what only it shows is not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub program: &'static str,
    /// `None`: this kernel never does what it would show.
    pub reason: Option<String>,
}

/// The loaded and attached sensor.
pub struct Sensor {
    /// Holds programs and links: dropped, everything is detached.
    ebpf: Ebpf,
    /// The kernel empties the table when its last descriptor is closed.
    _handlers: ProgramArray<MapData>,
    reports: Vec<CapabilityReport>,
    guard: Guard,
    heartbeat_key: u64,
    /// Records of both rings.
    pub rings: RingReader,
    /// Lineage entries by exec id.
    pub lineage: KernelLineage,
    /// Slots of containers, and what is decided about them.
    pub slots: Slots,
    /// The books of the kernel half.
    pub books: Books,
}

impl std::fmt::Debug for Sensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sensor")
            .field("reports", &self.reports)
            .finish_non_exhaustive()
    }
}

impl Sensor {
    /// Loads and attaches everything that this kernel takes.
    ///
    /// # Errors
    /// When the host cannot run the sensor at all: no object, no type information, a kernel that is too old, missing
    /// privileges, or no way to tell containers apart.
    pub fn load(config: SensorConfig) -> Result<Self, KernelError> {
        if object::bytes().is_empty() {
            return Err(KernelError::NoObject);
        }
        permission::check()?;
        let mut features = Features::read()?;
        if let Some(runtime) = config.runtime {
            let ticks = runtime.as_nanos() >> RUNTIME_TICK_SHIFT;
            features.settings.runtime_ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        }
        let btf = Btf::from_sys_fs().map_err(|error| Box::new(error.into()))?;
        let mut ebpf = EbpfLoader::new()
            .allow_unsupported_maps()
            .btf(Some(&btf))
            .override_global("OFFSETS", &features.offsets, true)
            .override_global("SETTINGS", &features.settings, true)
            .load(object::bytes())
            .map_err(refused)?;
        let seals = Seals::of(&ebpf)?;
        let mut slots = Slots::take(&mut ebpf, &features)?;
        let mut lineage = KernelLineage::take(&mut ebpf)?;
        let rings = RingReader::take(&mut ebpf)?;
        let books = Books::take(&mut ebpf)?;
        calls::write(&mut ebpf, &features.settings.registers)?;
        let mut attacher = Attacher::new(&mut ebpf, &btf, &features, config)?;
        attacher.required(CGROUPS)?;
        slots.scan(&features);
        seed::write(&mut lineage, &slots);
        attacher.required(TASKS)?;
        seed::write(&mut lineage, &slots);
        slots.scan(&features);
        let reports = attacher.plans()?;
        let (handlers, cgroup_links) = (attacher.table, attacher.cgroup_links);
        seals.close()?;
        drop(btf);
        memory::return_memory();
        let guard = Guard::of(&ebpf, cgroup_links);
        Ok(Self {
            ebpf,
            _handlers: handlers,
            reports,
            guard,
            heartbeat_key: features.settings.heartbeat_key,
            rings,
            lineage,
            slots,
            books,
        })
    }

    /// Finds out what somebody else changed of the sensor since the last look, and puts it right where that is possible.
    /// What could not be put right is found each time.
    pub fn inspect(&mut self) -> Vec<Change> {
        self.guard.inspect(&mut self.ebpf, &mut self.slots)
    }

    /// Calls the programs on bpf(2): their answers are in the rings when it returns, see [`RingReader::take_answers`].
    pub fn call(&self) {
        bpf::call_programs(self.heartbeat_key);
    }

    /// Backends of the programs that answer [`Self::call`]; none where the calls of bpf(2) are not seen.
    #[must_use]
    pub fn answering(&self) -> Vec<Backend> {
        let report = |report: &&CapabilityReport| report.capability == Capability::Bpf;
        let backend = self.reports.iter().find(report).and_then(|report| report.backend);
        match backend {
            None => Vec::new(),
            Some(Backend::Tracepoint) => vec![Backend::Tracepoint],
            // Beside it the dispatcher of system calls reports what was refused.
            Some(backend) => vec![backend, Backend::Tracepoint],
        }
    }

    /// Detaches every program. Maps and rings can be read on.
    pub fn detach(&mut self) {
        for (name, program) in self.ebpf.programs_mut() {
            match unload(program) {
                Ok(()) | Err(ProgramError::NotLoaded) => {}
                Err(error) => tracing::warn!(program = name, %error, "not detached"),
            }
        }
    }

    /// What is attached, and what is not.
    #[must_use]
    pub fn reports(&self) -> &[CapabilityReport] {
        &self.reports
    }

    /// What each loaded program costs, and how often the kernel skipped it.
    #[must_use]
    pub fn program_stats(&self) -> Vec<ProgramStats> {
        stats::read(&self.ebpf)
    }
}

/// The capabilities are there, and yet the kernel does not let us make maps.
fn refused(error: EbpfError) -> KernelError {
    match &error {
        EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            KernelError::Forbidden(permission::suspect())
        }
        _ => KernelError::Object(Box::new(error)),
    }
}
