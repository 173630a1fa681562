//! Attaches hooks: per capability the best way whose hooks the kernel takes all.

use super::backend::{Attach, Backend, Capability, Hook, Plan, Way};
use super::error::KernelError;
use super::feature::Features;
use super::loader::{CapabilityReport, SensorConfig};
use super::plan::{CGROUPS, DISPATCHER, TASKS, natively_beside, plans};
use super::syscalls::numbers;
use agent_common::event::Trust;
use agent_common::settings::{MAX_SYSCALLS, SYSCALL_WORDS, SyscallMask};
use aya::maps::{Array, MapData, ProgramArray};
use aya::programs::{CgroupAttachMode, Program, ProgramError};
use aya::{Btf, Ebpf};

/// Attaches hooks, and remembers what the kernel refused.
pub(super) struct Attacher<'a> {
    ebpf: &'a mut Ebpf,
    btf: &'a Btf,
    features: &'a Features,
    config: SensorConfig,
    pub(super) table: ProgramArray<MapData>,
    wanted: Array<MapData, SyscallMask>,
    mask: SyscallMask,
    /// Why trampolines (lsm, fentry) are refused: asked once, as every program gets the same answer.
    refused: Option<String>,
}

impl<'a> Attacher<'a> {
    pub(super) fn new(
        ebpf: &'a mut Ebpf,
        btf: &'a Btf,
        features: &'a Features,
        config: SensorConfig,
    ) -> Result<Self, KernelError> {
        let table = super::map(ebpf, "SYSCALLS", ProgramArray::try_from)?;
        let wanted = super::map(ebpf, "WANTED_SYSCALLS", Array::try_from)?;
        Ok(Self {
            ebpf,
            btf,
            features,
            config,
            table,
            wanted,
            mask: SyscallMask {
                native: [0; SYSCALL_WORDS],
                compat: [0; SYSCALL_WORDS],
            },
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
            fixed(Capability::Identity, &[CGROUPS, TASKS]),
            fixed(Capability::Exec, &[TASKS]),
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
                reasons.push(format!("{}: not asked for", way.backend.name()));
                continue;
            }
            match self.way(way) {
                Ok(()) => {
                    return CapabilityReport {
                        capability: plan.capability,
                        backend: Some(way.backend),
                        trust: way.trust,
                        reason_not_better: (!reasons.is_empty()).then(|| reasons.join("; ")),
                        programs: way.hooks.iter().map(|hook| hook.program).collect(),
                    };
                }
                Err(reason) => reasons.push(format!("{}: {reason}", way.backend.name())),
            }
        }
        CapabilityReport {
            capability: plan.capability,
            backend: None,
            trust: Trust::RESOLVED,
            reason_not_better: Some(reasons.join("; ")),
            programs: Vec::new(),
        }
    }

    fn is_asked_for(&self, plan: &Plan, way: &Way) -> bool {
        let Some(only) = self.config.backend else {
            return true;
        };
        let best = plan
            .ways
            .iter()
            .map(|way| way.backend)
            .filter(|backend| *backend >= only);
        best.min() == Some(way.backend)
    }

    /// All hooks of a way, or none.
    fn way(&mut self, way: &Way) -> Result<(), String> {
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
        for (done, hook) in way.hooks.iter().enumerate() {
            if let Err(error) = self.hook(hook) {
                let reason = explain(&error);
                if way.backend != Backend::Tracepoint && is_refusal(&error) {
                    self.refused = Some(reason.clone());
                }
                self.undo(&way.hooks[..=done]);
                return Err(format!("{}: {reason}", hook.program));
            }
        }
        Ok(())
    }

    /// Loads a program and puts it in its place.
    fn hook(&mut self, hook: &Hook) -> Result<(), ProgramError> {
        let program = self
            .ebpf
            .program_mut(hook.program)
            .ok_or(ProgramError::UnexpectedProgramType)?;
        match (hook.attach, program) {
            (Attach::Tracepoint(name), Program::BtfTracePoint(program)) => {
                program.load(name, self.btf)?;
                program.attach()?;
            }
            (Attach::Syscalls(names), Program::BtfTracePoint(program)) => {
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
            }
            (Attach::Lsm(name), Program::Lsm(program)) => {
                program.load(name, self.btf)?;
                program.attach()?;
            }
            (Attach::Fentry(name), Program::FEntry(program)) => {
                program.load(name, self.btf)?;
                program.attach()?;
            }
            (Attach::Fexit(name), Program::FExit(program)) => {
                program.load(name, self.btf)?;
                program.attach()?;
            }
            (Attach::CgroupRoot, Program::CgroupSockAddr(program)) => {
                program.load()?;
                let root = self
                    .features
                    .cgroup2_root()
                    .map_err(|io_error| aya::sys::SyscallError {
                        call: "open of the cgroup2 root",
                        io_error,
                    })?;
                // A link may share its place with others always; the kernel refuses flags that say so.
                program.attach(root, CgroupAttachMode::Single)?;
            }
            _ => return Err(ProgramError::UnexpectedProgramType),
        }
        Ok(())
    }

    /// Unloads what a way has loaded before it failed; what was never loaded says so, which is fine.
    fn undo(&mut self, hooks: &[Hook]) {
        for hook in hooks {
            if let Attach::Syscalls(names) = hook.attach {
                self.forget(names);
            }
            if let Some(program) = self.ebpf.program_mut(hook.program)
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

fn unload(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::BtfTracePoint(program) => program.unload(),
        Program::Lsm(program) => program.unload(),
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::CgroupSockAddr(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
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

/// A capability that has one way only.
fn fixed(capability: Capability, hooks: &[&'static [Hook]]) -> CapabilityReport {
    CapabilityReport {
        capability,
        backend: Some(Backend::Tracepoint),
        trust: Trust::RESOLVED,
        reason_not_better: None,
        programs: hooks
            .iter()
            .flat_map(|hooks| hooks.iter())
            .map(|hook| hook.program)
            .collect(),
    }
}

/// The kernel refuses such programs as a kind, not this one for its code.
fn is_refusal(error: &ProgramError) -> bool {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => io_error.raw_os_error() == Some(1) && verifier_log.to_string().trim().is_empty(),
        _ => false,
    }
}

/// One line for people: the error, and the verifier's last words.
fn explain(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            tracing::debug!(%log, "the verifier's log");
            let said = log.lines().rev().map(str::trim).find(|line| {
                !line.is_empty()
                    && !line.starts_with("processed ")
                    && !line.starts_with("verification time")
                    && !line.starts_with("stack depth")
            });
            match said {
                Some(said) => format!("{io_error}: {said}"),
                None => format!("the kernel refuses programs of this type ({io_error})"),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        error => error.to_string(),
    }
}
