//! Loads the programs and attaches, per capability, the best way that this kernel takes.
//!
//! A capability that cannot be attached is reported, never fatal. Nothing is pinned: dropping the [`Sensor`]
//! detaches everything.

use super::attach::Attacher;
use super::backend::{Backend, Capability};
use super::counter::Books;
use super::error::KernelError;
use super::feature::Features;
use super::lineage::KernelLineage;
use super::plan::{CGROUPS, TASKS};
use super::ring::RingReader;
use super::slots::Slots;
use super::stats::{self, ProgramStats};
use super::{object, permission, seed};
use agent_common::event::Trust;
use aya::maps::{MapData, MapError, ProgramArray};
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};

/// How the sensor is to be loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct SensorConfig {
    /// Only this backend, for tests; where a capability has no way of it, the next after it. `None`: the best that loads.
    pub backend: Option<Backend>,
}

/// What became of a capability.
#[derive(Debug, Clone)]
pub struct CapabilityReport {
    pub capability: Capability,
    /// `None`: not attached, the sensor is blind here.
    pub backend: Option<Backend>,
    pub trust: Trust,
    /// Why no better way was taken; `None` when the best one was.
    pub reason_not_better: Option<String>,
    pub programs: Vec<&'static str>,
}

/// The loaded and attached sensor.
pub struct Sensor {
    /// Holds programs and links: dropped, everything is detached.
    ebpf: Ebpf,
    /// The kernel empties the table when its last descriptor is closed.
    _handlers: ProgramArray<MapData>,
    reports: Vec<CapabilityReport>,
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

/// Type information and objects took tens of megabytes for a moment; the allocator would keep half of it for good.
fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time from any thread; it frees only what nobody uses.
    unsafe {
        libc::malloc_trim(0);
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
        let features = Features::read()?;
        let btf = Btf::from_sys_fs().map_err(|error| Box::new(error.into()))?;
        let mut ebpf = EbpfLoader::new()
            .allow_unsupported_maps()
            .btf(Some(&btf))
            .override_global("OFFSETS", &features.offsets, true)
            .override_global("SETTINGS", &features.settings, true)
            .load(object::bytes())
            .map_err(refused)?;
        let mut slots = Slots::take(&mut ebpf, &features)?;
        let mut lineage = KernelLineage::take(&mut ebpf)?;
        let rings = RingReader::take(&mut ebpf)?;
        let books = Books::take(&mut ebpf)?;
        let mut attacher = Attacher::new(&mut ebpf, &btf, &features, config)?;
        attacher.required(CGROUPS)?;
        slots.scan(&features);
        seed::write(&mut lineage, &slots);
        attacher.required(TASKS)?;
        seed::write(&mut lineage, &slots);
        slots.scan(&features);
        let reports = attacher.plans()?;
        let handlers = attacher.table;
        drop(btf);
        return_memory();
        Ok(Self {
            ebpf,
            _handlers: handlers,
            reports,
            rings,
            lineage,
            slots,
            books,
        })
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

    /// Number of loaded programs.
    #[must_use]
    pub fn programs(&self) -> usize {
        self.ebpf
            .programs()
            .filter(|(_, program)| program.fd().is_ok())
            .count()
    }
}

/// An object whose maps the kernel does not let us make: a container's capabilities count in its own user namespace only.
fn refused(error: EbpfError) -> KernelError {
    match &error {
        EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            KernelError::Permission(permission::NEEDED.to_vec())
        }
        _ => KernelError::Object(Box::new(error)),
    }
}
