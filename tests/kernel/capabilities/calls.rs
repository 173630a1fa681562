//! Calls that tell by themselves.

use super::{Check, Stage, rows, word};
use crate::lab::container::unique_id;
use agent::event::{Call, CallName, Mount, MountOp, Payload, Ptrace, PtraceOp, RecordFlags};
use agent::kernel::{Capability, Sight};
use anyhow::{Result, ensure};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Syscall,
        what: "numbers are kept as they were given",
        rows: &["calls"],
        run: numbers,
    },
    Check {
        capability: Capability::Syscall,
        what: "a number behind an address",
        rows: &["calls"],
        run: word_of_structure,
    },
    Check {
        capability: Capability::Syscall,
        what: "setting a clock, not asking it",
        rows: &["calls"],
        run: clock,
    },
    Check {
        capability: Capability::Syscall,
        what: "a name tells calls apart",
        rows: &["calls"],
        run: name,
    },
    Check {
        capability: Capability::Syscall,
        what: "a memory file's name does not",
        rows: &["calls"],
        run: label,
    },
    Check {
        capability: Capability::Syscall,
        what: "the name of a thread of the kernel",
        rows: &["thread_name"],
        run: thread_name,
    },
    Check {
        capability: Capability::Syscall,
        what: "memory that says what the process is",
        rows: &["calls"],
        run: memory_map,
    },
    Check {
        capability: Capability::Syscall,
        what: "bytes of a file spliced into a pipe",
        rows: &["splice"],
        run: splice,
    },
    Check {
        capability: Capability::Syscall,
        what: "a filter on a socket, no other option",
        rows: &["calls"],
        run: filter,
    },
    Check {
        capability: Capability::Syscall,
        what: "a program on a socket, by socketcall",
        rows: &["calls"],
        run: filter32,
    },
    Check {
        capability: Capability::Syscall,
        what: "a program on a socket, by arguments with upper halves",
        rows: &["calls"],
        run: filter_disguised,
    },
    Check {
        capability: Capability::Syscall,
        what: "netlink that configures",
        rows: &["netlink"],
        run: netlink,
    },
    Check {
        capability: Capability::Syscall,
        what: "a program that the kernel starts",
        rows: &["usermodehelper"],
        run: usermodehelper,
    },
    Check {
        capability: Capability::Ptrace,
        what: "letting oneself be traced",
        rows: &["traceme"],
        run: trace_me,
    },
    Check {
        capability: Capability::Ptrace,
        what: "writing to a traced child",
        rows: &["ptrace_changes"],
        run: poke,
    },
    Check {
        capability: Capability::Mount,
        what: "attributes of a mount",
        rows: &["mount_setattr"],
        run: mount_setattr,
    },
];

/// A magic number that reboot(2) does not know: it refuses.
const NO_MAGIC: u64 = 1;
const EINVAL: i32 = 22;
/// `PERF_TYPE_*` that no kernel has.
const NO_EVENT: u64 = 4000;
const ADJ_TICK: u64 = 0x4000;
/// `IORING_SETUP_IOPOLL` and `IORING_SETUP_SQPOLL`.
const IOPOLL: u64 = 1;
const SQPOLL: u64 = 2;
const FSCONFIG_SET_FLAG: u64 = 0;
const SO_ATTACH_FILTER: u64 = 26;
const SO_ATTACH_BPF: u64 = 50;
const SO_ATTACH_REUSEPORT_EBPF: u64 = 52;
const RTM_NEWLINK: u64 = 16;
const RTM_DELLINK: u64 = 17;
const PTRACE_POKEDATA: u32 = 5;
const PTRACE_POKEUSR: u32 = 6;

fn called(wanted: CallName) -> impl FnMut(&Payload) -> Option<Call> {
    move |payload| match payload {
        Payload::Syscall(call) if call.call == wanted => Some(call.clone()),
        _ => None,
    }
}

