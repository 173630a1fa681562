//! The agent takes the configurations and profiles that are deployed.

use super::chart::Rendered;
use crate::build::{Profile, build_agent};
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// # Errors
/// What the agent says of the first that it does not take.
pub(super) fn check<'a>(scratch: &Path, all: impl Iterator<Item = &'a Rendered>) -> Result<()> {
    let agent = build_agent(Profile::Dev)?;
    for rendered in all {
        for (name, text) in files(rendered) {
            let file = scratch.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            let mut command = Command::new(&agent);
            if name == "config.yaml" {
                command.args(["config", "check", "--config"]);
            } else {
                command.args(["profile", "lint"]);
            }
            shell::run(command.arg(&file)).with_context(|| rendered.name.clone())?;
        }
    }
    Ok(())
}

/// Name and text of each YAML file in a ConfigMap.
fn files(rendered: &Rendered) -> impl Iterator<Item = (&str, &str)> {
    let maps = rendered
        .of_kind("ConfigMap")
        .filter_map(|map| map["data"].as_object());
    maps.flatten()
        .filter(|(name, _)| name.ends_with(".yaml"))
        .filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
}
