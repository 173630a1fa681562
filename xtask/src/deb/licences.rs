//! Licences of what cargo compiles into the agent: each library by name, then each text once.

use crate::shell;
use agent_tests::command;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Packages whose dependencies are compiled in: the daemon, and the kernel half that it carries.
const ROOTS: [&str; 2] = ["agent", "agent-ebpf"];
/// How files with licences begin, in lower case.
const NAMES: [&str; 4] = ["license", "licence", "copying", "notice"];

struct Library<'a> {
    name: String,
    licence: &'a str,
    folder: &'a Path,
}

/// # Errors
/// When cargo does not say what the dependencies are, or a licence cannot be read.
pub(super) fn text() -> Result<String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = shell::cargo();
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &target,
    ]);
    let metadata: Value = serde_json::from_str(&command::run(&mut cargo)?)?;
    let mut text =
        "The program `vigia` contains these libraries, each under the licence named here.\n\n".to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for library in libraries(&metadata)? {
        writeln!(text, "{}: {}", library.name, library.licence)?;
        for licence in licence_files(library.folder)? {
            texts.entry(licence).or_default().push(library.name.clone());
        }
    }
    for (licence, libraries) in texts {
        write!(
            text,
            "\n{}\n{}:\n\n{}\n",
            "-".repeat(78),
            libraries.join(", "),
            licence
        )?;
    }
    Ok(text)
}

/// Libraries of others, by name.
fn libraries(metadata: &Value) -> Result<Vec<Library<'_>>> {
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata: no packages")?;
    let compiled = compiled(metadata)?;
    let mut libraries = Vec::new();
    for package in packages {
        // What has no source is the project's own.
        let is_foreign = package["source"].is_string();
        if !is_foreign || !compiled.contains(word(&package["id"])) || is_macro(package) {
            continue;
        }
        let manifest = Path::new(word(&package["manifest_path"]));
        libraries.push(Library {
            name: format!("{} {}", word(&package["name"]), word(&package["version"])),
            licence: package["license"].as_str().unwrap_or("see its text below"),
            folder: manifest.parent().unwrap_or(manifest),
        });
    }
    libraries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(libraries)
}

/// Ids of what the roots reach without tests and build scripts.
fn compiled(metadata: &Value) -> Result<BTreeSet<&str>> {
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .context("cargo metadata: no nodes")?;
    let nodes: BTreeMap<&str, &Value> = nodes.iter().map(|node| (word(&node["id"]), node)).collect();
    let is_root = |package: &&Value| ROOTS.contains(&word(&package["name"])) && package["source"].is_null();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut waiting: Vec<&str> = packages.filter(is_root).map(|root| word(&root["id"])).collect();
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if reached.insert(id) {
            let dependencies = nodes.get(id).and_then(|node| node["deps"].as_array());
            let linked = dependencies.into_iter().flatten().filter(|dep| is_linked(dep));
            waiting.extend(linked.map(|dep| word(&dep["pkg"])));
        }
    }
    Ok(reached)
}

fn is_linked(dependency: &Value) -> bool {
    let kinds = dependency["dep_kinds"].as_array();
    kinds.into_iter().flatten().any(|kind| kind["kind"].is_null())
}

/// Macros run in the compiler; nothing of them is in the program.
fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    let mut kinds = targets.flat_map(|target| target["kind"].as_array()).flatten();
    kinds.any(|kind| kind == "proc-macro")
}

fn licence_files(folder: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for file in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let file = file?;
        let name = file.file_name().to_string_lossy().to_lowercase();
        if file.path().is_file() && NAMES.iter().any(|beginning| name.starts_with(beginning)) {
            let text = fs::read(file.path())?;
            texts.push(String::from_utf8_lossy(&text).replace('\r', "").trim().to_owned());
        }
    }
    Ok(texts)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_are_linked_are_named_with_their_texts() {
        let text = text().unwrap();
        for part in [
            "\ntokio 1.",
            "\naya-ebpf 0.2",
            "\nclap 4.",
            "Permission is hereby granted",
            "Apache License",
        ] {
            assert!(text.contains(part), "{part} is missing");
        }
        for part in ["\nagent 0.", "\nproptest ", "\nserde_derive "] {
            assert!(!text.contains(part), "{part} is not in the program");
        }
    }
}
