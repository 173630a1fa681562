//! The attach set, as data: each capability with the ways to provide it, best first.

mod enforcement;
mod files;
mod names;
mod network;
mod processes;
mod rights;

pub use enforcement::Means;
pub(super) use enforcement::{DENIALS, Denial};

use super::backend::{Attach, Backend, Capability, Hook, Need, Plan, Way};
use agent_common::event::Trust;

const fn tracepoint(program: &'static str, tracepoint: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Tracepoint(tracepoint),
        need: Need::Never,
    }
}

const fn syscalls(program: &'static str, calls: &'static [&'static str]) -> Hook {
    Hook {
        program,
        attach: Attach::Syscalls(calls),
        need: Need::Never,
    }
}

const fn lsm(program: &'static str, hook: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Lsm(hook),
        need: Need::Never,
    }
}

const fn fentry(program: &'static str, function: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Fentry(function),
        need: Need::Never,
    }
}

const fn fexit(program: &'static str, function: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Fexit(function),
        need: Need::Never,
    }
}

const fn way(backend: Backend, trust: Trust, hooks: &'static [Hook]) -> Way {
    Way {
        backend,
        trust,
        hooks,
        natively: false,
    }
}

/// Only where nothing better than tracepoints loads.
const fn natively(way: Way) -> Way {
    Way {
        natively: true,
        ..way
    }
}

const fn shared(program: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::Shared,
        need: Need::Never,
    }
}

const fn cgroup(program: &'static str) -> Hook {
    Hook {
        program,
        attach: Attach::CgroupRoot,
        need: Need::Never,
    }
}

/// The way is worth something without it.
const fn may_lack(need: Need, hook: Hook) -> Hook {
    Hook { need, ..hook }
}

/// Programs that say which container a cgroup is. Attached before the start-up scan, and that on removal first: what gets a slot
/// without it may be gone before it is there, and would keep the slot for good.
pub(super) const CGROUPS: &[Hook] = &[
    tracepoint("cgroup_rmdir", "cgroup_rmdir"),
    tracepoint("cgroup_mkdir", "cgroup_mkdir"),
];

/// Programs that label tasks. Attached after the scan; without them there is no sensor.
pub(super) const TASKS: &[Hook] = &[
    tracepoint("cgroup_attach_task", "cgroup_attach_task"),
    tracepoint("sched_process_fork", "sched_process_fork"),
    tracepoint("sched_process_exec", "sched_process_exec"),
];

/// The dispatcher of system calls.
pub(super) const DISPATCHER: Hook = tracepoint("sys_exit", "sys_exit");

/// The capability beside which another is of use: only where that one rests on tracepoints. Better backends show both.
pub(super) fn natively_beside(capability: Capability) -> Option<Capability> {
    (capability == Capability::IoUring).then_some(Capability::FileOpen)
}

/// Everything else, each on its own.
pub(super) fn plans() -> impl Iterator<Item = &'static Plan> {
    [
        files::PLANS,
        names::PLANS,
        network::PLANS,
        processes::PLANS,
        rights::PLANS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system call has one place in the dispatcher's table: the second handler would silence the first.
    #[test]
    fn no_system_call_has_two_handlers() {
        let mut handlers = std::collections::HashMap::new();
        for plan in plans() {
            for hook in plan.ways.iter().flat_map(|way| way.hooks) {
                let Attach::Syscalls(calls) = hook.attach else {
                    continue;
                };
                for call in calls {
                    let first = *handlers.entry(*call).or_insert(plan.capability);
                    assert_eq!(first, plan.capability, "{call}: {}", hook.program);
                }
            }
        }
    }
}
