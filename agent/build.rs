//! Embeds the kernel half as `$OUT_DIR/agent-ebpf`.
//!
//! `VIGIA_EBPF_OBJECT=<elf>` embeds that file; `VIGIA_EBPF_SKIP=1` (or aya's `AYA_BUILD_SKIP=1`) an empty stub, for
//! work on the daemon alone; otherwise `agent-ebpf` is compiled with the toolchain that [`toolchain`] finds.
//! The compiled object is also left at `target/ebpf/agent-ebpf` for tools that look at it.

#[path = "build/object.rs"]
mod object;
#[path = "build/toolchain.rs"]
#[allow(dead_code, reason = "shared with xtask, which uses the rest")]
mod toolchain;

use object::Object;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

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
        .chain(["Cargo.lock", "agent/build.rs", "agent/build"])
    {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
}

/// Compiles `agent-ebpf` for the machine that the agent is compiled for.
fn compile(workspace: &Path) -> Result<PathBuf> {
    let found = toolchain::detect().map_err(|missing| {
        format!(
            "{missing}\nThe kernel half cannot be compiled. Install what is missing:\n\n    cargo xtask setup build\n\n\
             or embed a ready object with VIGIA_EBPF_OBJECT=<elf>, or none with VIGIA_EBPF_SKIP=1."
        )
    })?;
    println!("cargo::rerun-if-changed={}", found.linker.display());
    // Apart, so that tools always find the usual object in its place.
    let (name, features): (_, &[&str]) = if is_set("CARGO_FEATURE_DEBUG_LOG") {
        ("agent-ebpf-debug-log", &["debug-log"])
    } else {
        ("agent-ebpf", &[])
    };
    let object = Object {
        workspace,
        folder: &target_dir(&var_path("OUT_DIR")?).join("ebpf"),
        name,
        arch: &env::var("CARGO_CFG_TARGET_ARCH")?,
        features,
    };
    Ok(object.compile(&found)?)
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
