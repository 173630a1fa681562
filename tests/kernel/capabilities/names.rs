//! Directories that change: what leaves the kernel of it, and what is only counted.

mod links;
mod nodes;

use super::files::same_file;
use super::{Check, Stage, word};
use agent::event::{EventHeader, FileObject, Name, Payload, RecordFlags, Trust};
use agent::kernel::{Backend, Capability};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

const fn check(
    capability: Capability,
    what: &'static str,
    rows: &'static [&'static str],
    run: fn(&mut Stage<'_>) -> Result<()>,
) -> Check {
    Check {
        capability,
        what,
        rows,
        run,
    }
}

pub(super) const CHECKS: &[&[Check]] = &[NAMES, links::CHECKS, nodes::CHECKS];

const NAMES: &[Check] = &[
    check(
        Capability::Unlink,
        "the first removal in a directory leaves, once",
        &["unlink"],
        unlink,
    ),
    check(
        Capability::Unlink,
        "a watched name leaves by itself, urgently",
        &["unlink"],
        unlink_watched,
    ),
    check(
        Capability::Unlink,
        "unlinkat below a descriptor",
        &["unlink"],
        unlink_in,
    ),
    check(Capability::Unlink, "rmdir is none", &[], remove_directory),
    check(
        Capability::Rename,
        "rename between directories",
        &["rename"],
        rename,
    ),
    check(
        Capability::Rename,
        "renameat below a descriptor",
        &["rename"],
        rename_in,
    ),
    check(
        Capability::Rename,
        "exchange is another behaviour",
        &["rename"],
        exchange,
    ),
    check(
        Capability::Rename,
        "rename of a watched name",
        &["rename"],
        rename_watched,
    ),
    check(
        Capability::Rename,
        "rename to a watched name",
        &["rename"],
        rename_to_watched,
    ),
    check(
        Capability::Rename,
        "a bind mount shows the path in its filesystem",
        &["rename"],
        rename_in_mount,
    ),
];

/// Not watched before a check says so; the same for all checks.
const WATCHED: &str = "vigia-watched";

fn folder(stage: &Stage<'_>, name: &str) -> Result<PathBuf> {
    let path = stage.world.path(name);
    fs::create_dir(&path)?;
    Ok(path)
}

fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, name)?;
    Ok(path)
}

/// What a change of a directory is about; `None`: it is none.
fn name(payload: &Payload) -> Option<&Name> {
    match payload {
        Payload::Unlink(name)
        | Payload::Rename(name)
        | Payload::Link(name)
        | Payload::Symlink(name)
        | Payload::Mknod(name) => Some(name),
        _ => None,
    }
}

/// The first change that was reported.
fn change(stage: &mut Stage<'_>, capability: Capability) -> Result<(EventHeader, Name)> {
    stage.expect(capability, |payload| name(payload).cloned())
}

fn changes(stage: &mut Stage<'_>) -> Result<usize> {
    let slot = stage.container.slot;
    stage
        .world
        .count(|event| event.slot() == Some(slot) && name(&event.payload).is_some())
}

/// Whether the directory is the kernel's own, or what was asked for is all there is.
fn is_resolved(stage: &Stage<'_>, capability: Capability) -> Result<bool> {
    let report = stage.world.report(capability).context("no report")?;
    Ok(report.backend != Some(Backend::Tracepoint))
}

/// Its directory, which is `folder`, or is not known.
fn stands_in(
    stage: &Stage<'_>,
    capability: Capability,
    change: &(EventHeader, Name),
    folder: &Path,
) -> Result<()> {
    let (header, name) = change;
    if is_resolved(stage, capability)? {
        ensure!(
            header.flags.trust() == Trust::RESOLVED,
            "trust {}",
            header.flags.trust().name()
        );
        return same_file(&name.directory, folder).context("directory");
    }
    ensure!(
        header.flags.trust() == Trust::ARGUMENTS,
        "trust {}",
        header.flags.trust().name()
    );
    ensure!(name.directory == FileObject::default(), "{:?}", name.directory);
    Ok(())
}

fn is_urgent(header: &EventHeader) -> bool {
    header.flags.has(RecordFlags::DEVIATION)
}

fn unlink(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "unlink")?;
    let files = ["first", "second", "third"].map(|name| file(&folder, name));
    let files: Vec<PathBuf> = files.into_iter().collect::<Result<_>>()?;
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&files[0])?);
    for path in &files {
        stage.act(&format!("unlink {}", word(path)))?;
    }
    let found = change(stage, Capability::Unlink)?;
    let (header, name) = &found;
    ensure!(name.path.to_text() == word(&files[0]), "path {}", name.path);
    ensure!(!is_urgent(header), "flags {:#x}", header.flags.0);
    if is_resolved(stage, Capability::Unlink)? {
        ensure!(name.file.ino == inode, "inode {}", name.file.ino);
    }
    stands_in(stage, Capability::Unlink, &found, &folder)?;
    ensure!(changes(stage)? == 1, "{} records", changes(stage)?);
    let count = stage.world.sensor.slots.occurrences(&header.behaviour);
    ensure!(count == Some(3), "counted {count:?}");
    Ok(())
}

fn unlink_watched(stage: &mut Stage<'_>) -> Result<()> {
    stage.world.sensor.slots.watch_names([WATCHED])?;
    let folder = folder(stage, "unlink-watched")?;
    let (plain, path) = (file(&folder, "plain")?, file(&folder, WATCHED)?);
    stage.act(&format!("unlink {}", word(&plain)))?;
    stage.world.forget()?;
    stage.act(&format!("unlink {}", word(&path)))?;
    let (header, name) = change(stage, Capability::Unlink)?;
    ensure!(name.path.to_text() == word(&path), "path {}", name.path);
    ensure!(is_urgent(&header), "flags {:#x}", header.flags.0);
    Ok(())
}

