//! The chart, the kustomization, the Compose file and the documented commands give the agent the same rights and folders.

use super::chart::{DEFAULTS, Rendered};
use super::confinement::{Confinement, Mount};
use super::documented::Page;
use super::{document, folder, read, the_one};
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Where a runtime's sockets are in the container, by runtime.
const SOCKETS: [(&str, &str); 4] = [
    ("containerd", "/run/containerd"),
    ("crio", "/var/run/crio"),
    ("docker", "/host/run"),
    ("podman", "/run/podman"),
];

/// # Errors
/// Two that differ, with what each says.
pub(super) fn check(charts: &[Rendered], kustomized: &Rendered) -> Result<()> {
    let chart = charts
        .iter()
        .find(|chart| chart.name == DEFAULTS)
        .context("the chart was not rendered with its defaults")?;
    check_pods(chart, kustomized)?;
    let page = Page::read()?;
    let wanted = Confinement::of_pod(&pod(chart)?)?;
    if page.capabilities() != wanted.added {
        bail!(
            "docs/deployment.md explains {:?}, the chart adds {:?}",
            page.capabilities(),
            wanted.added
        );
    }
    check_images("docs/deployment.md", page.text())?;
    check_images("deploy/compose.yaml", &read(&folder().join("compose.yaml"))?)?;
    compare("deploy/compose.yaml", &compose()?, &wanted, "docker")?;
    compare("docker run", &page.command("docker run")?, &wanted, "docker")?;
    compare("podman run", &page.command("podman run")?, &wanted, "podman")
}

/// The whole pods, but for what a name stands for.
fn check_pods(chart: &Rendered, kustomized: &Rendered) -> Result<()> {
    let (ours, theirs) = (pod(chart)?, pod(kustomized)?);
    let keys = |pod: &Value| pod.as_object().map(|pod| pod.keys().cloned().collect::<Vec<_>>());
    for key in [keys(&ours), keys(&theirs)].into_iter().flatten().flatten() {
        if ours[&key] != theirs[&key] {
            let [ours, theirs] = [&ours[&key], &theirs[&key]].map(|value| format!("{value:#}"));
            bail!(
                "`{key}` of the pods differs: {}",
                difference(&ours, "kustomization", &theirs)
            );
        }
    }
    Ok(())
}

/// With the name of the configuration left out: kustomize adds a hash to it.
fn pod(rendered: &Rendered) -> Result<Value> {
    let mut pod = the_one(rendered, "DaemonSet")?["spec"]["template"]["spec"].clone();
    for volume in pod["volumes"].as_array_mut().into_iter().flatten() {
        if volume["configMap"].is_object() {
            volume["configMap"]["name"] = Value::Null;
        }
    }
    pod.sort_all_objects();
    Ok(pod)
}

/// That a text names the image, and only by this version. The pods' was compared with the chart's.
fn check_images(name: &str, text: &str) -> Result<()> {
    let ours = concat!("vigia:", env!("CARGO_PKG_VERSION"));
    let is_image = |word: &&str| {
        let version = word.strip_prefix("vigia:").unwrap_or_default();
        version.starts_with(|c: char| c.is_ascii_digit())
    };
    let mut images = text.split_whitespace().filter(is_image).peekable();
    if images.peek().is_none() {
        bail!("{name} names no image {ours}");
    }
    match images.find(|image| *image != ours) {
        Some(other) => bail!("{name} names {other}; this is {ours}"),
        None => Ok(()),
    }
}

fn compose() -> Result<Confinement> {
    let compose = document(&folder().join("compose.yaml"))?;
    Confinement::of_service(&compose["services"]["vigia"])
}

/// Beside the sockets: which runtime is there is known outside Kubernetes.
fn compare(name: &str, found: &Confinement, wanted: &Confinement, runtime: &str) -> Result<()> {
    let (ours, theirs) = (without_sockets(wanted), without_sockets(found));
    if ours != theirs {
        let [ours, theirs] = [ours, theirs].map(|rest| format!("{rest:#?}"));
        bail!("rights or mounts differ: {}", difference(&ours, name, &theirs));
    }
    let place = SOCKETS
        .iter()
        .find(|(name, _)| *name == runtime)
        .map(|(_, place)| *place);
    match place.and_then(|place| found.mounts.get(place)) {
        Some(Mount::Host { read_only: true, .. }) => Ok(()),
        _ => bail!("{name} does not mount the folder of {runtime}'s socket read-only"),
    }
}

fn without_sockets(confinement: &Confinement) -> Confinement {
    let mut rest = confinement.clone();
    rest.mounts
        .retain(|place, _| SOCKETS.iter().all(|(_, socket)| place != socket));
    rest
}

/// The lines of each that the other has not.
fn difference(chart: &str, name: &str, other: &str) -> String {
    let lacks = |text: &str, line: &str| text.lines().all(|known| known != line);
    let only = |of: &str, in_which: &str, not_in: &str| {
        let lines: Vec<&str> = of
            .lines()
            .filter(|line| lacks(not_in, line))
            .map(str::trim)
            .collect();
        format!("only {in_which}: {}", lines.join(" "))
    };
    format!(
        "{}; {}",
        only(chart, "in the chart", other),
        only(other, &format!("in {name}"), chart)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_what_only_one_has() {
        let said = difference("a\n  b\n", "compose.yaml", "a\n  c\n");
        assert_eq!(said, "only in the chart: b; only in compose.yaml: c");
    }

    #[test]
    fn an_image_of_another_version_is_found() {
        let ours = concat!("image: vigia:", env!("CARGO_PKG_VERSION"));
        assert!(check_images("x", ours).is_ok());
        assert!(check_images("x", "vigia:0.0.0").is_err());
        assert!(check_images("x", "nothing").is_err());
    }
}
