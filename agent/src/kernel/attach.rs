//! Attaches hooks: per capability the best way whose hooks the kernel takes all.

use super::backend::{Attach, Backend, Capability, Hook, Need, Plan, Way};
use super::error::KernelError;
use super::feature::Features;
use super::loader::SensorConfig;
use super::place::{CgroupLinks, place, unload};
use super::plan::{CGROUPS, DISPATCHER, TASKS, natively_beside, plans};
use super::refusal::{explain, is_refusal};
use super::report::{self, CapabilityReport, LeftOut};
use super::syscalls::numbers;
use agent_common::event::Trust;
use agent_common::settings::{MAX_SYSCALLS, SYSCALL_WORDS, SyscallMask};
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf};

const HIDDEN: &str = "/proc/kallsyms does not tell addresses of the kernel (CAP_SYSLOG, or sysctl kernel.kptr_restrict=1 or less)";

/// Attaches hooks, and remembers what the kernel refused.
pub(super) struct Attacher<'a> {
    ebpf: &'a mut Ebpf,
    btf: &'a Btf,
    features: &'a Features,
    /// See [`SensorConfig`].
    backend: Option<Backend>,
    /// See [`SensorConfig`].
    capabilities: Option<&'static [Capability]>,
    pub(super) table: ProgramArray<MapData>,
    wanted: Array<MapData, SyscallMask>,
    mask: SyscallMask,
    pub(super) cgroup_links: CgroupLinks,
    /// Why trampolines (lsm, fentry) are refused: asked once, as every program gets the same answer.
    refused: Option<String>,
}

impl<'a> Attacher<'a> {
    pub(super) fn new(
        ebpf: &'a mut Ebpf,
        btf: &'a Btf,
        features: &'a Features,
        config: &SensorConfig,
    ) -> Result<Self, KernelError> {
        let table = super::map(ebpf, "SYSCALLS", ProgramArray::try_from)?;
        let wanted = super::map(ebpf, "WANTED_SYSCALLS", Array::try_from)?;
        Ok(Self {
            ebpf,
            btf,
            features,
            backend: config.backend,
            capabilities: config.capabilities,
            table,
            wanted,
            mask: SyscallMask {
                native: [0; SYSCALL_WORDS],
                compat: [0; SYSCALL_WORDS],
            },
            cgroup_links: CgroupLinks::new(),
            refused: None,
        })
    }

    /// Without these there is no sensor.
    pub(super) fn required(&mut self, hooks: &[Hook]) -> Result<(), KernelError> {
        for hook in hooks {
            self.hook(hook).map_err(|error| KernelError::Identity {
                program: hook.program,
                reason: explain(&error),
            })?;
        }
        Ok(())
    }

    pub(super) fn plans(&mut self) -> Result<Vec<CapabilityReport>, KernelError> {
        let mut reports = vec![
            report::fixed(Capability::Identity, &[CGROUPS, TASKS]),
            report::fixed(Capability::Exec, &[TASKS]),
        ];
        for plan in plans() {
            let beside = natively_beside(plan.capability);
            let shown_by_objects = |report: &CapabilityReport| {
                Some(report.capability) == beside && report.backend != Some(Backend::Tracepoint)
            };
            if !reports.iter().any(shown_by_objects) {
                reports.push(self.plan(plan));
            }
        }
        if self
            .mask
            .native
            .iter()
            .chain(&self.mask.compat)
            .any(|word| *word != 0)
        {
            self.required(&[DISPATCHER])?;
            let mask = self.mask;
            self.wanted.set(0, mask, 0).map_err(|source| KernelError::Map {
                map: "WANTED_SYSCALLS",
                source,
            })?;
        }
        Ok(reports)
    }

    /// Takes the best way that works.
    fn plan(&mut self, plan: &Plan) -> CapabilityReport {
        let mut reasons = Vec::new();
        for way in plan.ways {
            if !self.is_asked_for(plan, way) {
                add(&mut reasons, format!("{}: not asked for", way.backend.name()));
                continue;
            }
            match self.way(way) {
                Ok(left_out) => return report::taken(plan.capability, way, left_out, reasons),
                Err(reason) => add(&mut reasons, format!("{}: {reason}", way.backend.name())),
            }
        }
        CapabilityReport {
            capability: plan.capability,
            backend: None,
            trust: Trust::RESOLVED,
            reason_not_better: Some(reasons.join("; ")),
            programs: Vec::new(),
            left_out: Vec::new(),
        }
    }

