//! Escapes that are denied in every container: how that can be done here, and who is told. Programs that see deny too, so that nothing is
//! attached for it.

use super::backend::{Backend, Capability};
use super::enforcement::EnforcementReport;
use super::error::KernelError;
use super::plan::Means;
use super::report::CapabilityReport;
use super::slots::{Slots, renewed};
use crate::event::SlotKey;
use agent_common::slot::{NO_SLOT, SlotControl};

/// What is denied together.
struct Operation {
    /// As a section of profiles is called.
    name: &'static str,
    /// Whose programs deny it.
    capability: Capability,
    /// By backend, best first: what it cannot keep anybody from.
    ways: &'static [(Backend, Means, Option<&'static str>)],
}

const AFTER: &str = "the process is killed when it is done: what it did stays done";
const OPENED: &str = "the process is killed when the open returns; opens by io_uring are not denied";
const HANDED: &str = "who was handed a namespace's descriptor is killed when it has entered";
const ENTERED: &str = "the process is killed before its next instruction";
const LOADED: &str = "the process is killed when the call returns, before it can attach the program";
/// Of an operation for which there is no way.
const TOO_LATE: &str = "only a security module can: when the call returns the module has run";
const UNSEEN: &str = "the programs that would see it are not attached";

const OPERATIONS: [Operation; 6] = [
    Operation {
        name: "escape.open",
        capability: Capability::FileOpen,
        ways: &[
            (Backend::Lsm, Means::SecurityModule, None),
            (Backend::Fentry, Means::Signal, Some(AFTER)),
            (Backend::Tracepoint, Means::Signal, Some(OPENED)),
        ],
    },
    Operation {
        name: "escape.mount",
        capability: Capability::Mount,
        ways: &[
            (Backend::Lsm, Means::SecurityModule, None),
            (Backend::Fentry, Means::Signal, Some(AFTER)),
            (Backend::Tracepoint, Means::Signal, Some(AFTER)),
        ],
    },
    Operation {
        name: "escape.ptrace",
        capability: Capability::Ptrace,
        ways: &[
            (Backend::Lsm, Means::SecurityModule, None),
            (Backend::Fentry, Means::Signal, Some(AFTER)),
            (Backend::Tracepoint, Means::Signal, Some(AFTER)),
        ],
    },
    Operation {
        // Who may not open a namespace needs no keeping from entering it.
        name: "escape.setns",
        capability: Capability::FileOpen,
        ways: &[
            (Backend::Lsm, Means::SecurityModule, Some(HANDED)),
            (Backend::Fentry, Means::Signal, Some(ENTERED)),
            (Backend::Tracepoint, Means::Signal, Some(ENTERED)),
        ],
    },
    Operation {
        name: "escape.module",
        capability: Capability::Module,
        ways: &[(Backend::Lsm, Means::SecurityModule, None)],
    },
    Operation {
        name: "escape.bpf",
        capability: Capability::Bpf,
        ways: &[
            (Backend::Lsm, Means::SecurityModule, None),
            (Backend::Fentry, Means::Signal, Some(LOADED)),
            (Backend::Tracepoint, Means::Signal, Some(LOADED)),
        ],
    },
];

/// How each operation is denied by what is attached, or why not.
pub(super) fn deniable(
    reports: &[CapabilityReport],
) -> impl Iterator<Item = (&'static str, Result<EnforcementReport, KernelError>)> + '_ {
    OPERATIONS
        .iter()
        .map(|operation| (operation.name, report(operation, reports)))
}

fn report(operation: &Operation, reports: &[CapabilityReport]) -> Result<EnforcementReport, KernelError> {
    let undeniable = |reason: &str, attached: Option<&CapabilityReport>| {
        let why = attached.and_then(|report| report.reason_not_better.as_deref());
        KernelError::Undeniable {
            operation: operation.name,
            reason: why.map_or_else(|| reason.to_owned(), |why| format!("{reason}; {why}")),
        }
    };
    let attached = reports
        .iter()
        .find(|report| report.capability == operation.capability);
    let Some(backend) = attached.and_then(|report| report.backend) else {
        return Err(undeniable(UNSEEN, attached));
    };
    let way = operation.ways.iter().find(|(way, ..)| *way == backend);
    let &(_, means, gap) = way.ok_or_else(|| undeniable(TOO_LATE, attached))?;
    Ok(EnforcementReport {
        section: operation.name,
        means,
        gap,
        reason: attached.and_then(|report| report.reason_not_better.clone()),
    })
}

/// Programs by which it goes on without the agent: handlers of system calls cannot.
pub(super) fn programs(reports: &[CapabilityReport]) -> Vec<&'static str> {
    let denies = |report: &&CapabilityReport| {
        OPERATIONS
            .iter()
            .any(|operation| operation.capability == report.capability)
    };
    let denying = reports.iter().filter(denies);
    denying
        .flat_map(|report| report.programs.iter().copied())
        .filter(|program| program.starts_with("lsm_") || program.starts_with("fentry_"))
        .collect()
}

