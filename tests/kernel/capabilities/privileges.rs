//! Mounts, namespaces, a child, and programs in the kernel.

use super::{Check, Stage, namespace, word};
use crate::lab::raw::{MAP_TYPE_ARRAY, PTRACE_SEIZE};
use agent::event::{Bpf, Mount, MountOp, Namespaces, Payload, Ptrace, PtraceOp, Setns};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use std::fs;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Mount,
        what: "mount of a tmpfs",
        rows: &["mount"],
        run: mount,
    },
    Check {
        capability: Capability::Mount,
        what: "mount with the magic number of old",
        rows: &["mount"],
        run: mount_old,
    },
    Check {
        capability: Capability::Mount,
        what: "fsopen, fsmount, move_mount",
        rows: &["mount_api", "move_mount"],
        run: fsmount,
    },
    Check {
        capability: Capability::Mount,
        what: "umount",
        rows: &["umount"],
        run: umount,
    },
    Check {
        capability: Capability::Mount,
        what: "pivot_root to what is no mount",
        rows: &["pivot_root"],
        run: pivot_root,
    },
    Check {
        capability: Capability::Mount,
        what: "a copy of a mount",
        rows: &["open_tree"],
        run: open_tree,
    },
    Check {
        capability: Capability::Ptrace,
        what: "seizing a child",
        rows: &["ptrace"],
        run: ptrace,
    },
    Check {
        capability: Capability::Bpf,
        what: "bpf(BPF_MAP_CREATE)",
        rows: &["bpf"],
        run: bpf,
    },
    // The last one: the container's process is in a namespace of the host from here on.
    Check {
        capability: Capability::Setns,
        what: "into the host's uts namespace",
        rows: &["setns"],
        run: setns,
    },
];

const MS_NOSUID: u64 = 2;
const BPF_MAP_CREATE: u32 = 0;

fn mount(stage: &mut Stage<'_>) -> Result<()> {
    mounted(stage, "mount", "mounted")
}

/// The magic number says nothing: the flags are what is left without it.
fn mount_old(stage: &mut Stage<'_>) -> Result<()> {
    mounted(stage, "mount-old", "mounted-old")
}

fn mounted(stage: &mut Stage<'_>, deed: &str, name: &str) -> Result<()> {
    let target = stage.world.path(name);
    fs::create_dir(&target)?;
    stage.act(&format!("{deed} vigia-source {}", word(&target)))?;
    let (_, mount) = stage.expect(Capability::Mount, |payload| match payload {
        Payload::Mount(mount) => Some(mount.clone()),
        _ => None,
    })?;
    let Mount {
        op,
        mount_flags,
        source,
        target: said,
        fstype,
        ..
    } = &mount;
    ensure!(
        *op == MountOp::MOUNT && mount_flags & 0xffff_ffff == MS_NOSUID,
        "{mount:?}"
    );
    ensure!(
        source.to_text() == "vigia-source" && fstype.to_text() == "tmpfs",
        "{mount:?}"
    );
    ensure!(said.to_text() == target.to_string_lossy(), "{mount:?}");
    Ok(())
}

fn fsmount(stage: &mut Stage<'_>) -> Result<()> {
    let target = stage.world.path("moved");
    fs::create_dir(&target)?;
    stage.act(&format!("fsmount {}", word(&target)))?;
    changed(stage, MountOp::FSMOUNT)?;
    let mount = changed(stage, MountOp::MOVE_MOUNT)?;
    ensure!(mount.target.to_text() == target.to_string_lossy(), "{mount:?}");
    Ok(())
}

/// What was done to mounts, by the capability's own backend.
fn changed(stage: &mut Stage<'_>, op: MountOp) -> Result<Mount> {
    let (_, mount) = stage.expect(Capability::Mount, |payload| match payload {
        Payload::Mount(mount) if mount.op == op => Some(mount.clone()),
        _ => None,
    })?;
    Ok(mount)
}

