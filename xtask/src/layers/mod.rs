//! `cargo xtask layers`: arrows between the agent's modules point down only.
//!
//! Reads text, not syntax trees: imports are written as paths, and a check that takes no time is run more often.

mod imports;
mod table;

use crate::shell;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::{BANS, DOORS, EMPTY_NAMES, IMPURE, LAYERS, Purity};

pub(crate) fn run() -> Result<ExitCode> {
    let root = shell::workspace().join("agent/src");
    let violations = check(&root)?;
    for violation in &violations {
        println!("{violation}");
    }
    println!("layers: {} violations", violations.len());
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Every violation below `root`, as `file:line: reason`.
fn check(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    collect_sources(root, &mut files)?;
    files.sort();
    let mut violations = Vec::new();
    for file in &files {
        let source = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let relative = file.strip_prefix(root).unwrap_or(file);
        violations.extend(check_file(relative, &source));
    }
    Ok(violations)
}

fn collect_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect_sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// `file` is relative to the crate's `src`.
fn check_file(file: &Path, source: &str) -> Vec<String> {
    let path: Vec<String> = module_path(file);
    let mut violations = Vec::new();
    if let Some(name) = path.iter().find(|name| EMPTY_NAMES.contains(&name.as_str())) {
        violations.push(format!(
            "{}:1: a module named '{name}' says nothing: name the thing",
            file.display()
        ));
    }
    let is_test = path
        .iter()
        .any(|name| name.ends_with("tests") || name == "testing");
    let module = path.first().map_or("lib", String::as_str);
    if module == "lib" || is_test {
        return violations;
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.module == module) else {
        violations.push(format!(
            "{}:1: '{module}' has no place in the table of layers",
            file.display()
        ));
        return violations;
    };
    let code = imports::code_of(source);
    for (line, name) in imports::imports_of(&code, path.len()) {
        if name != module && is_module(&name) && !layer.may_import.contains(&name.as_str()) {
            violations.push(format!(
                "{}:{line}: '{module}' must not import '{name}'",
                file.display()
            ));
        }
    }
    let is_door = DOORS.iter().any(|door| file == Path::new(door));
    let purity = if is_door { Purity::Effects } else { layer.purity };
    for (line, text) in code.lines().enumerate() {
        let reasons = banned(module, purity, text);
        violations.extend(
            reasons
                .iter()
                .map(|why| format!("{}:{}: {why}", file.display(), line + 1)),
        );
    }
    violations
}

fn is_module(name: &str) -> bool {
    LAYERS.iter().any(|layer| layer.module == name)
}

/// `detect/escape.rs` is `["detect", "escape"]`, `detect/mod.rs` is `["detect"]`, `lib.rs` nothing.
fn module_path(file: &Path) -> Vec<String> {
    let stem = file.with_extension("");
    let mut path: Vec<String> = stem
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|name| name == "mod" || name == "lib") {
        path.pop();
    }
    path
}

fn banned(module: &str, purity: Purity, line: &str) -> Vec<String> {
    let mut reasons = Vec::new();
    for ban in BANS.iter().filter(|ban| !ban.allowed_in.contains(&module)) {
        if names_path(line, ban.text) {
            reasons.push(ban.reason.to_owned());
        }
    }
    if purity == Purity::Pure {
        let found = IMPURE.iter().filter(|text| names_path(line, text));
        reasons.extend(found.map(|text| format!("'{module}' is pure: no '{text}'")));
    }
    reasons
}

fn names_path(line: &str, text: &str) -> bool {
    line.match_indices(text)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(file: &str, source: &str) -> Vec<String> {
        check_file(Path::new(file), source)
    }

    #[test]
    fn the_tree_as_it_is_has_none() -> Result<()> {
        assert_eq!(
            check(&shell::workspace().join("agent/src"))?,
            Vec::<String>::new()
        );
        Ok(())
    }

    #[test]
    fn an_import_upwards_is_found() {
        let found = violations(
            "detect/escape.rs",
            "use crate::event::Event;\nuse crate::sink::Sink;",
        );
        assert_eq!(found, ["detect/escape.rs:2: 'detect' must not import 'sink'"]);
    }

    #[test]
    fn adapters_do_not_know_each_other() {
        assert_eq!(
            violations("kernel/ring.rs", "use crate::runtimes::Docker;").len(),
            1
        );
        assert_eq!(
            violations(
                "daemon.rs",
                "use crate::runtimes::Docker;\nuse crate::kernel::Sensor;"
            )
            .len(),
            0
        );
    }

    #[test]
    fn pure_modules_have_no_clock_files_or_async() {
        let source = "let t = Instant::now();\nuse std::fs;\nuse tokio::sync::mpsc;";
        assert_eq!(violations("decode/mod.rs", source).len(), 3);
        assert_eq!(violations("spool/mod.rs", source).len(), 0);
        assert_eq!(violations("profile/store.rs", "use std::fs;").len(), 0);
        assert_eq!(violations("profile/parse.rs", "use std::fs;").len(), 1);
    }

    #[test]
    fn crates_stay_behind_their_boundary() {
        assert_eq!(violations("container/mod.rs", "use bollard::Docker;").len(), 1);
        assert_eq!(violations("runtimes/docker.rs", "use bollard::Docker;").len(), 0);
    }

    #[test]
    fn unknown_and_empty_names_are_found() {
        assert_eq!(violations("gadget.rs", "").len(), 1);
        assert_eq!(violations("detect/helpers.rs", "").len(), 1);
    }
}