fn unlink_in(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "unlink-in")?;
    let (path, other) = (file(&folder, "first")?, file(&folder, "second")?);
    stage.act(&format!("unlink-in {} first", word(&folder)))?;
    stage.act(&format!("unlink-in {} second", word(&folder)))?;
    let (_, name) = change(stage, Capability::Unlink)?;
    ensure!(name.path.to_text() == word(&path), "path {}", name.path);
    ensure!(
        !other.exists() && changes(stage)? == 1,
        "{} records",
        changes(stage)?
    );
    Ok(())
}

fn remove_directory(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "rmdir")?;
    fs::create_dir(folder.join("within"))?;
    stage.act(&format!("rmdir-in {} within", word(&folder)))?;
    ensure!(changes(stage)? == 0, "{} records", changes(stage)?);
    Ok(())
}

fn rename(stage: &mut Stage<'_>) -> Result<()> {
    let (from, to) = (folder(stage, "rename-from")?, folder(stage, "rename-to")?);
    let (old, new) = (file(&from, "old")?, to.join("new"));
    let second = file(&from, "second")?;
    stage.act(&format!("rename {} {}", word(&old), word(&new)))?;
    stage.act(&format!("rename {} {}", word(&second), word(&to.join("other"))))?;
    let found = change(stage, Capability::Rename)?;
    let (header, name) = &found;
    ensure!(name.path.to_text() == word(&old), "from {}", name.path);
    ensure!(name.new_path.to_text() == word(&new), "to {}", name.new_path);
    ensure!(name.rename_flags == 0, "flags {:#x}", name.rename_flags);
    ensure!(!is_urgent(header), "flags {:#x}", header.flags.0);
    stands_in(stage, Capability::Rename, &found, &to)?;
    ensure!(changes(stage)? == 1, "{} records", changes(stage)?);
    // The other way round the other directory is the new one.
    stage.world.forget()?;
    stage.act(&format!("rename {} {}", word(&new), word(&old)))?;
    let found = change(stage, Capability::Rename)?;
    stands_in(stage, Capability::Rename, &found, &from)
}

fn rename_in(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "rename-in")?;
    file(&folder, "old")?;
    stage.act(&format!("rename-in {} old new", word(&folder)))?;
    let (_, name) = change(stage, Capability::Rename)?;
    ensure!(
        name.new_path.to_text() == word(&folder.join("new")),
        "to {}",
        name.new_path
    );
    Ok(())
}

fn exchange(stage: &mut Stage<'_>) -> Result<()> {
    const EXCHANGE: u32 = 2;
    let folder = folder(stage, "exchange")?;
    let (one, other) = (file(&folder, "one")?, file(&folder, "other")?);
    stage.act(&format!("rename {} {}", word(&one), word(&folder.join("third"))))?;
    let third = file(&folder, "one")?;
    stage.world.forget()?;
    stage.act(&format!("exchange {} {}", word(&third), word(&other)))?;
    let (_, name) = change(stage, Capability::Rename)?;
    ensure!(name.rename_flags == EXCHANGE, "flags {:#x}", name.rename_flags);
    ensure!(name.new_path.to_text() == word(&other), "to {}", name.new_path);
    Ok(())
}

fn rename_watched(stage: &mut Stage<'_>) -> Result<()> {
    renamed_watched(stage, "rename-watched", (WATCHED, "elsewhere"))
}

fn rename_to_watched(stage: &mut Stage<'_>) -> Result<()> {
    renamed_watched(stage, "rename-to-watched", ("plain", WATCHED))
}

fn renamed_watched(stage: &mut Stage<'_>, directory: &str, (old, new): (&str, &str)) -> Result<()> {
    stage.world.sensor.slots.watch_names([WATCHED])?;
    let folder = folder(stage, directory)?;
    let (before, plain) = (file(&folder, "before")?, folder.join("after"));
    stage.act(&format!("rename {} {}", word(&before), word(&plain)))?;
    stage.world.forget()?;
    let (from, to) = (file(&folder, old)?, folder.join(new));
    stage.act(&format!("rename {} {}", word(&from), word(&to)))?;
    let (header, name) = change(stage, Capability::Rename)?;
    ensure!(name.path.to_text() == word(&from), "from {}", name.path);
    ensure!(name.new_path.to_text() == word(&to), "to {}", name.new_path);
    ensure!(is_urgent(&header), "flags {:#x}", header.flags.0);
    Ok(())
}

/// A file of the host that is replaced: by its path in the container nothing could be judged.
fn rename_in_mount(stage: &mut Stage<'_>) -> Result<()> {
    let (host, shown) = (folder(stage, "host-folder")?, folder(stage, "shown")?);
    file(&host, "made")?;
    stage.act(&format!("bind-mount {} {}", word(&host), word(&shown)))?;
    let (old, new) = (shown.join("made"), shown.join("replaced"));
    stage.act(&format!("rename {} {}", word(&old), word(&new)))?;
    let (_, name) = change(stage, Capability::Rename)?;
    ensure!(name.new_path.to_text() == word(&new), "to {}", name.new_path);
    if is_resolved(stage, Capability::Rename)? {
        let own = name.fs_path.to_text();
        let real = word(&host.join("replaced"));
        ensure!(
            !own.is_empty() && real.ends_with(&own),
            "path {own} in its filesystem"
        );
        ensure!(own.contains("host-folder"), "path {own} in its filesystem");
    }
    Ok(())
}
