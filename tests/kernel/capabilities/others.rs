//! What is done to processes of other containers. Each check has one of its own: among hooks on objects it is all the
//! same access check, told once for each process.

use super::{Check, Stage};
use crate::lab::container::Actor;
use crate::lab::{Container, Spec};
use agent::event::{EventHeader, Payload, Ptrace, PtraceOp, RecordFlags};
use agent::kernel::Capability;
use anyhow::{Result, ensure};

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Ptrace,
        what: "reading another's memory",
        rows: &["process_vm"],
        run: memory,
    },
    Check {
        capability: Capability::Ptrace,
        what: "taking another's descriptor",
        rows: &["pidfd_getfd"],
        run: descriptor,
    },
    Check {
        capability: Capability::Ptrace,
        what: "opening another's memory in procfs",
        rows: &["proc_access"],
        run: procfs,
    },
    Check {
        capability: Capability::Ptrace,
        what: "opening another's environment in procfs",
        rows: &["proc_access"],
        run: environment,
    },
    Check {
        capability: Capability::Ptrace,
        what: "opening one's own files in procfs",
        rows: &[],
        run: own,
    },
];

/// `PTRACE_MODE_READ_FSCREDS`.
const MODE_READ: u32 = 9;

/// A container that something is done to, and a process of the stage's that can name it.
fn pair(stage: &mut Stage<'_>) -> Result<(Container, Actor)> {
    let other = Container::start(stage.world, Spec::default())?;
    Ok((other, stage.container.join_with_host_pids()?))
}

fn of(target: u32) -> impl FnMut(&Payload) -> Option<Ptrace> {
    move |payload| match payload {
        Payload::Ptrace(access) if access.target_tgid == target => Some(access.clone()),
        _ => None,
    }
}

/// By the call where it has an event of its own, else by the kernel's check.
fn accessed(stage: &mut Stage<'_>, other: &Container, by_call: PtraceOp) -> Result<()> {
    let (header, access) = stage.expect_any("the access", of(other.init.pid))?;
    let EventHeader { flags, .. } = header;
    let op = if stage.is_native(Capability::Ptrace) {
        by_call
    } else {
        PtraceOp::ACCESS_CHECK
    };
    ensure!(access.op == op, "{access:?}");
    ensure!(access.target_slot == other.slot.slot, "{access:?}");
    ensure!(flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn memory(stage: &mut Stage<'_>) -> Result<()> {
    let (other, mut actor) = pair(stage)?;
    actor.act(&format!("read-memory {}", other.init.pid))?;
    accessed(stage, &other, PtraceOp::PROCESS_VM_READ)
}

fn descriptor(stage: &mut Stage<'_>) -> Result<()> {
    let (other, mut actor) = pair(stage)?;
    actor.act(&format!("take-descriptor {}", other.init.pid))?;
    accessed(stage, &other, PtraceOp::ACCESS_CHECK)
}

fn procfs(stage: &mut Stage<'_>) -> Result<()> {
    let (other, mut actor) = pair(stage)?;
    actor.act(&format!("open-read /proc/{}/mem", other.init.pid))?;
    accessed(stage, &other, PtraceOp::ACCESS_CHECK)
}

/// Of threads too; told once for all processes of a container, and nothing that an alert would be made of.
fn environment(stage: &mut Stage<'_>) -> Result<()> {
    let (other, mut actor) = pair(stage)?;
    let pid = other.init.pid;
    actor.act(&format!("open-read /proc/{pid}/task/{pid}/environ"))?;
    let (header, access) = stage.expect_any("the access", of(pid))?;
    ensure!(
        access.op == PtraceOp::ACCESS_CHECK && access.request == MODE_READ,
        "{access:?}"
    );
    ensure!(access.target_slot == other.slot.slot, "{access:?}");
    ensure!(!header.flags.has(RecordFlags::DEVIATION), "urgent");
    Ok(())
}

/// What every program does: its own files, those of its container, and what is nobody's.
fn own(stage: &mut Stage<'_>) -> Result<()> {
    let mut actor = stage.container.join_with_host_pids()?;
    let init = stage.container.init.pid;
    for file in ["self/mem", "self/environ", "self/maps", "meminfo"] {
        actor.attempt(&format!("open-read /proc/{file}"))?.ok();
    }
    actor.act(&format!("open-read /proc/{init}/environ"))?;
    stage.silent(|payload| matches!(payload, Payload::Ptrace(_)))
}
