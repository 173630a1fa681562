//! Loads the programs and attaches, per capability, the best way that this kernel takes.
//!
//! A capability that cannot be attached is reported, never fatal. Nothing is pinned: dropping the [`Sensor`]
//! detaches everything.

use super::attach::Attacher;
use super::backend::{Backend, Capability};
use super::calls;
use super::counter::Books;
use super::enforcement::{Enforcement, EnforcementReport};
use super::error::KernelError;
use super::escapes;
use super::feature::Features;
use super::forks::Forks;
use super::guard::{Change, Guard};
use super::kept::Kept;
use super::lineage::KernelLineage;
use super::memory;
use super::place::{unattached, unload};
use super::plan::{CGROUPS, TASKS};
use super::policies::{Changed, Policies};
use super::report::{self, CapabilityReport};
use super::ring::RingReader;
use super::seals::Seals;
use super::slots::Slots;
use super::stats::{self, ProgramStats};
use super::watching::Watching;
use super::{bpf, object, permission, seed};
use crate::event::SlotKey;
use crate::profile::{CompiledProfile, ImageName};
#[cfg(doc)]
use agent_common::limits::RUNTIME_TICKS;
use agent_common::policy::{Section, Verdict};
use agent_common::slot::{RUNTIME_TICK_SHIFT, SlotRef};
use aya::maps::{MapData, MapError, ProgramArray};
use aya::programs::ProgramError;
use aya::{Btf, Ebpf, EbpfError, EbpfLoader};
use ipnet::IpNet;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where what denies is kept.
const KEPT_IN: &str = "/sys/fs/bpf/vigia";

/// How the sensor is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct SensorConfig {
    /// Only this backend, for tests; where a capability has no way of it, the next after it. `None`: the best that loads.
    pub backend: Option<Backend>,
    /// Only these capabilities, and identity. `None`: all.
    pub capabilities: Option<&'static [Capability]>,
    /// How long a runtime's work in a container's cgroup is taken for the runtime's. `None`: as [`RUNTIME_TICKS`] says.
    pub runtime: Option<Duration>,
    /// Profiles that ask for it deny.
    pub enforces: bool,
    /// Escapes are denied in every container, as soon as the sensor is there.
    pub denies_escapes: bool,
    /// What denies goes on when the sensor is gone.
    pub keeps: bool,
    /// Folder of a BPF filesystem for that; `None`: the usual one.
    pub keeps_in: Option<PathBuf>,
    /// From the start also what no rule looks at, see [`Sensor::watch`].
    pub watches: bool,
}

