//! Embeds the kernel half as `$OUT_DIR/agent-ebpf`.
//!
//! `VIGIA_EBPF_OBJECT=<elf>` embeds that file; `VIGIA_EBPF_SKIP=1` (or aya's `AYA_BUILD_SKIP=1`) an empty stub, for
//! work on the daemon alone; otherwise `agent-ebpf` is compiled with the toolchain that [`toolchain`] finds.
//! The compiled object is also left at `target/ebpf/agent-ebpf` for tools that look at it.

#[path = "build/toolchain.rs"]
#[allow(dead_code, reason = "shared with xtask, which uses the rest")]
mod toolchain;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};
use toolchain::{Compiler, TARGET, Toolchain};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let embedded = var_path("OUT_DIR")?.join("agent-ebpf");
    for name in [
        "VIGIA_EBPF_OBJECT",
        "VIGIA_EBPF_SKIP",
        "AYA_BUILD_SKIP",
        "VIGIA_TOOLS",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if let Some(object) = env::var_os("VIGIA_EBPF_OBJECT").filter(|object| !object.is_empty()) {
        return embed_given(Path::new(&object), &embedded);
    }
    if is_set("VIGIA_EBPF_SKIP") || is_set("AYA_BUILD_SKIP") {
        return Ok(fs::write(&embedded, [])?);
    }
    let workspace = var_path("CARGO_MANIFEST_DIR")?.join("..").canonicalize()?;
    watch_sources(&workspace);
    let object = compile(&workspace)?;
    fs::copy(&object, &embedded)?;
    Ok(())
}

fn embed_given(object: &Path, embedded: &Path) -> Result<()> {
    println!("cargo::rerun-if-changed={}", object.display());
    fs::copy(object, embedded).map_err(|e| format!("VIGIA_EBPF_OBJECT={}: {e}", object.display()))?;
    Ok(())
}

fn watch_sources(workspace: &Path) {
    let sources = [
        "agent-ebpf/src",
        "agent-ebpf/Cargo.toml",
        "agent-common/src",
        "agent-common/Cargo.toml",
    ];
    for path in sources
        .into_iter()
        .chain(["Cargo.lock", "agent/build.rs", "agent/build/toolchain.rs"])
    {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

/// Compiles `agent-ebpf` in a target folder of its own: the outer cargo holds the lock of the other one.
fn compile(workspace: &Path) -> Result<PathBuf> {
    let found = toolchain::detect().map_err(|missing| {
        format!(
            "{missing}\nThe kernel half cannot be compiled. Install what is missing:\n\n    cargo xtask setup build\n\n\
             or embed a ready object with VIGIA_EBPF_OBJECT=<elf>, or none with VIGIA_EBPF_SKIP=1."
        )
    })?;
    println!("cargo::rerun-if-changed={}", found.linker.display());
    let folder = target_dir(&var_path("OUT_DIR")?).join("ebpf");
    let status = cargo(&found, &folder)?.current_dir(workspace).status();
    if !status
        .map_err(|e| format!("{}: {e}", found.compiler.cargo().display()))?
        .success()
    {
        return Err(format!(
            "agent-ebpf does not compile with {}",
            found.compiler.rustc().display()
        )
        .into());
    }
    let object = folder.join("agent-ebpf");
    fs::copy(folder.join(TARGET).join("release/agent-ebpf"), &object)?;
    Ok(object)
}

fn cargo(found: &Toolchain, folder: &Path) -> Result<Command> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let linker_folder = found.linker.parent().ok_or("bpf-linker has no folder")?;
    let old_path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(linker_folder.into()).chain(env::split_paths(&old_path)))?;
    // The kernel reads line info and BTF from the object: debug info stays, and nothing may strip it.
    let flags = [
        &format!("--cfg=bpf_target_arch=\"{arch}\""),
        "-Cdebuginfo=2",
        "-Clink-arg=--btf",
    ]
    .join("\x1f");
    let profile = [
        ("LTO", "true"),
        ("CODEGEN_UNITS", "1"),
        ("OPT_LEVEL", "3"),
        ("PANIC", "abort"),
        ("DEBUG", "2"),
        ("STRIP", "none"),
        ("OVERFLOW_CHECKS", "false"),
        ("DEBUG_ASSERTIONS", "false"),
    ];
    let mut command = Command::new(found.compiler.cargo());
    toolchain::clean(&mut command);
    command.args([
        "build",
        "--release",
        "--package",
        "agent-ebpf",
        "--bin",
        "agent-ebpf",
        "--target",
        TARGET,
    ]);
    command.arg("--target-dir").arg(folder);
    if matches!(found.compiler, Compiler::Nightly { .. }) {
        command.args(["-Z", "build-std=core"]);
    }
    command
        .env("PATH", path)
        .env("RUSTC", found.compiler.rustc())
        .env("RUSTC_BOOTSTRAP", "1");
    command.env("CARGO_ENCODED_RUSTFLAGS", flags);
    command.envs(profile.map(|(key, value)| (format!("CARGO_PROFILE_RELEASE_{key}"), value)));
    Ok(command)
}

/// The workspace's target folder: cargo marks it, and `OUT_DIR` lies some levels below.
fn target_dir(out_dir: &Path) -> PathBuf {
    let marked = out_dir
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    marked
        .or_else(|| out_dir.ancestors().nth(4))
        .unwrap_or(out_dir)
        .to_path_buf()
}

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

fn var_path(name: &str) -> Result<PathBuf> {
    env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set").into())
}
