//! Debian's kernels: fetched as packages, unpacked, and kept in the cache.

use super::package;
use crate::shell;
use agent_tests::paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// Uncompressed: it boots twice as fast where every instruction is emulated.
    pub(super) image: PathBuf,
    /// Modules to load, in this order: name and content.
    pub(super) modules: Vec<(String, Vec<u8>)>,
}

/// Overlay is what containers' files lie on; Debian builds it as a module.
const MODULES: [&str; 1] = ["fs/overlayfs/overlay.ko"];

/// The newest kernel of a series such as `6.1`; from the cache when it is there.
///
/// # Errors
/// When it cannot be fetched or unpacked.
pub(super) fn get(series: &str) -> Result<Kernel> {
    let folder = paths::cache_dir().join("kernels").join(series);
    if !folder.exists() {
        fetch(series, &folder)?;
    }
    let read_module = |module: &&str| {
        let name = Path::new(module)
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let content = fs::read(folder.join(&name))?;
        Ok((name, content))
    };
    Ok(Kernel {
        image: folder.join("vmlinux"),
        modules: MODULES.iter().map(read_module).collect::<Result<_>>()?,
    })
}

fn fetch(series: &str, folder: &Path) -> Result<()> {
    let cache = folder.parent().context("the cache has no folder")?;
    fs::create_dir_all(cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let scratch = tempfile::tempdir_in(cache)?;
    let packages = scratch.path().join("packages");
    fs::create_dir(&packages)?;
    let archive = package::download(series, &packages)?;
    let tree = scratch.path().join("tree");
    shell::run(Command::new("dpkg-deb").arg("--extract").arg(&archive).arg(&tree))?;
    let finished = scratch.path().join("finished");
    fs::create_dir(&finished)?;
    extract_image(&tree.join("boot"), &finished)?;
    for module in MODULES {
        extract_module(&tree, module, &finished)?;
    }
    fs::rename(&finished, folder)?;
    Ok(())
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?
        .next()
        .with_context(|| format!("{} is empty", folder.display()))?;
    Ok(entry?.path())
}

fn extract_image(boot: &Path, finished: &Path) -> Result<()> {
    let names = fs::read_dir(boot)?.flatten().map(|entry| entry.path());
    let is_image = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
    };
    let image = names
        .into_iter()
        .find(is_image)
        .context("the package has no kernel")?;
    let bytes = fs::read(image)?;
    let kernel = decompress(payload_of(&bytes).context("the kernel image has no payload")?)?;
    if !kernel.starts_with(b"\x7fELF") {
        bail!("the kernel image's payload is no ELF file");
    }
    Ok(fs::write(finished.join("vmlinux"), kernel)?)
}

/// The compressed kernel inside a bzImage; see the boot protocol: setup_sects, payload_offset, payload_length.
fn payload_of(image: &[u8]) -> Option<&[u8]> {
    let sectors = match usize::from(*image.get(0x1f1)?) {
        0 => 4,
        sectors => sectors,
    };
    let number = |at: usize| Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?));
    let start = (sectors + 1) * 512 + usize::try_from(number(0x248)?).ok()?;
    image.get(start..start + usize::try_from(number(0x24c)?).ok()?)
}

fn extract_module(tree: &Path, module: &str, finished: &Path) -> Result<()> {
    let roots = ["lib/modules", "usr/lib/modules"].map(|root| tree.join(root));
    let modules = roots
        .iter()
        .find(|root| root.is_dir())
        .context("the package has no modules")?;
    let base = only_entry(modules)?.join("kernel").join(module);
    let suffixes = ["", ".xz", ".zst"].map(|suffix| PathBuf::from(format!("{}{suffix}", base.display())));
    let file = suffixes
        .iter()
        .find(|file| file.exists())
        .with_context(|| format!("no module {module}"))?;
    let content = fs::read(file)?;
    let content = if content.starts_with(b"\x7fELF") {
        content
    } else {
        decompress(&content)?
    };
    let name = Path::new(module).file_name().context("module name")?;
    Ok(fs::write(finished.join(name), content)?)
}

/// By the program that its first bytes name.
fn decompress(bytes: &[u8]) -> Result<Vec<u8>> {
    const FORMATS: [(&[u8], &str, &[&str]); 4] = [
        (b"\xfd7zXZ\0", "xz", &["-dc", "--single-stream"]),
        (b"\x28\xb5\x2f\xfd", "zstd", &["-dcq"]),
        (b"\x02\x21\x4c\x18", "lz4", &["-dcq"]),
        (b"\x1f\x8b", "gzip", &["-dcq"]),
    ];
    let format = FORMATS.iter().find(|(magic, _, _)| bytes.starts_with(magic));
    let (_, program, args) = format.context("unknown compression")?;
    // Through files: a pipe on both sides would need a thread, and what follows the stream is no error.
    let (mut input, output) = (tempfile::NamedTempFile::new()?, tempfile::NamedTempFile::new()?);
    std::io::Write::write_all(&mut input, bytes)?;
    let mut command = Command::new(program);
    command
        .args(*args)
        .stdin(input.reopen()?)
        .stdout(output.reopen()?)
        .stderr(Stdio::null());
    command
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    Ok(fs::read(output.path())?)
}
