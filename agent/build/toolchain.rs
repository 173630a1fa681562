//! Finds a compiler and a linker for the kernel half. Shared, by path, by `agent/build.rs` (which compiles) and
//! by `cargo xtask setup` (which installs what this finds missing), so both always mean the same thing.
//!
//! Order: a rustup nightly that has `rust-src` (builds `core` itself), else any rustc whose sysroot holds a
//! prebuilt `core` for BPF (Debian's `rustc-web`). Either needs bpf-linker with an LLVM not older than rustc's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, fs};

pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// A compiler that can produce BPF code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// Builds `core` from source.
    Nightly { cargo: PathBuf, rustc: PathBuf },
    /// Has `core` for BPF in its sysroot.
    Prebuilt { cargo: PathBuf, rustc: PathBuf },
}

impl Compiler {
    pub(crate) fn cargo(&self) -> &Path {
        match self {
            Self::Nightly { cargo, .. } | Self::Prebuilt { cargo, .. } => cargo,
        }
    }

    pub(crate) fn rustc(&self) -> &Path {
        match self {
            Self::Nightly { rustc, .. } | Self::Prebuilt { rustc, .. } => rustc,
        }
    }
}

/// All that compiling the kernel half takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Toolchain {
    pub(crate) compiler: Compiler,
    pub(crate) linker: PathBuf,
}

/// What keeps the kernel half from being compiled here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Missing {
    Compiler,
    Linker,
    /// bpf-linker cannot read what a newer LLVM wrote.
    LinkerTooOld {
        linker: PathBuf,
        linker_llvm: u32,
        rustc_llvm: u32,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => write!(
                f,
                "no Rust compiler for {TARGET}: neither a rustup nightly with rust-src nor a rustc whose sysroot \
                 has lib/rustlib/{TARGET} (Debian: rustc-web, libstd-rust-web-dev-bpf)"
            ),
            Self::Linker => write!(
                f,
                "no bpf-linker in {} or on PATH",
                tools_dir().join("bin").display()
            ),
            Self::LinkerTooOld {
                linker,
                linker_llvm,
                rustc_llvm,
            } => write!(
                f,
                "{} uses LLVM {linker_llvm}, the compiler LLVM {rustc_llvm}: it cannot read its output",
                linker.display()
            ),
        }
    }
}

impl std::error::Error for Missing {}

/// Tools built for this project, outside `target/` because they take minutes: `VIGIA_TOOLS`, else under the
/// user's cache.
pub(crate) fn tools_dir() -> PathBuf {
    env::var_os("VIGIA_TOOLS").map_or_else(|| cache_dir().join("tools"), PathBuf::from)
}

/// `$XDG_CACHE_HOME/vigia`, else `~/.cache/vigia`.
pub(crate) fn cache_dir() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    base.unwrap_or_else(home).join("vigia")
}

/// The toolchain to use.
///
/// # Errors
/// The first thing that is missing, for the compiler that comes nearest.
pub(crate) fn detect() -> Result<Toolchain, Missing> {
    let mut reason = Missing::Compiler;
    for compiler in [nightly(), prebuilt()].into_iter().flatten() {
        match linker_for(&compiler) {
            Ok(linker) => return Ok(Toolchain { compiler, linker }),
            Err(missing) => reason = missing,
        }
    }
    Err(reason)
}

fn nightly() -> Option<Compiler> {
    let output = Command::new("rustup")
        .args(["which", "--toolchain", "nightly", "rustc"])
        .output()
        .ok()?;
    let rustc = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let sysroot = rustc.parent()?.parent()?;
    let has_source = sysroot
        .join("lib/rustlib/src/rust/library/core/src/lib.rs")
        .exists();
    let cargo = sysroot.join("bin/cargo");
    (output.status.success() && has_source && cargo.exists()).then_some(Compiler::Nightly { cargo, rustc })
}

