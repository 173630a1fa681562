//! What can be known of aarch64 on another machine: that the kernel half links for it with every program and map that it
//! has here, and that the agent type-checks.

use crate::{object, shell, toolchain};
use agent_tests::paths;
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ARCH: &str = "aarch64";
const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Compiles the kernel half for a machine, and says where it is. This machine's lies where the agent's build leaves it.
///
/// # Errors
/// When something is missing or it does not compile.
pub(crate) fn build_object(arch: &str) -> Result<PathBuf> {
    let found = toolchain::detect()?;
    let name = if arch == std::env::consts::ARCH {
        "agent-ebpf".to_owned()
    } else {
        format!("agent-ebpf-{arch}")
    };
    shell::say(&format!("compiling the kernel half for {arch}"));
    let object = object::Object {
        workspace: &paths::workspace(),
        folder: &paths::target_dir().join("ebpf"),
        name: &name,
        arch,
        features: &[],
    };
    object.compile(&found).map_err(|error| anyhow!(error))
}

/// # Errors
/// What does not hold.
pub(crate) fn check() -> Result<()> {
    let (here, there) = (build_object(std::env::consts::ARCH)?, build_object(ARCH)?);
    let (here, other) = (contents(&here)?, contents(&there)?);
    let differing: Vec<&String> = here.symmetric_difference(&other).collect();
    if !differing.is_empty() {
        bail!("not both here and in the object for {ARCH}: {differing:?}");
    }
    shell::say(&format!("{ARCH}: {} programs and maps, as here", other.len()));
    if !has_standard_library()? {
        shell::say(&format!(
            "skipped: {TARGET}: the agent is not type-checked, its standard library cannot be had"
        ));
        return Ok(());
    }
    let mut command = shell::cargo();
    command.args(["check", "--package", "agent", "--target", TARGET]);
    shell::run(command.env("VIGIA_EBPF_OBJECT", there))
}

/// Names of programs and maps.
fn contents(object: &Path) -> Result<BTreeSet<String>> {
    let bytes = fs::read(object).with_context(|| format!("cannot read {}", object.display()))?;
    let parsed =
        aya_obj::Object::parse(&bytes).with_context(|| format!("{} is no object", object.display()))?;
    let programs = parsed.programs.keys().map(|name| format!("program {name}"));
    Ok(programs
        .chain(parsed.maps.keys().map(|name| format!("map {name}")))
        .collect())
}

/// Rust's, for the agent; fetched where rustup can.
fn has_standard_library() -> Result<bool> {
    let sysroot = Command::new("rustc")
        .args(["--print", "sysroot"])
        .current_dir(shell::workspace())
        .output()
        .context("cannot start rustc")?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout)?.trim());
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if library.is_dir() {
        return Ok(true);
    }
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .current_dir(shell::workspace());
    shell::say(&shell::describe(&rustup));
    let fetched = rustup.stdin(Stdio::null()).status();
    Ok(fetched.is_ok_and(|status| status.success()) && library.is_dir())
}