fn numbers(stage: &mut Stage<'_>) -> Result<()> {
    for command in [7, 8] {
        let refused = stage
            .container
            .init
            .attempt(&format!("reboot {NO_MAGIC} {command}"))?;
        ensure!(refused == Err(EINVAL), "{refused:?}");
        // Each command is a behaviour of its own.
        let (header, call) = stage.expect_any("reboot", |payload| {
            called(CallName::REBOOT)(payload).filter(|call| call.args[2] == command)
        })?;
        ensure!(call.args == [NO_MAGIC, NO_MAGIC, command, 0], "{call:?}");
        ensure!(header.ret == -EINVAL, "{header:?}");
        ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    }
    Ok(())
}

fn word_of_structure(stage: &mut Stage<'_>) -> Result<()> {
    stage.attempt(&format!("perf {NO_EVENT}"))?;
    let (_, call) = stage.expect_any("perf_event_open", called(CallName::PERF_EVENT_OPEN))?;
    let minus_one = u64::MAX;
    ensure!(call.args == [NO_EVENT, minus_one, minus_one, 0], "{call:?}");
    // Without flags it was done by other checks.
    for flags in [IOPOLL, SQPOLL] {
        stage.attempt(&format!("ring {flags}"))?;
        let (_, call) = stage.expect_any("io_uring_setup", |payload| {
            called(CallName::IO_URING_SETUP)(payload).filter(|call| call.args[1] == flags)
        })?;
        ensure!(call.args[0] == 1, "{call:?}");
    }
    Ok(())
}

fn clock(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("ask-clock")?;
    stage.silent(|payload| called(CallName::ADJTIMEX)(payload).is_some())?;
    let refused = stage.container.init.attempt("adjust-clock")?;
    ensure!(refused == Err(EINVAL), "{refused:?}");
    let (_, call) = stage.expect_any("adjtimex", called(CallName::ADJTIMEX))?;
    ensure!(call.args == [ADJ_TICK, 0, 0, 0], "{call:?}");
    Ok(())
}

fn name(stage: &mut Stage<'_>) -> Result<()> {
    for key in ["vigia-first", "vigia-second"] {
        let deed = format!("fsconfig {FSCONFIG_SET_FLAG} {key}");
        for _ in 0..2 {
            stage.attempt(&deed)?;
        }
        let with_key =
            |payload: &Payload| called(CallName::FSCONFIG)(payload).filter(|call| call.text.to_text() == key);
        stage.expect_any("fsconfig", with_key)?;
        let slot = Some(stage.container.slot);
        let times = stage
            .world
            .count(|event| event.slot() == slot && with_key(&event.payload).is_some())?;
        ensure!(times == 1, "{times} events");
    }
    Ok(())
}

fn label(stage: &mut Stage<'_>) -> Result<()> {
    // The container's own process has made one before.
    let mut actor = stage.container.join_by_attach()?;
    actor.act("memfd vigia-label")?;
    let (header, call) = stage.expect_any("memfd_create", called(CallName::MEMFD_CREATE))?;
    ensure!(call.text.to_text() == "vigia-label", "{call:?}");
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    stage.world.forget()?;
    actor.act("memfd vigia-another")?;
    stage.silent(|payload| called(CallName::MEMFD_CREATE)(payload).is_some())
}

fn thread_name(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run set-name worker/0:1")?;
    stage.silent(|payload| called(CallName::PRCTL)(payload).is_some())?;
    for name in ["kworker/0:1", "[watchdog]", "rcu_sched"] {
        stage.act(&format!("run set-name {name}"))?;
        let (header, _) = stage.expect_any("prctl", |payload| {
            called(CallName::PRCTL)(payload).filter(|call| call.text.to_text() == name)
        })?;
        ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    }
    Ok(())
}

fn memory_map(stage: &mut Stage<'_>) -> Result<()> {
    stage.attempt("set-mm")?;
    let (_, call) = stage.expect_any("prctl", |payload| {
        called(CallName::PRCTL)(payload).filter(|call| call.args[0] == 35)
    })?;
    ensure!(call.args[1] == 1, "{call:?}");
    Ok(())
}

fn splice(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("spliced")?;
    stage.act(&format!("splice-in {}", word(&path)))?;
    stage.silent(|payload| called(CallName::SPLICE)(payload).is_some())?;
    stage.act(&format!("splice-out {}", word(&path)))?;
    let (_, call) = stage.expect_any("splice", called(CallName::SPLICE))?;
    ensure!(call.text.to_text() == path.to_string_lossy(), "{call:?}");
    ensure!(call.args == [0, 0, 1, 0], "{call:?}");
    Ok(())
}