    fn is_asked_for(&self, plan: &Plan, way: &Way) -> bool {
        let natively = self.refused.is_some() || self.backend == Some(Backend::Tracepoint);
        if way.natively && !natively {
            return false;
        }
        let wanted = self.capabilities;
        if wanted.is_some_and(|wanted| !wanted.contains(&plan.capability)) {
            return false;
        }
        let Some(only) = self.backend else {
            return true;
        };
        let best = plan
            .ways
            .iter()
            .map(|way| way.backend)
            .filter(|backend| *backend >= only);
        best.min() == Some(way.backend)
    }

    /// All hooks of a way but those that it may lack, or none.
    fn way(&mut self, way: &Way) -> Result<Vec<LeftOut>, String> {
        if way.backend == Backend::Lsm
            && let Some(obstacle) = self.features.lsm_obstacle()
        {
            return Err(obstacle.to_owned());
        }
        if way.backend != Backend::Tracepoint
            && let Some(refused) = &self.refused
        {
            return Err(refused.clone());
        }
        let mut left_out = Vec::new();
        for (done, hook) in way.hooks.iter().enumerate() {
            let program = hook.program;
            if let Some(reason) = self.lacking(hook.need) {
                left_out.push(LeftOut { program, reason });
                continue;
            }
            let Err(error) = self.hook(hook) else { continue };
            let reason = explain(&error);
            if hook.need == Need::Never {
                if way.backend != Backend::Tracepoint && is_refusal(&error) {
                    self.refused = Some(reason.clone());
                }
                self.undo(&way.hooks[..=done]);
                return Err(format!("{program}: {reason}"));
            }
            self.undo(std::slice::from_ref(hook));
            left_out.push(LeftOut {
                program,
                reason: Some(reason),
            });
        }
        Ok(left_out)
    }

    /// Why a hook that the way may lack is left out untried, as [`LeftOut`] says it.
    fn lacking(&self, need: Need) -> Option<Option<String>> {
        match need {
            Need::NoModules if !self.features.has_modules => Some(None),
            Need::NoStarter if self.features.settings.helper_starter == 0 => Some(Some(HIDDEN.to_owned())),
            _ => None,
        }
    }

    /// Loads a program and puts it in its place.
    fn hook(&mut self, hook: &Hook) -> Result<(), ProgramError> {
        let Attach::Syscalls(names) = hook.attach else {
            let place = place(self.ebpf, self.btf, self.features, hook)?;
            self.cgroup_links.extend(place.map(|place| (hook.program, place)));
            return Ok(());
        };
        let Some(Program::BtfTracePoint(program)) = self.ebpf.program_mut(hook.program) else {
            return Err(ProgramError::UnexpectedProgramType);
        };
        program.load(DISPATCHER.program, self.btf)?;
        for name in names {
            let numbers = numbers(name);
            if let Some(number) = numbers.native {
                self.table.set(number, program.fd()?, 0)?;
                set(&mut self.mask.native, number);
            }
            if let Some(number) = numbers.compat {
                self.table.set(MAX_SYSCALLS + number, program.fd()?, 0)?;
                set(&mut self.mask.compat, number);
            }
        }
        Ok(())
    }

    /// Unloads what a way has loaded before it failed; what was never loaded says so, which is fine.
    fn undo(&mut self, hooks: &[Hook]) {
        for hook in hooks {
            if let Attach::Syscalls(names) = hook.attach {
                self.forget(names);
            }
            self.cgroup_links.remove(hook.program);
            if !matches!(hook.attach, Attach::Shared)
                && let Some(program) = self.ebpf.program_mut(hook.program)
                && let Err(error) = unload(program)
            {
                tracing::debug!(program = hook.program, %error, "not unloaded");
            }
        }
    }

    fn forget(&mut self, names: &[&str]) {
        for name in names {
            let numbers = numbers(name);
            if let Some(number) = numbers.native {
                clear(&mut self.mask.native, number);
            }
            if let Some(number) = numbers.compat {
                clear(&mut self.mask.compat, number);
            }
        }
    }
}

/// Two ways of one backend may fail for the same reason.
fn add(reasons: &mut Vec<String>, reason: String) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

fn set(mask: &mut [u64; SYSCALL_WORDS], number: u32) {
    if let Some(word) = mask.get_mut(number as usize / 64) {
        *word |= 1 << (number % 64);
    }
}

fn clear(mask: &mut [u64; SYSCALL_WORDS], number: u32) {
    if let Some(word) = mask.get_mut(number as usize / 64) {
        *word &= !(1 << (number % 64));
    }
}
