//! Device nodes and FIFOs.

use super::super::{Check, Stage, word};
use super::{change, changes, check, folder, is_resolved, is_urgent, stands_in};
use agent::event::{EventHeader, Name};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    check(
        Capability::Create,
        "mknod of a device is urgent",
        &["mknod"],
        mknod,
    ),
    check(
        Capability::Create,
        "mknod of a block device",
        &["mknod"],
        mknod_block,
    ),
    check(
        Capability::Create,
        "mknod of a device that is refused",
        &["mknod_refused"],
        mknod_refused,
    ),
    check(Capability::Create, "mknod of a FIFO", &["mknod"], mknod_fifo),
    check(
        Capability::Create,
        "mknod of a set-user-ID file",
        &["mknod"],
        mknod_setuid,
    ),
    check(
        Capability::Create,
        "files that are made and whiteouts are no nodes",
        &[],
        mknod_of_files,
    ),
];

/// `S_IFMT` and types.
const TYPE: u16 = 0o170_000;
const CHARACTERS: u16 = 0o020_000;
const BLOCKS: u16 = 0o060_000;
const FIFO: u16 = 0o010_000;

/// A node as it was reported.
fn node(stage: &mut Stage<'_>, path: &Path) -> Result<(EventHeader, Name)> {
    let (header, name) = change(stage, Capability::Create)?;
    ensure!(name.path.to_text() == word(path), "path {}", name.path);
    Ok((header, name))
}

fn mknod(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "mknod")?;
    let path = folder.join("null");
    stage.act(&format!("mknod char {} 1 3", word(&path)))?;
    let found = node(stage, &path)?;
    let (header, name) = &found;
    ensure!(is_urgent(header), "flags {:#x}", header.flags.0);
    ensure!(name.file.mode & TYPE == CHARACTERS, "mode {:#o}", name.file.mode);
    ensure!(name.file.rdev == 1 << 20 | 3, "device {:#x}", name.file.rdev);
    stands_in(stage, Capability::Create, &found, &folder)?;
    // Another device in the same directory is another behaviour.
    stage.world.forget()?;
    let path = folder.join("memory");
    stage.act(&format!("mknod char {} 1 1", word(&path)))?;
    node(stage, &path).map(drop)
}

fn mknod_block(stage: &mut Stage<'_>) -> Result<()> {
    let path = folder(stage, "mknod-block")?.join("disk");
    // A minor number that does not fit eight bits: the call's encoding splits it.
    stage.act(&format!("mknod block {} 253 4660", word(&path)))?;
    let (header, name) = node(stage, &path)?;
    ensure!(is_urgent(&header), "flags {:#x}", header.flags.0);
    ensure!(name.file.mode & TYPE == BLOCKS, "mode {:#o}", name.file.mode);
    ensure!(name.file.rdev == 253 << 20 | 4660, "device {:#x}", name.file.rdev);
    Ok(())
}

fn mknod_refused(stage: &mut Stage<'_>) -> Result<()> {
    let path = folder(stage, "mknod-refused")?.join("disk");
    let deed = format!("mknod-unprivileged block {} 8 0", word(&path));
    let error = stage.container.init.attempt(&deed)?.err();
    ensure!(error == Some(libc::EPERM), "{error:?}");
    let (header, name) = node(stage, &path)?;
    ensure!(is_urgent(&header), "flags {:#x}", header.flags.0);
    ensure!(name.file.rdev == 8 << 20, "device {:#x}", name.file.rdev);
    let resolved = is_resolved(stage, Capability::Create)?;
    ensure!(resolved || header.ret == -libc::EPERM, "result {}", header.ret);
    Ok(())
}

/// No chmod comes after it.
fn mknod_setuid(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "mknod-setuid")?;
    let path = folder.join("setuid");
    stage.act(&format!("mknod-setuid {}", word(&path)))?;
    let (header, name) = node(stage, &path)?;
    ensure!(is_urgent(&header), "flags {:#x}", header.flags.0);
    ensure!(name.file.mode & 0o7777 == 0o4755, "mode {:#o}", name.file.mode);
    Ok(())
}

fn mknod_fifo(stage: &mut Stage<'_>) -> Result<()> {
    let path = folder(stage, "mknod-fifo")?.join("pipe");
    stage.act(&format!("mknod fifo {} 0 0", word(&path)))?;
    let (header, name) = node(stage, &path)?;
    ensure!(!is_urgent(&header), "flags {:#x}", header.flags.0);
    ensure!(name.file.mode & TYPE == FIFO, "mode {:#o}", name.file.mode);
    Ok(())
}

fn mknod_of_files(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "mknod-files")?;
    stage.act(&format!("mknod file {} 0 0", word(&folder.join("file"))))?;
    stage.act(&format!("open-write {}", word(&folder.join("opened"))))?;
    stage.act(&format!("mknod char {} 0 0", word(&folder.join("gone"))))?;
    ensure!(changes(stage)? == 0, "{} records", changes(stage)?);
    Ok(())
}
