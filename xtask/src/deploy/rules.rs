//! The alerting rules: the file, and what of it reaches the Prometheus operator.

use super::chart::Rendered;
use super::{folder, the_one};
use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Name that the tests of the rules have for them.
const FILE: &str = "rules.yaml";
const TESTS: &str = "rules-test.yaml";

/// That they are well-formed, and that each fires in trouble and not without.
pub(super) fn check_file() -> Result<()> {
    check(&folder().join("prometheus"))
}

/// The same of what the chart renders.
pub(super) fn check_rendered(scratch: &Path, charts: &[Rendered]) -> Result<()> {
    let with_rules = charts
        .iter()
        .find(|chart| chart.of_kind("PrometheusRule").next().is_some())
        .context("no values of the chart render a PrometheusRule")?;
    let rule = the_one(with_rules, "PrometheusRule")?;
    // JSON is YAML.
    fs::write(scratch.join(FILE), rule["spec"].to_string())?;
    fs::copy(folder().join("prometheus").join(TESTS), scratch.join(TESTS))?;
    check(scratch)
}

fn check(folder: &Path) -> Result<()> {
    for (what, file) in [("check", FILE), ("test", TESTS)] {
        let mut promtool = Command::new("promtool");
        shell::run(promtool.args([what, "rules", file]).current_dir(folder))?;
    }
    Ok(())
}
