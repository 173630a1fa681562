//! The agent as a container image: what `cargo xtask image` makes of the release build, and tests of the one at hand.

use super::{ImageConfig, rootfs, write_archive};
use crate::{command, paths};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the agent looks for configuration, control socket and spool.
const FOLDERS: [(&str, u32); 9] = [
    ("etc", 0o755),
    ("etc/vigia", 0o755),
    ("run", 0o755),
    ("run/vigia", 0o755),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/lib/vigia", 0o700),
];

/// Writes an empty root with the agent, the folders that it uses, and the libraries that it loads; a release loads none.
///
/// # Errors
/// When the program cannot be read or stripped, or the archive cannot be written.
pub fn write_agent_archive(archive: &Path, agent: &Path, name: &str) -> Result<()> {
    let folder = archive.parent().context("an archive lies in a folder")?;
    let scratch = tempfile::tempdir_in(folder)?;
    let (layer, stripped) = (scratch.path().join("layer.tar"), scratch.path().join("agent"));
    strip(agent, &stripped)?;
    let mut folders = BTreeMap::from(FOLDERS.map(|(folder, mode)| (PathBuf::from(folder), mode)));
    let mut files = vec![(PathBuf::from("usr/bin/agent"), stripped)];
    for library in libraries_of(agent)? {
        let inside = PathBuf::from(library.trim_start_matches('/'));
        let above = inside
            .ancestors()
            .skip(1)
            .filter(|folder| folder.file_name().is_some());
        folders.extend(above.map(|folder| (folder.to_owned(), 0o755)));
        files.push((inside, library.into()));
    }
    rootfs::write_program_layer(&layer, &folders, &files)?;
    let image = ImageConfig {
        name: name.to_owned(),
        config: config(),
    };
    write_archive(archive, &layer, &[image])
}

/// Names of functions are a quarter of it. What is told of a panic is its place in the source, which stays.
///
/// # Errors
/// When it is no program, or `to` cannot be written.
pub fn strip(agent: &Path, to: &Path) -> Result<()> {
    command::run(Command::new("strip").arg("-o").arg(to).arg(agent)).map(drop)
}

/// The agent is root: it loads programs and reads other users' /proc entries. Nothing is exposed: metrics are served on
/// loopback unless told otherwise.
fn config() -> Value {
    json!({
        "Entrypoint": ["/usr/bin/agent"],
        "Cmd": ["run"],
        "Env": ["PATH=/usr/bin"],
        "User": "0:0",
        "WorkingDir": "/",
        "Labels": {
            "org.opencontainers.image.title": "vigia",
            "org.opencontainers.image.description": "Vigia: runtime security agent for container hosts",
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        },
    })
}

/// The image that tests load: `VIGIA_TEST_IMAGE`, else the agent under test, packed into `folder`.
///
/// # Errors
/// As [`write_agent_archive`].
pub fn agent_archive_in(folder: &Path) -> Result<PathBuf> {
    if let Some(archive) = std::env::var_os("VIGIA_TEST_IMAGE") {
        return Ok(archive.into());
    }
    let archive = folder.join("vigia.tar");
    write_agent_archive(&archive, &paths::agent_binary(), "lab.local/vigia:test")?;
    Ok(archive)
}

/// The shared libraries of a program, as absolute paths.
///
/// # Errors
/// When ldd is missing.
pub fn libraries_of(program: &Path) -> Result<Vec<String>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot start ldd")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(library_in).map(str::to_owned).collect())
}

/// `libc.so.6 => /lib/…/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn library_in(line: &str) -> Option<&str> {
    let path = line.split_once(" => ").map_or(line, |(_, path)| path).trim();
    path.starts_with('/').then(|| path.split(' ').next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_both_kinds_of_lines() {
        assert_eq!(
            library_in("\tlibc.so.6 => /lib/libc.so.6 (0x00007f)"),
            Some("/lib/libc.so.6")
        );
        assert_eq!(
            library_in("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"),
            Some("/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(library_in("\tlinux-vdso.so.1 (0x00007ffd)"), None);
        assert_eq!(library_in("\tnot a dynamic executable"), None);
    }
}
