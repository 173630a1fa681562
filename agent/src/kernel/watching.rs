//! What no rule looks at costs nothing until somebody watches, or some container's profile says of it what may be: checks of capabilities are
//! asked for ten times in each fork.

use super::backend::{Capability, Hook};
use super::error::KernelError;
use super::feature::Features;
use super::place::{place, unload};
use super::plan::plans;
use super::refusal::explain;
use super::report::CapabilityReport;
use aya::{Btf, Ebpf};

/// Capabilities of the sensor that only watchers and such profiles look at.
const WATCHED: [Capability; 1] = [Capability::Capable];

/// Their hooks, those that this kernel took.
#[derive(Debug)]
pub(super) struct Watching {
    hooks: Vec<&'static Hook>,
    on: bool,
}

impl Watching {
    /// As they were attached with everything else.
    pub(super) fn of(reports: &[CapabilityReport]) -> Self {
        let taken = |hook: &&Hook, capability: Capability| {
            let mut reports = reports.iter().filter(|report| report.capability == capability);
            reports.any(|report| report.programs.contains(&hook.program))
        };
        let plans = plans().filter(|plan| WATCHED.contains(&plan.capability));
        let hooks = plans.flat_map(|plan| {
            let all = plan.ways.iter().flat_map(|way| way.hooks);
            all.filter(move |hook| taken(hook, plan.capability))
        });
        Self {
            hooks: hooks.collect(),
            on: true,
        }
    }

    pub(super) fn is(&self, on: bool) -> bool {
        self.on == on || self.hooks.is_empty()
    }

    /// # Errors
    /// When the kernel refuses what it took before: it is off then, for good.
    pub(super) fn set(
        &mut self,
        on: bool,
        ebpf: &mut Ebpf,
        btf: &Btf,
        features: &Features,
    ) -> Result<(), KernelError> {
        if self.is(on) {
            return Ok(());
        }
        self.on = false;
        for hook in &self.hooks {
            if on {
                if let Err(error) = place(ebpf, btf, features, hook) {
                    let (program, reason) = (hook.program, explain(&error));
                    // Once is enough: watchers are asked about often.
                    self.hooks.clear();
                    return Err(KernelError::Identity { program, reason });
                }
            } else if let Some(program) = ebpf.program_mut(hook.program)
                && let Err(error) = unload(program)
            {
                tracing::debug!(program = hook.program, %error, "not unloaded");
            }
        }
        self.on = on;
        Ok(())
    }
}