fn umount(stage: &mut Stage<'_>) -> Result<()> {
    let target = stage.world.path("unmounted");
    fs::create_dir(&target)?;
    stage.act(&format!("mount vigia-source {}", word(&target)))?;
    stage.act(&format!("umount {}", word(&target)))?;
    let mount = changed(stage, MountOp::UMOUNT)?;
    ensure!(mount.target.to_text() == target.to_string_lossy(), "{mount:?}");
    Ok(())
}

fn pivot_root(stage: &mut Stage<'_>) -> Result<()> {
    let root = stage.world.path("no-root");
    fs::create_dir(&root)?;
    let refused = stage
        .container
        .init
        .attempt(&format!("pivot-root {0} {0}", word(&root)))?;
    ensure!(refused.is_err(), "it is the root now");
    let mount = changed(stage, MountOp::PIVOT_ROOT)?;
    ensure!(mount.target.to_text() == root.to_string_lossy(), "{mount:?}");
    Ok(())
}

/// Seen at the call's return, whatever the backend.
fn open_tree(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.path("copied");
    fs::create_dir(&path)?;
    stage.act(&format!("open-tree {}", word(&path)))?;
    let (_, mount) = stage.expect_any("open_tree", |payload| match payload {
        Payload::Mount(mount) if mount.op == MountOp::OPEN_TREE => Some(mount.clone()),
        _ => None,
    })?;
    ensure!(mount.source.to_text() == path.to_string_lossy(), "{mount:?}");
    Ok(())
}

fn ptrace(stage: &mut Stage<'_>) -> Result<()> {
    let target = u32::try_from(stage.act("seize")?)?;
    let (_, ptrace) = stage.expect(Capability::Ptrace, |payload| match payload {
        Payload::Ptrace(ptrace) if ptrace.target_tgid == target => Some(ptrace.clone()),
        _ => None,
    })?;
    let Ptrace {
        op,
        request,
        target_slot,
        target,
        ..
    } = &ptrace;
    let by_call = *op == PtraceOp::PTRACE && *request == PTRACE_SEIZE;
    ensure!(by_call || *op == PtraceOp::ACCESS_CHECK, "{ptrace:?}");
    ensure!(*target_slot == stage.container.slot.slot, "{ptrace:?}");
    // Not every backend can follow the target's task to its image; none may name another's.
    ensure!(*target != stage.image, "{ptrace:?}");
    Ok(())
}

fn bpf(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("bpf")?;
    let (_, Bpf { cmd, subtype }) = stage.expect(Capability::Bpf, |payload| match payload {
        Payload::Bpf(bpf) => Some(bpf.clone()),
        _ => None,
    })?;
    ensure!(cmd == BPF_MAP_CREATE, "command {cmd}");
    ensure!(subtype == MAP_TYPE_ARRAY, "type {subtype}");
    Ok(())
}

fn setns(stage: &mut Stage<'_>) -> Result<()> {
    let uts = Namespaces::NAMES
        .iter()
        .position(|name| *name == "uts")
        .context("no uts")?;
    // Not every host lets its first process be looked at; this one is in the same namespaces.
    let ours = std::process::id();
    stage.act(&format!("setns /proc/{ours}/ns/uts"))?;
    let (_, setns) = stage.expect(Capability::Setns, |payload| match payload {
        Payload::Setns(setns) => Some(setns.clone()),
        _ => None,
    })?;
    let Setns {
        namespaces,
        host_mask,
        gained_mask,
        ..
    } = &setns;
    ensure!(namespaces.uts == namespace(ours, "uts")?, "{setns:?}");
    ensure!(
        namespaces.mnt == namespace(stage.container.init.pid, "mnt")?,
        "{setns:?}"
    );
    ensure!(host_mask & (1 << uts) != 0, "{setns:?}");
    ensure!(*gained_mask == 1 << uts, "{setns:?}");
    Ok(())
}
