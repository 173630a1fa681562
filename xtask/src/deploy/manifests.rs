//! Manifests against the schemas of Kubernetes' versions, and the kustomization.

use super::chart::Rendered;
use super::{folder, output_of};
use crate::setup::{HELM, KUBECTL, KUBERNETES_VALIDATE};
use crate::shell;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;

const VERSIONS: [&str; 8] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37"];
/// Of the Prometheus operator, whose schemas are not Kubernetes': what is in them is checked by promtool.
const FOREIGN: &str = "monitoring.coreos.com/v1 for kubernetes version";

/// The kustomization as `kubectl apply -k` would apply it.
pub(super) fn kustomize() -> Result<Rendered> {
    let mut kubectl = Command::new(HELM.beside(KUBECTL));
    let text = output_of(kubectl.arg("kustomize").arg(folder().join("kustomize/base")))?;
    Rendered::new("kustomization", text)
}

/// # Errors
/// What a version does not take, or an object of a kind that none knows.
pub(super) fn validate<'a>(scratch: &Path, all: impl Iterator<Item = &'a Rendered>) -> Result<()> {
    let mut validate = KUBERNETES_VALIDATE.command();
    validate.args(["--strict", "--quiet"]);
    for version in VERSIONS {
        validate.args(["--kubernetes-version", version]);
    }
    for rendered in all {
        let file = scratch.join(format!("{}.yaml", rendered.name.replace(' ', "-")));
        fs::write(&file, &rendered.text).with_context(|| format!("cannot write {}", file.display()))?;
        validate.arg(file);
    }
    shell::say("kubernetes-validate --strict");
    let said = output_of(&mut validate)?;
    match said.lines().find(|line| !line.contains(FOREIGN)) {
        Some(line) => bail!("{line}"),
        None => Ok(()),
    }
}
