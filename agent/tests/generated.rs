//! Files that are generated from the code are current. `UPDATE_GENERATED=1 cargo test -p agent --test generated`
//! writes them anew.
#![allow(clippy::unwrap_used, reason = "a test")]

use agent::cli::Cli;
use agent::config::RawConfig;
use agent::detect::{markdown, migration, rules};
use agent::telemetry::Metrics;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

fn check(file: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == content,
        "{file} is not current; see the head of this test"
    );
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn the_configuration_follows_its_schema() {
    let schema = schemars::schema_for!(RawConfig).to_value();
    check("docs/config.schema.json", &pretty(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::to_value(RawConfig::default()).unwrap()));
}

#[test]
fn every_rule_is_documented() {
    check("docs/rules.md", &markdown(rules()));
    check("docs/migration.md", &migration());
}

#[test]
fn every_metric_is_documented() {
    let mut text = "# Metrics\n\nServed at `/metrics` on `metrics.listen`. Labels come from closed sets: \
                    never a pid, path or container id.\n\n| Metric | Labels | Meaning |\n|---|---|---|\n"
        .to_owned();
    for (name, help, labels) in Metrics::declared() {
        writeln!(text, "| `{name}` | {} | {help} |", labels.join(", ")).unwrap();
    }
    check("docs/metrics.md", &text);
}

/// Helm then says which key of `config` is wrong, and not the agent on every node. The rest of the schema is written by hand.
#[test]
fn the_chart_s_schema_holds_the_configuration_s() {
    const FILE: &str = "deploy/helm/vigia/values.schema.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    let mut values: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut config = schemars::schema_for!(RawConfig).to_value();
    let config = config.as_object_mut().unwrap();
    let Some(Value::Object(mut definitions)) = config.remove("$defs") else {
        panic!("no definitions")
    };
    config.remove("$schema");
    definitions.insert("AgentConfig".to_owned(), Value::Object(config.clone()));
    values["$defs"] = Value::Object(definitions);
    check(FILE, &pretty(&values));
}

/// As packages name the program: `agent` is too common a word for /usr/bin.
fn packaged() -> Command {
    Cli::command()
        .name("vigia")
        .about("runtime security agent for container hosts")
        .disable_help_subcommand(true)
}

/// The page of a command and those of its subcommands, by file.
fn pages(command: &Command, found: &mut Vec<(String, String)>) {
    for subcommand in command.get_subcommands() {
        pages(subcommand, found);
    }
    let page = Man::new(command.clone())
        .manual("Vigia")
        .source(concat!("vigia ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    page.render(&mut text).unwrap();
    let file = format!("docs/man/{}", page.get_filename());
    found.push((file, String::from_utf8(text).unwrap()));
}

#[test]
fn every_command_has_a_manual_page() {
    let mut command = packaged();
    command.build();
    let mut found = Vec::new();
    pages(&command, &mut found);
    for (file, text) in &found {
        check(file, text);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man");
    let stored = std::fs::read_dir(folder).unwrap();
    let stored: BTreeSet<String> = stored
        .map(|page| format!("docs/man/{}", page.unwrap().file_name().to_string_lossy()))
        .collect();
    let current = found.into_iter().map(|(file, _)| file).collect();
    assert_eq!(stored, current, "a command that is gone has a page");
}

#[test]
fn shells_complete_what_the_command_line_has() {
    for (shell, file) in [
        (Shell::Bash, "vigia.bash"),
        (Shell::Zsh, "_vigia"),
        (Shell::Fish, "vigia.fish"),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut packaged(), "vigia", &mut text);
        check(
            &format!("deploy/completions/{file}"),
            &String::from_utf8(text).unwrap(),
        );
    }
}