fn filter(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("reuse-port")?;
    stage.silent(|payload| called(CallName::SETSOCKOPT)(payload).is_some())?;
    stage.act("attach-filter")?;
    let (_, call) = stage.expect_any("setsockopt", called(CallName::SETSOCKOPT))?;
    ensure!(call.args[2] == SO_ATTACH_FILTER, "{call:?}");
    Ok(())
}

fn filter_disguised(stage: &mut Stage<'_>) -> Result<()> {
    stage.attempt("attach-program-disguised")?;
    let (_, call) = stage.expect_any("setsockopt", called(CallName::SETSOCKOPT))?;
    ensure!(call.args[2] == SO_ATTACH_REUSEPORT_EBPF, "{call:?}");
    Ok(())
}

fn filter32(stage: &mut Stage<'_>) -> Result<()> {
    if !stage.act32("attach-program32")? {
        return Ok(());
    }
    let (_, call) = stage.expect_any("setsockopt", called(CallName::SETSOCKOPT))?;
    ensure!(call.args[2] == SO_ATTACH_BPF, "{call:?}");
    Ok(())
}

fn netlink(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("get-link")?;
    stage.silent(|payload| called(CallName::NETLINK)(payload).is_some())?;
    for (deed, kind) in [("new-link", RTM_NEWLINK), ("write-delete-link", RTM_DELLINK)] {
        stage.act(deed)?;
        stage.expect(Capability::Syscall, |payload| {
            called(CallName::NETLINK)(payload).filter(|call| call.args == [0, kind, 0, 0])
        })?;
    }
    Ok(())
}

/// The kernel asks for a key by a program, whether there is one or not.
fn usermodehelper(stage: &mut Stage<'_>) -> Result<()> {
    // The kernel remembers for a minute which keys there are not.
    let key = format!("request-key vigia:{}", unique_id());
    let refused = stage.container.init.attempt(&key)?;
    ensure!(refused.is_err(), "there is such a key");
    if rows::sight(stage.world.sensor.reports(), "usermodehelper")? == Sight::Blind {
        return stage.silent(|payload| called(CallName::USERMODEHELPER)(payload).is_some());
    }
    let (header, call) = stage.expect_any("syscall", called(CallName::USERMODEHELPER))?;
    ensure!(call.text.to_text() == "/sbin/request-key", "{call:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

/// By a child whose parent does not wait for stops.
fn trace_me(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("run trace-me")?;
    let (_, call) = stage.expect_any("ptrace", called(CallName::PTRACE))?;
    ensure!(call.args == [0; 4], "{call:?}");
    Ok(())
}

/// Its memory, and its registers one by one.
fn poke(stage: &mut Stage<'_>) -> Result<()> {
    for request in [PTRACE_POKEDATA, PTRACE_POKEUSR] {
        let target = u32::try_from(stage.act(&format!("poke {request}"))?)?;
        let (_, ptrace) = stage.expect_any("ptrace", |payload| match payload {
            Payload::Ptrace(ptrace) if ptrace.request == request => Some(ptrace.clone()),
            _ => None,
        })?;
        let Ptrace { op, target_tgid, .. } = ptrace;
        ensure!(op == PtraceOp::PTRACE && target_tgid == target, "{ptrace:?}");
    }
    Ok(())
}

fn mount_setattr(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("nowhere");
    let refused = stage
        .container
        .init
        .attempt(&format!("mount-setattr {}", word(&path)))?;
    ensure!(refused.is_err(), "the kernel knows the place");
    let (_, mount) = stage.expect_any("mount_setattr", |payload| match payload {
        Payload::Mount(mount) if mount.op == MountOp::SETATTR => Some(mount.clone()),
        _ => None,
    })?;
    let Mount {
        mount_flags, target, ..
    } = &mount;
    ensure!(*mount_flags == 2 | 1 << 32, "{mount:?}");
    ensure!(target.to_text() == path.to_string_lossy(), "{mount:?}");
    Ok(())
}
