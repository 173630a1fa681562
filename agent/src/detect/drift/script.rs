//! Scripts that were dropped. Of a script the kernel gives its name only, so places that are known to be writable decide;
//! one that lies elsewhere, or that a shell was told to read (`sh x.sh`), cannot be told from the image's.

use super::{IN_TEMPORARY, ON_VOLUME, is_temporary, weighed, writable_mount};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Rule};
use crate::event::{Exec, Script, Trust};

/// Where a process supervisor of the image (s6) writes the scripts that it runs.
const SUPERVISED: [&str; 4] = ["/run/s6", "/run/service/", "/var/run/s6", "/var/run/service/"];
/// A script that was executed by a descriptor: where it lies, if anywhere, is hidden.
const DESCRIPTORS: [&str; 2] = ["/dev/fd/", "/proc/self/fd/"];

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let script = exec.script()?;
    let path: &[u8] = &script.path.bytes;
    let below = |places: &[&str]| places.iter().any(|place| path.starts_with(place.as_bytes()));
    if below(&DESCRIPTORS) {
        let what = "a descriptor hides where it is";
        return Some(weighed(
            context,
            finding(context, &script, (&drift::EXEC_FROM_TMP, what)),
        ));
    }
    if is_temporary(path) && !below(&SUPERVISED) {
        let finding = finding(context, &script, (&drift::EXEC_FROM_TMP, IN_TEMPORARY));
        return Some(weighed(context, finding));
    }
    let mount = writable_mount(context, path)?;
    let finding = finding(context, &script, (&drift::EXEC_FROM_VOLUME, ON_VOLUME));
    Some(finding.with("volume", mount.source.as_str()))
}

fn finding(context: &DetectContext<'_>, script: &Script, (rule, what): (&'static Rule, &str)) -> Finding {
    let path = script.path.to_text();
    let summary = format!(
        "The script {path} was executed by {} in {}: {what}",
        context.actor(),
        context.container_name()
    );
    Finding::new(rule, path.as_str(), summary)
        .with("script", path)
        .with("script_trust", Trust::ARGUMENTS.name())
}
