//! The Helm chart, rendered with its defaults and with each file of values in its `ci` folder.

use super::{document, documents, folder, output_of, read};
use crate::setup::HELM;
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Manifests as they would be applied.
pub(super) struct Rendered {
    /// Of the values, or of what made it.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) objects: Vec<Value>,
}

impl Rendered {
    pub(super) fn new(name: &str, text: String) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            objects: documents(&text, name)?,
            text,
        })
    }

    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }
}

/// The chart with its defaults.
pub(super) const DEFAULTS: &str = "chart";

/// Lints and renders, [`DEFAULTS`] first.
///
/// # Errors
/// What Helm does not like; a version that is not the workspace's; values that the documentation does not name.
pub(super) fn render_all() -> Result<Vec<Rendered>> {
    let chart = folder().join("helm/vigia");
    check_version(&chart)?;
    check_values_are_documented(&chart)?;
    let mut all = vec![render(&chart, DEFAULTS, None)?];
    for file in files_of(&chart.join("ci"))? {
        let name = file.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        all.push(render(&chart, &format!("{DEFAULTS} with {name}"), Some(&file))?);
    }
    Ok(all)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn render(chart: &Path, name: &str, values: Option<&Path>) -> Result<Rendered> {
    let helm = |arguments: &[&str]| {
        let mut command = HELM.command();
        command.args(arguments).arg(chart);
        command.args(
            values
                .into_iter()
                .flat_map(|file| [OsStr::new("--values"), file.as_os_str()]),
        );
        command
    };
    shell::say(&format!("helm lint and template: {name}"));
    output_of(&mut helm(&["lint", "--strict"]))?;
    let text = output_of(helm(&["template", "vigia"]).args(["--namespace", "vigia"]))?;
    Rendered::new(name, text)
}

fn check_version(chart: &Path) -> Result<()> {
    let file = chart.join("Chart.yaml");
    let described = document(&file)?;
    let ours = env!("CARGO_PKG_VERSION");
    for key in ["version", "appVersion"] {
        if described[key] != ours {
            bail!(
                "{}: {key} is {}, the workspace's is {ours}",
                file.display(),
                described[key]
            );
        }
    }
    Ok(())
}

/// A value that nobody can read of is not there.
fn check_values_are_documented(chart: &Path) -> Result<()> {
    let readme = read(&chart.join("README.md"))?;
    let values = document(&chart.join("values.yaml"))?;
    let keys = values.as_object().into_iter().flat_map(|values| values.keys());
    let missing: Vec<&String> = keys
        .filter(|key| !readme.contains(&format!("| `{key}")))
        .collect();
    if !missing.is_empty() {
        bail!("the chart's README.md has no row for these values: {missing:?}");
    }
    Ok(())
}
