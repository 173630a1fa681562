//! Compiles the kernel half. Shared, by path, by `agent/build.rs` (which embeds the object) and by `cargo xtask`, which
//! builds it for other machines too.

use super::toolchain::{self, Compiler, TARGET, Toolchain};
use ::object as elf;
use elf::{Object as _, ObjectSection as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What to compile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) workspace: &'a Path,
    /// A target folder of its own: an outer cargo holds the lock of the workspace's.
    pub(crate) folder: &'a Path,
    /// What the object is called there.
    pub(crate) name: &'a str,
    /// The machine whose registers the programs read: `x86_64`, `aarch64`. The code is the same for all.
    pub(crate) arch: &'a str,
    pub(crate) features: &'a [&'a str],
}

impl Object<'_> {
    /// Compiles it, and says where it is.
    ///
    /// # Errors
    /// When it does not compile, or the compiler cannot be started.
    pub(crate) fn compile(&self, found: &Toolchain) -> Result<PathBuf, String> {
        let mut command = self.command(found)?;
        let status = command.current_dir(self.workspace).status();
        let status = status.map_err(|error| format!("{}: {error}", found.compiler.cargo().display()))?;
        if !status.success() {
            let rustc = found.compiler.rustc().display();
            return Err(format!("agent-ebpf does not compile with {rustc}"));
        }
        let object = self.folder.join(self.name);
        let made = self.folder.join(TARGET).join("release/agent-ebpf");
        fs::copy(&made, &object).map_err(|error| format!("{}: {error}", made.display()))?;
        strip(&object, found.compiler.rustc());
        drop_lines(&object)?;
        Ok(object)
    }

    fn command(&self, found: &Toolchain) -> Result<Command, String> {
        let linker_folder = found.linker.parent().ok_or("bpf-linker has no folder")?;
        let old_path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(std::iter::once(linker_folder.into()).chain(env::split_paths(&old_path)));
        let mut command = Command::new(found.compiler.cargo());
        toolchain::clean(&mut command);
        command.args(["build", "--release", "--package", "agent-ebpf"]);
        command.args(["--bin", "agent-ebpf", "--target", TARGET]);
        command.arg("--target-dir").arg(self.folder);
        if !self.features.is_empty() {
            command.arg("--features").arg(self.features.join(","));
        }
        if matches!(found.compiler, Compiler::Nightly { .. }) {
            command.args(["-Z", "build-std=core"]);
        }
        command
            .env("PATH", path.map_err(|error| error.to_string())?)
            .env("RUSTC", found.compiler.rustc())
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags());
        command.envs(PROFILE.map(|(key, value)| (format!("CARGO_PROFILE_RELEASE_{key}"), value)));
        Ok(command)
    }

    /// BTF is made of debug info, which [`strip`] takes out afterwards.
    fn flags(&self) -> String {
        let arch = format!("--cfg=bpf_target_arch=\"{}\"", self.arch);
        [&arch, "-Cdebuginfo=2", "-Clink-arg=--btf"].join("\x1f")
    }
}

/// Three quarters of the object are debug info, which would be in the agent's memory. Without the tool it stays so: nothing needs it
/// less.
fn strip(object: &Path, rustc: &Path) {
    let stripped = toolchain::strip_debug(rustc).is_some_and(|mut command| {
        let status = command.arg(object).status();
        status.is_ok_and(|status| status.success())
    });
    if !stripped {
        println!(
            "cargo::warning=the kernel half keeps its debug info: there is no rust-objcopy beside rustc"
        );
    }
}

/// Takes out of `.BTF.ext` which line of the source each instruction is of: aya copies all of it for every program, tens of megabytes
/// while the agent loads, and the kernel keeps it. Only the kernel's log of a refused program shows it.
fn drop_lines(object: &Path) -> Result<(), String> {
    let mut bytes = fs::read(object).map_err(|error| format!("{}: {error}", object.display()))?;
    let length = line_info_length(&bytes).map_err(|error| format!("{}: {error}", object.display()))?;
    bytes[length].fill(0);
    fs::write(object, bytes).map_err(|error| format!("{}: {error}", object.display()))
}

/// Where the length of line information stands in the file: `btf_ext_header.line_info_len` of `linux/btf.h`.
fn line_info_length(object: &[u8]) -> Result<Range<usize>, String> {
    let file = elf::File::parse(object).map_err(|error| error.to_string())?;
    let section = file
        .section_by_name(".BTF.ext")
        .and_then(|section| section.file_range());
    let (start, length) = section.ok_or("there is no .BTF.ext")?;
    let start = usize::try_from(start).map_err(|error| error.to_string())?;
    let field = start + LINE_INFO_LENGTH..start + LINE_INFO_LENGTH + size_of::<u32>();
    if length < 24 || field.end > object.len() {
        return Err(".BTF.ext is too short".to_owned());
    }
    Ok(field)
}

const LINE_INFO_LENGTH: usize = 20;

const PROFILE: [(&str, &str); 8] = [
    ("LTO", "true"),
    ("CODEGEN_UNITS", "1"),
    ("OPT_LEVEL", "3"),
    ("PANIC", "abort"),
    ("DEBUG", "2"),
    ("STRIP", "none"),
    ("OVERFLOW_CHECKS", "false"),
    ("DEBUG_ASSERTIONS", "false"),
];
