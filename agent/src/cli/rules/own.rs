//! `agent rules test` and `agent rules lint`, and the rules that the configuration names.

use crate::cli::output::say_json;
use crate::cli::{Exit, Failure, Output, load_without_docker, say};
use crate::config::{DEFAULT_RULES, Flags};
use crate::profile::store::Presence;
use crate::user_rules::store::{load_files, load_folder, rule_files};
use crate::user_rules::{CompiledRule, Trial, UserRuleError, UserRuleSet};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Which files.
#[derive(Debug, Args)]
pub(in crate::cli) struct OwnArgs {
    /// Files of rules, or folders of them
    #[arg(required = true, value_name = "FILE")]
    paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The rules that the configuration names.
pub(in crate::cli) fn configured(file: Option<&PathBuf>) -> Result<UserRuleSet, Failure> {
    let folder = load_without_docker(file, Flags::default())?.config.rules_dir;
    let presence = if folder == Path::new(DEFAULT_RULES) {
        Presence::Optional
    } else {
        Presence::Required
    };
    Ok(load_folder(&folder, presence)?)
}

pub(super) fn test(args: &OwnArgs) -> Result<Exit, Failure> {
    let rules = load_files(&files(args)?)?;
    let trials = rules.try_all();
    let failed = trials.iter().filter(|trial| !trial.passed()).count();
    match args.output {
        Output::Text => {
            let lines = trials.iter().map(|trial| format!("{trial}\n"));
            let sum = format!("{} tests, {failed} failed\n", trials.len());
            say(&lines.chain(untested(&rules)).chain([sum]).collect::<String>())?
        }
        Output::Json => say_json(&trials.iter().collect::<Vec<&Trial>>())?,
    };
    Ok(if failed > 0 { Exit::Findings } else { Exit::Ok })
}

fn untested(rules: &UserRuleSet) -> impl Iterator<Item = String> + '_ {
    let without = rules.iter().filter(|rule| rule.tests() == 0);
    without.map(|rule| {
        format!(
            "{}: warning: {} has no tests\n",
            rule.file().display(),
            rule.rule().id
        )
    })
}

/// Each file is told, and that they go together.
pub(super) fn lint(args: &OwnArgs) -> Result<Exit, Failure> {
    let files = files(args)?;
    let linted: Vec<Linted<'_>> = files
        .iter()
        .map(|file| (file, load_files(std::slice::from_ref(file))))
        .collect();
    let good = linted.iter().all(|(_, result)| result.is_ok());
    let clash = if good { load_files(&files).err() } else { None };
    match args.output {
        Output::Text => say(&lint_text(&linted, clash.as_ref()))?,
        Output::Json => say_json(&lint_json(&linted, clash.as_ref()))?,
    };
    let right = good && clash.is_none();
    Ok(if right { Exit::Ok } else { Exit::Config })
}

type Linted<'a> = (&'a PathBuf, Result<UserRuleSet, UserRuleError>);

fn lint_text(linted: &[Linted<'_>], clash: Option<&UserRuleError>) -> String {
    let lines = linted.iter().map(|(file, result)| match result {
        Ok(rules) => {
            let tests: usize = rules.iter().map(CompiledRule::tests).sum();
            let line = format!("{}: ok: {} rules, {tests} tests\n", file.display(), rules.len());
            untested(rules).fold(line, |text, warning| text + &warning)
        }
        Err(error) => format!("{error}\n"),
    });
    lines.chain(clash.map(|error| format!("{error}\n"))).collect()
}

fn lint_json(linted: &[Linted<'_>], clash: Option<&UserRuleError>) -> Vec<Value> {
    let lines = linted.iter().map(|(file, result)| match result {
        Ok(rules) => {
            let ids: Vec<&str> = rules.rules().map(|rule| rule.id).collect();
            json!({"file": file, "ok": true, "rules": ids})
        }
        Err(error) => json!({"file": file, "ok": false, "error": error.to_string()}),
    });
    lines
        .chain(clash.map(|error| json!({"ok": false, "error": error.to_string()})))
        .collect()
}

fn files(args: &OwnArgs) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            files.extend(rule_files(path, Presence::Required)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: shop}\nrules:\n";

    fn args(dir: &Path, rules: &[(&str, &str)]) -> OwnArgs {
        for (file, text) in rules {
            std::fs::write(dir.join(file), format!("{HEAD}{text}")).unwrap();
        }
        OwnArgs {
            paths: vec![dir.to_owned()],
            output: Output::Text,
        }
    }

    const SHELL: &str = "- {id: user.shell, on: [exec], condition: event.exe == '/bin/sh', class: drift, severity: low, \
                         title: A shell, tests: [{given: {kind: exec, event: {exe: /bin/sh}}, expect: WANTED}]}\n";

    #[test]
    fn exit_codes_tell_failed_tests_and_wrong_files_apart() {
        let dir = tempfile::tempdir().unwrap();
        let of = |text: &str| args(dir.path(), &[("a.yaml", text)]);
        assert_eq!(test(&of(&SHELL.replace("WANTED", "alert"))).unwrap(), Exit::Ok);
        assert_eq!(
            test(&of(&SHELL.replace("WANTED", "nothing"))).unwrap(),
            Exit::Findings
        );
        assert_eq!(test(&of("- {id: x}\n")).unwrap_err().exit, Exit::Config);
        assert_eq!(lint(&of("- {id: x}\n")).unwrap(), Exit::Config);
        assert_eq!(lint(&of(&SHELL.replace("WANTED", "nothing"))).unwrap(), Exit::Ok);
    }

    #[test]
    fn files_that_clash_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let shell = SHELL.replace("WANTED", "alert");
        let args = args(dir.path(), &[("a.yaml", &shell), ("b.yaml", &shell)]);
        assert_eq!(lint(&args).unwrap(), Exit::Config);
        let message = test(&args).unwrap_err().error.to_string();
        assert!(
            message.contains("b.yaml:5:8: the id `user.shell` is used twice"),
            "{message}"
        );
    }
}
