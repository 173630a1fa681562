//! Executable memory, and new namespaces.

use super::files::same_file;
use super::{Check, Stage, namespace, word};
use agent::event::{FileFlags, Mapping, MmapOp, Payload, RecordFlags, Setns};
use agent::kernel::Capability;
use anyhow::{Result, ensure};
use std::fs;
use std::path::Path;

pub(super) const CHECKS: &[Check] = &[
    Check {
        capability: Capability::Mmap,
        what: "executable mapping of a file that is in no image",
        rows: &["mmap_exec"],
        run: map_file,
    },
    Check {
        capability: Capability::Mmap,
        what: "executable mapping of a memory file",
        rows: &["mmap_exec"],
        run: map_memory_file,
    },
    Check {
        capability: Capability::Mmap,
        what: "of an image only what was changed",
        rows: &["mmap_exec"],
        run: map_image,
    },
    Check {
        capability: Capability::Mmap,
        what: "anonymous memory only writable and executable",
        rows: &["mmap_anonymous"],
        run: map_anonymous,
    },
    Check {
        capability: Capability::Mmap,
        what: "memory made executable",
        rows: &["mprotect_exec"],
        run: protect,
    },
    Check {
        capability: Capability::Unshare,
        what: "namespaces by unshare",
        rows: &["unshare"],
        run: unshare,
    },
    Check {
        capability: Capability::Unshare,
        what: "namespaces that are refused",
        rows: &["unshare"],
        run: unshare_refused,
    },
    Check {
        capability: Capability::Unshare,
        what: "a child in namespaces of its own",
        rows: &["clone_namespaces"],
        run: clone,
    },
    Check {
        capability: Capability::Unshare,
        what: "a child in a user namespace only",
        rows: &["clone_namespaces"],
        run: clone_user,
    },
];

const READ: u32 = 1;
const WRITE: u32 = 2;
const EXEC: u32 = 4;

fn mapping(payload: &Payload) -> Option<Mapping> {
    match payload {
        Payload::Mmap(mapping) => Some(mapping.clone()),
        _ => None,
    }
}

fn of_file(path: &Path) -> impl FnMut(&Payload) -> Option<Mapping> {
    let path = path.to_string_lossy().into_owned();
    move |payload| mapping(payload).filter(|mapping| mapping.path.to_text() == path)
}

fn map_file(stage: &mut Stage<'_>) -> Result<()> {
    let path = stage.world.file("library.so")?;
    stage.act(&format!("map-read {}", word(&path)))?;
    stage.silent(|payload| mapping(payload).is_some())?;
    stage.act(&format!("map-exec {}", word(&path)))?;
    let (_, mapping) = stage.expect(Capability::Mmap, of_file(&path))?;
    ensure!(
        mapping.op == MmapOp::MMAP && mapping.prot == READ | EXEC,
        "{mapping:?}"
    );
    same_file(&mapping.file, &path)
}

