//! The agent takes the configurations, profiles and rules that are deployed, and reads rules where they are mounted.

use super::chart::Rendered;
use super::{document, the_one};
use crate::build::build_for_tests;
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// # Errors
/// What the agent says of the first that it does not take.
pub(super) fn check<'a>(scratch: &Path, all: impl Iterator<Item = &'a Rendered>) -> Result<()> {
    let agent = build_for_tests()?;
    for rendered in all {
        check_rules_folder(rendered)?;
        for File { name, text, command } in files(rendered) {
            let file = scratch.join(name);
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            let mut agent = Command::new(&agent);
            shell::run(agent.args(command).arg(&file)).with_context(|| rendered.name.clone())?;
        }
    }
    Ok(())
}

/// Rules are mounted where the agent looks for them when the configuration does not say.
fn check_rules_folder(rendered: &Rendered) -> Result<()> {
    let defaults = document(&shell::workspace().join("docs/config.example.yaml"))?;
    let folder = &defaults["rules"]["dir"];
    let pod = &the_one(rendered, "DaemonSet")?["spec"]["template"]["spec"];
    let mounts = pod["containers"][0]["volumeMounts"].as_array();
    let mut rules = mounts
        .into_iter()
        .flatten()
        .filter(|mount| mount["name"] == "rules");
    if !rules.any(|mount| mount["mountPath"] == *folder) {
        bail!("{}: rules are not mounted at {folder}", rendered.name);
    }
    Ok(())
}

/// A YAML file in a ConfigMap.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    /// Of the agent, which reads it.
    command: &'static [&'static str],
}

fn files(rendered: &Rendered) -> impl Iterator<Item = File<'_>> {
    rendered.of_kind("ConfigMap").flat_map(files_of)
}

fn files_of(map: &Value) -> impl Iterator<Item = File<'_>> {
    let command = command_for(map["metadata"]["name"].as_str().unwrap_or_default());
    let files = map["data"].as_object().into_iter().flatten();
    files
        .filter(|(name, _)| name.ends_with(".yaml"))
        .filter_map(move |(name, text)| {
            Some(File {
                name,
                text: text.as_str()?,
                command,
            })
        })
}

/// What the files of a ConfigMap are shows in its name.
fn command_for(map: &str) -> &'static [&'static str] {
    if map.ends_with("-rules") {
        &["rules", "test"]
    } else if map.ends_with("-profiles") {
        &["profile", "lint"]
    } else {
        &["config", "check", "--config"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_file_is_shown_to_the_command_that_reads_it() {
        let map = |name: &str, text: &str| {
            let data = json!({"config.yaml": text, "x.json": text});
            json!({"kind": "ConfigMap", "metadata": {"name": name}, "data": data})
        };
        let maps = [
            map("vigia", "a"),
            map("vigia-rules", "b"),
            map("vigia-profiles", "c"),
        ];
        // JSON is YAML.
        let text = maps.map(|map| format!("---\n{map}\n")).concat();
        let rendered = Rendered::new("maps", text).unwrap();
        let shown: Vec<_> = files(&rendered)
            .map(|file| (file.text, file.command[0]))
            .collect();
        assert_eq!(shown, [("a", "config"), ("b", "rules"), ("c", "profile")]);
    }

    #[test]
    fn rules_that_are_mounted_elsewhere_are_found() {
        let mounted_at = |folder: &str| {
            let mount = json!({"name": "rules", "mountPath": folder});
            let pod = json!({"containers": [{"volumeMounts": [mount]}]});
            let set = json!({"kind": "DaemonSet", "spec": {"template": {"spec": pod}}});
            Rendered::new("set", set.to_string()).unwrap()
        };
        assert!(check_rules_folder(&mounted_at("/etc/vigia/rules.d")).is_ok());
        let error = check_rules_folder(&mounted_at("/etc/vigia/rules")).unwrap_err();
        assert!(error.to_string().contains("/etc/vigia/rules.d"), "{error}");
    }
}
