//! What denies, beside the programs that see.

use super::{cgroup, lsm, tracepoint};
use crate::kernel::backend::{Backend, Hook};
use agent_common::policy::Section;

/// One way to deny what a section of a profile does not name.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernel) struct Denial {
    /// It works where no better backend than this sees.
    pub(in crate::kernel) backend: Backend,
    pub(in crate::kernel) means: Means,
    pub(in crate::kernel) hooks: &'static [Hook],
    /// Programs that see, and deny too.
    pub(in crate::kernel) sees: &'static [&'static str],
    /// What it cannot keep anybody from.
    pub(in crate::kernel) gap: Option<&'static str>,
}

/// How a deed is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Means {
    /// A security module returns `EPERM`.
    SecurityModule,
    /// A program of the control group returns `EPERM`.
    ControlGroup,
    /// The process is ended when it has done it.
    Signal,
}

impl Denial {
    /// Names of all programs that deny.
    pub(in crate::kernel) fn programs(&self) -> Vec<&'static str> {
        let hooks = self.hooks.iter().map(|hook| hook.program);
        hooks.chain(self.sees.iter().copied()).collect()
    }
}

impl Means {
    /// Name in `agent check`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SecurityModule => "lsm",
            Self::ControlGroup => "cgroup",
            Self::Signal => "signal",
        }
    }

    /// What becomes of the deed: the word in alerts.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::SecurityModule | Self::ControlGroup => "denied",
            Self::Signal => "killed",
        }
    }
}

const UNBOUND: Hook = tracepoint("end_unbound_listener", "inet_sock_set_state");
const UNBOUND_GAP: &str = "a process that listens without a bind is killed";
const BEFORE: &str = "the process is killed before its first instruction";
const AFTER: &str = "the process is killed when it is done: what it did stays done";

const OPENING: &[Denial] = &[
    with(&["lsm_file_open"], module(&[])),
    with(&["fentry_file_open"], signal(AFTER)),
];

/// Ways by section, best first. A way without hooks is one of the programs that see anyway.
pub(in crate::kernel) const DENIALS: &[(Section, &[Denial])] = &[
    (
        Section::EXEC,
        &[module(&[lsm("lsm_exec", "bprm_creds_from_file")]), signal(BEFORE)],
    ),
    (Section::WRITE, OPENING),
    (Section::READ, OPENING),
    (
        Section::LISTEN,
        &[
            with(&["lsm_bind"], module(&[lsm("lsm_listen", "socket_listen")])),
            with_gap(UNBOUND_GAP, group(&[cgroup("bind4"), cgroup("bind6"), UNBOUND])),
            // Up to 6.12 at least cgroup programs cannot use task storage.
            with_gap(
                UNBOUND_GAP,
                group(&[cgroup("bind4_by_cgroup"), cgroup("bind6_by_cgroup"), UNBOUND]),
            ),
        ],
    ),
    (
        Section::CONNECT,
        &[
            with(&["lsm_connect", "lsm_fastopen", "lsm_send"], module(&[])),
            // What is sent is reported by functions there, and by programs of the control group elsewhere.
            beside_functions(group(&[
                cgroup("connect4"),
                cgroup("connect6"),
                cgroup("asked_send4"),
                cgroup("asked_send6"),
            ])),
            beside_functions(group(&[
                cgroup("connect4_by_cgroup"),
                cgroup("connect6_by_cgroup"),
                cgroup("asked_send4_by_cgroup"),
                cgroup("asked_send6_by_cgroup"),
            ])),
            with(
                &["sendmsg4", "sendmsg6"],
                group(&[cgroup("connect4"), cgroup("connect6")]),
            ),
            with(
                &["sendmsg4_by_cgroup", "sendmsg6_by_cgroup"],
                group(&[cgroup("connect4_by_cgroup"), cgroup("connect6_by_cgroup")]),
            ),
        ],
    ),
    // Others see it when it was used.
    (Section::CAPABILITIES, &[with(&["lsm_capable"], module(&[]))]),
];

const fn module(hooks: &'static [Hook]) -> Denial {
    Denial {
        backend: Backend::Lsm,
        means: Means::SecurityModule,
        hooks,
        sees: &[],
        gap: None,
    }
}

const fn group(hooks: &'static [Hook]) -> Denial {
    Denial {
        backend: Backend::Tracepoint,
        means: Means::ControlGroup,
        hooks,
        sees: &[],
        gap: None,
    }
}

const fn signal(how: &'static str) -> Denial {
    Denial {
        backend: Backend::Tracepoint,
        means: Means::Signal,
        hooks: &[],
        sees: &[],
        gap: Some(how),
    }
}

const fn with(sees: &'static [&'static str], denial: Denial) -> Denial {
    Denial { sees, ..denial }
}

const fn with_gap(gap: &'static str, denial: Denial) -> Denial {
    Denial {
        gap: Some(gap),
        ..denial
    }
}

const fn beside_functions(denial: Denial) -> Denial {
    Denial {
        backend: Backend::Fentry,
        ..denial
    }
}
