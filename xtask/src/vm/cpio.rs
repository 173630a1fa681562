//! Writing an initramfs: the `newc` cpio format, as the kernel's `early-userspace/buffer-format` describes it.

use agent_tests::image::libraries_of;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use tar::EntryType;

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

    /// What a tar archive holds, below `root`; only what `keep` accepts. Nodes are left out.
    pub(super) fn tar(&mut self, root: &str, tar: impl Read, keep: impl Fn(&str) -> bool) -> Result<()> {
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
            if name.is_empty() || !keep(&name) {
                continue;
            }
            let path = format!("{root}/{name}");
            let target = entry
                .link_name()?
                .map(|target| target.to_string_lossy().into_owned());
            let mode = entry.header().mode()? & 0o7777;
            match (entry.header().entry_type(), target) {
                (EntryType::Directory, _) => self.folder(&path)?,
                (EntryType::Symlink, Some(target)) => self.link(&path, &target)?,
                // To be read, a link is as good as a second name.
                (EntryType::Link, Some(target)) => {
                    self.link(&path, &format!("/{}", target.trim_start_matches("./")))?
                }
                (EntryType::Regular, _) => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content)?;
                    self.file(&path, mode, &content)?;
                }
                _ => {}
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
    fn a_tar_archive_is_taken_over() -> Result<()> {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["./usr/bin/x", "./usr/share/doc/y"] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(1);
            header.set_entry_type(EntryType::Regular);
            tar.append_data(&mut header, name, &b"z"[..])?;
        }
        let mut initramfs = Initramfs::default();
        initramfs.tar("image", tar.into_inner()?.as_slice(), |name| {
            !name.starts_with("usr/share/doc")
        })?;
        let bytes = initramfs.finish()?;
        let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
        assert!(has(b"image/usr/bin/x\0") && !has(b"image/usr/share/doc/y\0"));
        Ok(())
    }
}