/// The loaded and attached sensor.
pub struct Sensor {
    /// Holds programs and links: dropped, everything is detached.
    ebpf: Ebpf,
    /// The kernel empties the table when its last descriptor is closed.
    _handlers: ProgramArray<MapData>,
    /// Programs that are loaded later name it.
    _forks: Forks,
    reports: Vec<CapabilityReport>,
    guard: Guard,
    heartbeat_key: u64,
    enforcement: Enforcement,
    watching: Watching,
    /// Somebody wants to see every event.
    watched: bool,
    /// Records of both rings.
    pub rings: RingReader,
    /// Lineage entries by exec id.
    pub lineage: KernelLineage,
    /// Slots of containers, and what is decided about them.
    pub slots: Slots,
    /// The books of the kernel half.
    pub books: Books,
    /// Profiles in the kernel.
    pub policies: Policies,
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
        let policies = Policies::take(&mut ebpf, features.settings.policy_key, config.enforces)?;
        slots.deny_escapes(None, config.denies_escapes)?;
        calls::write(&mut ebpf, &features.settings.registers)?;
        let mut forks = Forks::take(&mut ebpf)?;
        let mut attacher = Attacher::new(&mut ebpf, &btf, &features, &config)?;
        attacher.required(CGROUPS)?;
        slots.scan(&features);
        seed::write(&mut lineage, &slots);
        attacher.required(TASKS)?;
        forks.are_seen()?;
        seed::write(&mut lineage, &slots);
        slots.scan(&features);
        let reports = attacher.plans()?;
        let (handlers, cgroup_links) = (attacher.table, attacher.cgroup_links);
        let best = report::best(&reports);
        let folder = config.keeps_in.clone();
        let kept = Kept::new(folder.unwrap_or_else(|| KEPT_IN.into()), config.keeps);
        let mut watching = Watching::of(&reports);
        watching.set(config.watches, &mut ebpf, &btf, &features)?;
        seals.close()?;
        drop(btf);
        memory::return_memory();
        let guard = Guard::of(&ebpf, cgroup_links);
        let mut enforcement = Enforcement::new(features, best, kept);
        if config.denies_escapes {
            enforcement.keep_escapes(&ebpf, escapes::programs(&reports));
        }
        Ok(Self {
            ebpf,
            _handlers: handlers,
            _forks: forks,
            reports,
            guard,
            heartbeat_key: enforcement.features().settings.heartbeat_key,
            enforcement,
            watching,
            watched: config.watches,
            rings,
            lineage,
            slots,
            books,
            policies,
        })
    }

    /// Attaches what no rule looks at, for whoever wants to see every event; or detaches it.
    ///
    /// # Errors
    /// When the kernel refuses what it took before.
    pub fn watch(&mut self, on: bool) -> Result<(), KernelError> {
        self.watched = on;
        self.look()
    }

    /// The same for profiles that say of it what may be.
    fn look(&mut self) -> Result<(), KernelError> {
        let on = self.watched || self.policies.judges(Section::CAPABILITIES);
        if self.watching.is(on) {
            return Ok(());
        }
        let btf = Btf::from_sys_fs().map_err(|error| Box::new(error.into()))?;
        let features = self.enforcement.features();
        let set = self.watching.set(on, &mut self.ebpf, &btf, features);
        drop(btf);
        memory::return_memory();
        self.guard.reread(&self.ebpf);
        set
    }

    /// Gives a container the policy of its profile, or none. What denies is attached when the first policy needs it, before the container
    /// has it. One that is gone is ignored. `own`: its addresses, in their networks where these are known.
    ///
    /// # Errors
    /// When the kernel refuses an entry (the container keeps what it has), or what denies (it has the policy, and deviations are seen).
    pub fn assign(
        &mut self,
        container: SlotKey,
        profile: Option<&Arc<CompiledProfile>>,
        own: &[IpNet],
    ) -> Result<(), KernelError> {
        let current = self.slots.state(container.slot);
        let profile =
            profile.filter(|_| current.is_some_and(|state| state.generation == container.generation));
        let assignment = self.policies.assign(container, profile, own)?;
        // First what sees: it may be what denies.
        let seen = self.look();
        let before = self.enforce();
        if current.is_some_and(|state| state.generation == container.generation) {
            self.slots.set_policy(container.slot, assignment)?;
        }
        self.policies.settle()?;
        // What only the former policy asked for is no problem any more.
        let enforced = self.enforce().or_else(|error| before.and(Err(error)));
        seen.and(enforced).and(self.look())
    }

    /// Says which addresses a container of `image` has; none: it is gone. Policies that name its image allow them, and verdicts that this
    /// changes are made anew.
    ///
    /// # Errors
    /// When the kernel refuses an entry: contacts with the address are not denied then.
    pub fn peer(
        &mut self,
        container: SlotKey,
        image: Option<&ImageName>,
        addresses: &[IpAddr],
    ) -> Result<(), KernelError> {
        let changed = self.policies.peer(container, image, addresses);
        self.renew(changed)
    }

    /// Says which addresses the host has: no container that nobody knows yet is there.
    ///
    /// # Errors
    /// As [`Self::peer`].
    pub fn host(&mut self, addresses: &[IpAddr]) -> Result<(), KernelError> {
        let changed = self.policies.host(addresses);
        self.renew(changed)
    }

    fn renew(&mut self, changed: Changed) -> Result<(), KernelError> {
        for SlotKey { slot, generation } in changed.slots {
            self.slots.renew(SlotRef { slot, generation })?;
        }
        changed.refused.map_or(Ok(()), Err)
    }

    /// Attaches what the policies need that are there, and detaches the rest.
    fn enforce(&mut self) -> Result<(), KernelError> {
        let wanted: Vec<_> = self.policies.enforced().collect();
        let links = self.guard.cgroup_links();
        let changed = self.enforcement.set(&mut self.ebpf, links, &wanted);
        if !matches!(changed, Ok(false)) {
            self.guard.reread(&self.ebpf);
        }
        changed.map(|_| ())
    }

    /// What the kernel says of a deed that nobody does, by a profile that some container has; the calling process acts. `deed` as the program
    /// `ask_policy` takes it.
    ///
    /// # Errors
    /// When no container has the profile, or the kernel refuses.
    pub fn ask(&mut self, profile: &Arc<CompiledProfile>, deed: [u64; 5]) -> Result<Verdict, KernelError> {
        let policy = self.policies.number(profile).ok_or(KernelError::NoPolicy)?;
        let program = unattached(&mut self.ebpf, "ask_policy")?;
        let [kind, first, second, third, fourth] = deed;
        let answer = bpf::run(
            program.as_fd(),
            &[policy.into(), kind, first, second, third, fourth],
        );
        answer.map(Verdict).map_err(|source| KernelError::Read {
            path: "a policy".to_owned(),
            source,
        })
    }

    /// Releases what runs before this one left denying, once ours had time to take over; how many runs.
    pub fn retire(&mut self) -> usize {
        self.enforcement.retire()
    }

    /// Why something goes with the agent that was to stay; `None`: nothing does.
    #[must_use]
    pub fn unkept(&self) -> Option<&str> {
        self.enforcement.unkept()
    }

    /// How profiles are enforced now, by section, and escapes denied.
    #[must_use]
    pub fn enforcement(&self) -> Vec<EnforcementReport> {
        let escapes = self.escapes().filter_map(Result::ok);
        self.enforcement.reports().into_iter().chain(escapes).collect()
    }

    /// How each escape is denied, or why not; nothing while none is to be.
    pub fn escapes(&self) -> impl Iterator<Item = Result<EnforcementReport, KernelError>> + '_ {
        let denied = self.slots.denies_escapes();
        escapes::deniable(&self.reports)
            .filter(move |_| denied)
            .map(|(_, report)| report)
    }

    /// How both could be, or why not: tried.
    pub fn enforceable(&mut self) -> Vec<(&'static str, Result<EnforcementReport, KernelError>)> {
        let links = self.guard.cgroup_links();
        let mut tried = self.enforcement.possible(&mut self.ebpf, links);
        self.guard.reread(&self.ebpf);
        tried.extend(escapes::deniable(&self.reports));
        tried
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
