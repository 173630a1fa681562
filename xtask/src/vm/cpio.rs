//! Writing an initramfs: the `newc` cpio format, as the kernel's `early-userspace/buffer-format` describes it.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, process::Command};

/// An initramfs in the making. Folders are made as they are needed.
#[derive(Debug, Default)]
pub(super) struct Initramfs {
    bytes: Vec<u8>,
    inode: u32,
    folders: BTreeSet<String>,
}

const FOLDER: u32 = 0o40_755;
const LINK: u32 = 0o120_777;
const FILE: u32 = 0o100_000;

impl Initramfs {
    /// `path` without a leading slash.
    pub(super) fn folder(&mut self, path: &str) -> Result<()> {
        if path.is_empty() || !self.folders.insert(path.to_owned()) {
            return Ok(());
        }
        self.folder(parent(path))?;
        self.entry(path, FOLDER, &[])
    }

    pub(super) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        self.folder(parent(path))?;
        self.entry(path, FILE | permissions, content)
    }

    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.folder(parent(path))?;
        self.entry(path, LINK, target.as_bytes())
    }

    /// A program and the shared libraries that it loads, at the paths where it expects them.
    pub(super) fn program(&mut self, path: &str, source: &Path) -> Result<()> {
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.file(path, 0o755, &content)?;
        for library in libraries_of(source)? {
            let relative = library.trim_start_matches('/').to_owned();
            if self.folders.insert(format!("/{relative}")) {
                let content = fs::read(&library).with_context(|| format!("cannot read {library}"))?;
                self.file(&relative, 0o755, &content)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.inode += 1;
        let (size, name_size) = (u32::try_from(content.len())?, u32::try_from(path.len() + 1)?);
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// What `ldd` says; nothing for a static program.
fn libraries_of(program: &Path) -> Result<Vec<String>> {
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
    fn entries_are_aligned_and_folders_come_first() -> Result<()> {
        let mut initramfs = Initramfs::default();
        initramfs.file("a/b/c", 0o644, b"xyz")?;
        initramfs.file("a/b/d", 0o644, b"")?;
        let bytes = initramfs.finish()?;
        assert_eq!(bytes.len() % 4, 0);
        let headers = bytes.windows(6).filter(|window| window == b"070701").count();
        assert_eq!(headers, 5, "a, a/b, a/b/c, a/b/d and the trailer");
        Ok(())
    }

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
