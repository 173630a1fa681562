//! `cargo xtask deploy`: what is deployed is well-formed, is what it says it is, and all of it says the same.

mod agree;
mod chart;
mod confinement;
mod dashboard;
mod documented;
mod manifests;
mod rules;
mod settings;

use crate::setup::{self, Purpose};
use crate::shell;
use anyhow::{Context, Result, anyhow, bail};
use chart::Rendered;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

pub(crate) fn run() -> Result<ExitCode> {
    setup::ensure(&[Purpose::Build, Purpose::Checks])?;
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// # Errors
/// The first thing that is wrong.
pub(crate) fn check() -> Result<()> {
    rules::check_file()?;
    dashboard::check()?;
    if cfg!(not(target_arch = "x86_64")) {
        shell::say("chart and kustomization are not checked: helm is fetched for x86_64 only");
        return Ok(());
    }
    let scratch = tempfile::tempdir()?;
    let charts = chart::render_all()?;
    let kustomized = manifests::kustomize()?;
    manifests::validate(scratch.path(), charts.iter().chain([&kustomized]))?;
    settings::check(scratch.path(), charts.iter().chain([&kustomized]))?;
    rules::check_rendered(scratch.path(), &charts)?;
    agree::check(&charts, &kustomized)
}

fn folder() -> PathBuf {
    shell::workspace().join("deploy")
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every document of a YAML file.
fn documents(text: &str, origin: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple(text).with_context(|| format!("{origin} is no YAML"))?;
    Ok(all.into_iter().filter(|value| !value.is_null()).collect())
}

/// The only document of a YAML file.
fn document(file: &Path) -> Result<Value> {
    let all = documents(&read(file)?, &file.display().to_string())?;
    let count = all.len();
    let [one] = <[Value; 1]>::try_from(all)
        .map_err(|_| anyhow!("{} has {count} documents instead of one", file.display()))?;
    Ok(one)
}

/// What a program wrote to its standard output.
fn output_of(command: &mut Command) -> Result<String> {
    let line = shell::describe(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start: {line}"))?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("{line}: no text"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{line}: {}\n{}", complaint.trim(), text.trim());
    }
    Ok(text)
}

/// The object of this kind, of which there is one.
fn the_one<'a>(rendered: &'a Rendered, kind: &'a str) -> Result<&'a Value> {
    let mut found = rendered.of_kind(kind);
    match (found.next(), found.next()) {
        (Some(object), None) => Ok(object),
        _ => bail!("{}: not exactly one {kind}", rendered.name),
    }
}