fn map_memory_file(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("map-memory-file")?;
    let (header, mapping) = stage.expect(Capability::Mmap, mapping)?;
    ensure!(mapping.file.flags & FileFlags::MEMFD != 0, "{mapping:?}");
    ensure!(mapping.path.to_text().contains("memfd:vigia-code"), "{mapping:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

/// A library of the image is every program's; once the container has changed it, it is told.
fn map_image(stage: &mut Stage<'_>) -> Result<()> {
    let folder = stage.world.path("image");
    for part in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(folder.join(part))?;
    }
    fs::write(folder.join("lower/library.so"), "code")?;
    stage.act(&format!("mount-overlay {}", word(&folder)))?;
    let library = folder.join("merged/library.so");
    stage.act(&format!("map-exec {}", word(&library)))?;
    stage.silent(|payload| mapping(payload).is_some())?;
    stage.act(&format!("append {}", word(&library)))?;
    stage.act(&format!("map-exec {}", word(&library)))?;
    let (header, mapping) = stage.expect(Capability::Mmap, of_file(&library))?;
    ensure!(mapping.file.flags & FileFlags::UPPER != 0, "{mapping:?}");
    ensure!(header.flags.has(RecordFlags::DEVIATION), "not urgent");
    Ok(())
}

fn map_anonymous(stage: &mut Stage<'_>) -> Result<()> {
    for harmless in [READ | WRITE, READ | EXEC] {
        stage.act(&format!("map-anonymous {harmless}"))?;
    }
    stage.silent(|payload| mapping(payload).is_some())?;
    stage.act(&format!("map-anonymous {}", READ | WRITE | EXEC))?;
    let (_, mapping) = stage.expect(Capability::Mmap, mapping)?;
    ensure!(mapping.prot == READ | WRITE | EXEC, "{mapping:?}");
    ensure!(mapping.file.magic == 0 && mapping.path.is_empty(), "{mapping:?}");
    Ok(())
}

fn protect(stage: &mut Stage<'_>) -> Result<()> {
    stage.act(&format!("protect {READ}"))?;
    stage.silent(|payload| mapping(payload).is_some())?;
    stage.act(&format!("protect {}", READ | EXEC))?;
    let (_, mapping) = stage.expect(Capability::Mmap, mapping)?;
    ensure!(
        mapping.op == MmapOp::MPROTECT && mapping.prot & EXEC != 0,
        "{mapping:?}"
    );
    Ok(())
}

const NEWUTS: u32 = 0x400_0000;
const NEWIPC: u32 = 0x800_0000;
const NEWUSER: u32 = 0x1000_0000;
/// `CLONE_FILES`: shares, makes nothing new.
const FILES: u32 = 0x400;
const EPERM: i32 = 1;

fn unshared(payload: &Payload) -> Option<Setns> {
    match payload {
        Payload::Unshare(made) => Some(made.clone()),
        _ => None,
    }
}

/// By a child: the container's own process stays where it is.
fn unshare(stage: &mut Stage<'_>) -> Result<()> {
    stage.act(&format!("run unshare {FILES}"))?;
    stage.silent(|payload| unshared(payload).is_some())?;
    stage.act(&format!("run unshare {}", NEWUTS | NEWIPC))?;
    let (header, made) = stage.expect_any("unshare", unshared)?;
    ensure!(made.nstype == NEWUTS | NEWIPC && header.ret == 0, "{made:?}");
    let (uts, mnt) = (
        namespace(stage.container.init.pid, "uts")?,
        namespace(stage.container.init.pid, "mnt")?,
    );
    ensure!(
        made.namespaces.uts != uts && made.namespaces.mnt == mnt,
        "{made:?}"
    );
    ensure!(made.gained_mask == 0, "{made:?}");
    Ok(())
}

fn unshare_refused(stage: &mut Stage<'_>) -> Result<()> {
    stage.act(&format!("run refused-unshare {NEWIPC}"))?;
    let (header, made) = stage.expect_any("unshare", unshared)?;
    ensure!(
        made.nstype == NEWIPC && header.ret == -EPERM,
        "{header:?} {made:?}"
    );
    ensure!(
        made.namespaces.ipc == namespace(stage.container.init.pid, "ipc")?,
        "{made:?}"
    );
    Ok(())
}

fn clone(stage: &mut Stage<'_>) -> Result<()> {
    stage.act("clone-new 0")?;
    stage.silent(|payload| unshared(payload).is_some())?;
    stage.act(&format!("clone-new {NEWUTS}"))?;
    let (_, made) = stage.expect(Capability::Unshare, unshared)?;
    let uts = namespace(stage.container.init.pid, "uts")?;
    ensure!(made.nstype == NEWUTS && made.namespaces.uts != uts, "{made:?}");
    Ok(())
}

/// No other namespace is new: only the child's credentials tell.
fn clone_user(stage: &mut Stage<'_>) -> Result<()> {
    let user = namespace(stage.container.init.pid, "user")?;
    stage.act(&format!("clone-new {NEWUSER}"))?;
    let (_, made) = stage.expect(Capability::Unshare, unshared)?;
    ensure!(made.nstype == NEWUSER && made.namespaces.user != user, "{made:?}");
    Ok(())
}