fn prebuilt() -> Option<Compiler> {
    let on_path = env::var_os("PATH")
        .map(|path| env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let mut folders = vec![PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")];
    folders.extend(on_path);
    folders.iter().find_map(|folder| prebuilt_in(folder))
}

fn prebuilt_in(folder: &Path) -> Option<Compiler> {
    let (rustc, sibling) = (folder.join("rustc"), folder.join("cargo"));
    let output = clean(Command::new(&rustc).args(["--print", "sysroot"]))
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    if !sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return None;
    }
    let cargo = if sibling.exists() {
        sibling
    } else {
        PathBuf::from(env::var_os("CARGO")?)
    };
    Some(Compiler::Prebuilt { cargo, rustc })
}

fn linker_for(compiler: &Compiler) -> Result<PathBuf, Missing> {
    let linker = find_linker().ok_or(Missing::Linker)?;
    match (linker_llvm(&linker), rustc_llvm(compiler.rustc())) {
        (Some(linker_llvm), Some(rustc_llvm)) if linker_llvm < rustc_llvm => Err(Missing::LinkerTooOld {
            linker,
            linker_llvm,
            rustc_llvm,
        }),
        _ => Ok(linker),
    }
}

/// Takes the debug information out of an object and leaves BTF, with the tool that a compiler brings: this one, or the one that compiles
/// the agent. `None`: neither brings it.
pub(crate) fn strip_debug(rustc: &Path) -> Option<Command> {
    let outer = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    strip_with(rustc).or_else(|| strip_with(Path::new(&outer)))
}

fn strip_with(rustc: &Path) -> Option<Command> {
    let output = clean(Command::new(rustc).args(["--print", "sysroot"]))
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let hosts = fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
    let tool = hosts
        .filter_map(|host| Some(host.ok()?.path().join("bin/rust-objcopy")))
        .find(|tool| tool.is_file())?;
    let mut command = Command::new(tool);
    clean(&mut command);
    command
        .env("LD_LIBRARY_PATH", sysroot.join("lib"))
        .arg("--strip-debug");
    Some(command)
}

/// bpf-linker in the project's tools folder, else on PATH.
pub(crate) fn find_linker() -> Option<PathBuf> {
    let mut folders = vec![tools_dir().join("bin")];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    folders
        .iter()
        .map(|folder| folder.join("bpf-linker"))
        .find(|path| path.is_file())
}

/// Major version of the LLVM that the linker loads; none when it is linked statically.
fn linker_llvm(linker: &Path) -> Option<u32> {
    let bytes = fs::read(linker).ok()?;
    ["libLLVM.so.", "libLLVM-"].iter().find_map(|prefix| {
        let at = bytes
            .windows(prefix.len())
            .position(|window| window == prefix.as_bytes())?;
        leading_number(bytes.get(at + prefix.len()..)?)
    })
}

fn rustc_llvm(rustc: &Path) -> Option<u32> {
    let output = clean(Command::new(rustc).arg("-vV")).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    leading_number(
        text.lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))?
            .as_bytes(),
    )
}

fn leading_number(bytes: &[u8]) -> Option<u32> {
    let digits: String = bytes
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .map(|b| char::from(*b))
        .collect();
    digits.parse().ok()
}

/// Takes away what an outer cargo or rustup says about its own compiler and flags: it is not meant for this one.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if is_of_outer_build(&name) {
            command.env_remove(name);
        }
    }
    command
}

fn is_of_outer_build(name: &str) -> bool {
    const USERS: [&str; 5] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    const OUTER: [&str; 13] = [
        "DEBUG",
        "HOST",
        "LD_LIBRARY_PATH",
        "MAKEFLAGS",
        "MFLAGS",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
        "TARGET",
        "__CARGO_DEFAULT_LIB_METADATA",
    ];
    let of_cargo = name.starts_with("CARGO") && !USERS.iter().any(|user| name.starts_with(user));
    of_cargo || name.starts_with("RUSTC") || name.starts_with("RUSTDOC") || OUTER.contains(&name)
}