impl Slots {
    /// Denies escapes in one container, in every one for `None`; or no longer. One that is gone is ignored.
    ///
    /// # Errors
    /// When a map refuses the change.
    pub fn deny_escapes(&mut self, whose: Option<SlotKey>, denies: bool) -> Result<(), KernelError> {
        if let Some(container) = whose {
            return self.tell(container, SlotControl::DENY_ESCAPES, denies);
        }
        let all = with(self.control(NO_SLOT), SlotControl::DENY_ESCAPES, denies);
        if all == self.control(NO_SLOT) {
            return Ok(());
        }
        self.set_control(NO_SLOT, all)?;
        // After it: a verdict of before would be remembered otherwise.
        let used: Vec<u32> = self.in_use().map(|used| used.slot).collect();
        for slot in used {
            self.set_control(slot, renewed(self.control(slot)))?;
        }
        Ok(())
    }

    /// Excepts a container from that, or no longer. One that is gone is ignored.
    ///
    /// # Errors
    /// When a map refuses the change.
    pub fn except(&mut self, container: SlotKey, excepted: bool) -> Result<(), KernelError> {
        self.tell(container, SlotControl::EXCEPTED, excepted)
    }

    /// True while escapes are denied in every container that is not excepted.
    #[must_use]
    pub fn denies_escapes(&self) -> bool {
        self.control(NO_SLOT).flags & SlotControl::DENY_ESCAPES != 0
    }

    fn tell(&mut self, container: SlotKey, flag: u16, set: bool) -> Result<(), KernelError> {
        let SlotKey { slot, generation } = container;
        let before = self.control(slot);
        let after = with(before, flag, set);
        let current = self
            .state(slot)
            .is_some_and(|state| state.generation == generation);
        if !current || after == before {
            return Ok(());
        }
        self.set_control(slot, renewed(after))
    }
}

fn with(control: SlotControl, flag: u16, set: bool) -> SlotControl {
    let flags = if set {
        control.flags | flag
    } else {
        control.flags & !flag
    };
    SlotControl { flags, ..control }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_common::event::Trust;

    fn attached(backend: Option<Backend>) -> Vec<CapabilityReport> {
        let capabilities = [
            (Capability::FileOpen, "lsm_file_open"),
            (Capability::Mount, "fentry_sb_mount"),
            (Capability::Ptrace, "exit_ptrace"),
            (Capability::Module, "lsm_module_file"),
            (Capability::Bpf, "lsm_bpf"),
            (Capability::Mmap, "lsm_mmap"),
        ];
        let report = |(capability, program)| CapabilityReport {
            capability,
            backend,
            trust: Trust::RESOLVED,
            reason_not_better: Some("the kernel refuses".to_owned()),
            programs: vec![program],
            left_out: Vec::new(),
        };
        capabilities.into_iter().map(report).collect()
    }

    #[test]
    fn every_operation_is_denied_killed_or_said_to_be_neither() {
        let actions = |backend| -> Vec<&'static str> {
            let reports = attached(backend);
            deniable(&reports)
                .map(|(_, report)| report.map_or("none", |report| report.means.action()))
                .collect()
        };
        assert_eq!(actions(Some(Backend::Lsm)), ["denied"; 6]);
        let by_signal = ["killed", "killed", "killed", "killed", "none", "killed"];
        assert_eq!(actions(Some(Backend::Fentry)), by_signal);
        assert_eq!(actions(Some(Backend::Tracepoint)), by_signal);
        assert_eq!(actions(None), ["none"; 6]);
    }

    #[test]
    fn what_is_killed_names_its_gap_and_what_is_not_denied_its_reason() {
        let reports = attached(Some(Backend::Tracepoint));
        for (operation, report) in deniable(&reports) {
            match report {
                Ok(report) => assert!(report.gap.is_some(), "{operation}"),
                Err(error) => assert!(error.to_string().contains("the kernel refuses"), "{error}"),
            }
        }
    }

    #[test]
    fn only_programs_on_objects_that_deny_can_be_kept() {
        let kept = programs(&attached(Some(Backend::Lsm)));
        assert_eq!(
            kept,
            ["lsm_file_open", "fentry_sb_mount", "lsm_module_file", "lsm_bpf"]
        );
    }

    #[test]
    fn a_flag_leaves_the_others_alone() {
        let control = SlotControl {
            epoch: 3,
            policy: 1,
            flags: SlotControl::EXPORT_ALL,
        };
        let excepted = with(control, SlotControl::EXCEPTED, true);
        assert_eq!(excepted.flags, SlotControl::EXPORT_ALL | SlotControl::EXCEPTED);
        assert_eq!(with(excepted, SlotControl::EXCEPTED, false), control);
    }
}
