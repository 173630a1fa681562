//! Installing what is missing.

use super::need::{Need, Provider, llvm_prefix};
use crate::{shell, toolchain};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Installs in the given order; packages of neighbouring needs go into one call of apt-get.
///
/// # Errors
/// When this machine cannot install something, or something is still missing afterwards.
pub(crate) fn install(missing: &[&Need]) -> Result<()> {
    let packages: Vec<&str> = missing
        .iter()
        .flat_map(|need| packages_of(need))
        .copied()
        .collect();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for need in missing {
        match need.provider {
            Provider::Packages(_) => {}
            Provider::BpfLinker { version, llvm } => install_linker(version, llvm)?,
            Provider::Unpacked { folder, packages } => unpack(folder, packages)?,
            Provider::Wheel(wheel) => wheel.install()?,
        }
    }
    match missing.iter().find(|need| !(need.is_met)()) {
        Some(need) => bail!("{} was installed, yet is not found", need.name),
        None => Ok(()),
    }
}

fn packages_of(need: &Need) -> &'static [&'static str] {
    match need.provider {
        Provider::Packages(packages) => packages,
        Provider::BpfLinker { .. } | Provider::Unpacked { .. } | Provider::Wheel(_) => &[],
    }
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let line = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if shell::find_program("apt-get").is_none() {
        bail!(
            "this machine has no apt-get; install by its own means what Debian calls: {}",
            packages.join(" ")
        );
    }
    if !agent_tests::capability::is_root() {
        bail!("installing packages needs root; run, as root:\n    {line}");
    }
    shell::run(apt().args(["update", "-qq"])).context("the package lists cannot be fetched")?;
    let _quiet = NoServices::begin()?;
    shell::run(
        apt()
            .args(["install", "-y", "--no-install-recommends"])
            .args(packages),
    )
}

/// Fetches packages and unpacks them where nothing else is; their scripts do not run.
fn unpack(folder: &str, packages: &[&str]) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    // apt fetches as a user of its own.
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777))?;
    shell::run(apt().current_dir(scratch.path()).arg("download").args(packages))?;
    let target = toolchain::tools_dir().join(folder);
    fs::create_dir_all(&target)?;
    for file in fs::read_dir(scratch.path())? {
        shell::run(Command::new("dpkg").arg("-x").arg(file?.path()).arg(&target))?;
    }
    Ok(())
}

/// Keeps packages from starting their daemons: ours are private, and a system-wide dockerd would rewrite the machine's
/// firewall. Ends when dropped. A policy that the machine has already is left alone.
struct NoServices {
    made: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Result<Self> {
        let made = !Path::new(POLICY).exists();
        if made {
            fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
            fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { made })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.made {
            fs::remove_file(POLICY).ok();
        }
    }
}

/// Patient with mirrors, and never asking questions.
fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args([
        "-o",
        "Acquire::Retries=3",
        "-o",
        "DPkg::Lock::Timeout=300",
        "-o",
        "Dpkg::Use-Pty=0",
    ]);
    command
}

fn install_linker(version: &str, llvm: &str) -> Result<()> {
    let prefix = llvm_prefix(llvm);
    if !Path::new(&prefix).exists() {
        bail!("bpf-linker needs LLVM {llvm} under {prefix}");
    }
    let root = toolchain::tools_dir();
    shell::say(&format!(
        "compiling bpf-linker {version} into {} (two minutes)",
        root.display()
    ));
    let mut command = shell::cargo();
    command.args(["install", "--locked", &format!("bpf-linker@{version}"), "--force"]);
    command
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{llvm}"),
            "--root",
        ])
        .arg(&root);
    // A target folder set for the project must not receive a tool's 400 MB.
    command
        .env("LLVM_PREFIX", prefix)
        .env("CARGO_NET_RETRY", "5")
        .env_remove("CARGO_TARGET_DIR");
    shell::run(&mut command)
}
