//! Recordings of real runs give exactly the alerts that are committed beside them.
//!
//! A recording is made by `agent run --record FILE` and holds nothing of the machine: facts of the host are made up,
//! processes outside the container are left out, so ancestries end at the container. What changes on purpose is
//! written anew by `UPDATE_GENERATED=1 cargo test -p agent-tests --test replay`; look at the difference.

use agent::alert::{AlertBuilder, AlertIds};
use agent::engine::{Engine, Output};
use agent::format::Format;
use agent::profile::RoleSet;
use agent::recording::{Reader, RecordedProfiles, replay};
use agent::user_rules::{RuleSource, UserRuleSet};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings")
}

fn alerts_of(recording: &Path) -> Result<String> {
    alerts_with(recording, UserRuleSet::default())
}

/// As they would have been with these rules of users.
fn alerts_with(recording: &Path, rules: UserRuleSet) -> Result<String> {
    let mut reader = Reader::open(recording)?;
    let alerts = AlertBuilder::new(AlertIds::new(0));
    let mut engine = Engine::new(reader.start().host.clone(), RoleSet::shipped()?, alerts);
    engine.set_rules(Arc::new(rules));
    let mut alerts = Vec::new();
    replay(&mut reader, &mut engine, RecordedProfiles::InForce, |output| {
        if let Output::Alert(alert) = output {
            alerts.push(alert);
        }
    })?;
    let mut lines = String::new();
    for alert in alerts {
        lines += &serde_json::to_string(&alert)?;
        lines.push('\n');
    }
    Ok(lines)
}

#[test]
fn every_recording_gives_its_alerts_each_time() -> Result<()> {
    let mut checked = 0;
    for entry in fs::read_dir(recordings())? {
        let recording = entry?.path();
        if recording.extension().is_none_or(|extension| extension != "vigia") {
            continue;
        }
        let golden = recording.with_extension("ndjson");
        let alerts = alerts_of(&recording)?;
        ensure!(alerts == alerts_of(&recording)?, "two replays differ");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&golden, &alerts)?;
        }
        let expected = fs::read_to_string(&golden)?;
        ensure!(
            alerts == expected,
            "{} gives other alerts:\n{alerts}",
            recording.display()
        );
        checked += 1;
    }
    ensure!(checked > 0, "no recording");
    Ok(())
}

/// Two services of one Compose project, a stranger, and an intruder in one of the services: what a runtime told of them
/// before and after their first events decides what the alerts say.
#[test]
fn recorded_names_reach_the_alerts() -> Result<()> {
    let lines = alerts_of(&recordings().join("containers.vigia"))?;
    let alerts: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(!alerts.is_empty(), "no alerts");
    for alert in &alerts {
        let known = (&alert["metadata"], &alert["container"]["image"]["ref"]);
        ensure!(
            known == (&"resolved".into(), &"lab.local/busybox:1".into()),
            "{alert}"
        );
        ensure!(alert["container"]["name"] == "web", "{alert}");
    }
    let contacts = alerts
        .iter()
        .filter(|alert| alert["rule"] == "lateral.first_contact");
    let told = |alert: &Value| (alert["revision"].clone(), alert["severity"].clone());
    let contacts: Vec<_> = contacts.map(told).collect();
    // One program's contacts are one alert; its last revision is the count at the window's end.
    let severities = [(0, "low"), (1, "medium"), (2, "medium")];
    ensure!(
        contacts == severities.map(|(revision, severity)| (revision.into(), severity.into())),
        "a relative, then a stranger: {contacts:?}"
    );
    ensure!(
        alerts
            .iter()
            .any(|alert| alert["revision"] == 1 && alert["repeat"]["count"] == 3),
        "the last word on what happened three times"
    );
    Ok(())
}

/// `/tmp/sleep` and `/tmp/true` were executed in the container `web` of an image that one of two rules excepts.
#[test]
fn a_rule_of_a_user_finds_what_was_recorded_but_for_its_exceptions() -> Result<()> {
    let rule = |id: &str, exceptions: &str| {
        format!(
            "- id: {id}\n  on: [exec]\n  condition: event.path.startsWith(\"/tmp/\") && container.name == \"web\"\n  class: drift\n  \
             severity: critical\n  title: Something in /tmp ran\n  summary: \"{{{{process.exe}}}} ran in {{{{container.image.ref}}}}\"\n  \
             exceptions: [{exceptions}]\n"
        )
    };
    let text = [
        "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: tmp}\nrules:\n".to_owned(),
        rule("user.tmp", "{images: [other]}, {paths: [/tmp/true]}"),
        rule("user.tmp_excepted", "{images: ['lab.local/busybox:*']}"),
    ];
    let source = RuleSource {
        file: "tmp.yaml".into(),
        text: text.concat(),
    };
    let rules = UserRuleSet::compile(vec![source])?;
    let lines = alerts_with(&recordings().join("containers.vigia"), rules)?;
    let alerts: Vec<Value> = lines
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    // The shipped rule is as severe, and comes first.
    let found = |alert: &&Value| {
        alert["also"]
            .as_array()
            .is_some_and(|also| also.contains(&"user.tmp".into()))
    };
    let own: Vec<_> = alerts.iter().filter(found).collect();
    ensure!(!own.is_empty(), "no alert:\n{lines}");
    for alert in own {
        let said = (&alert["rule"], &alert["process"]["exe"]);
        let expected = (&"drift.exec_from_upper".into(), &"/tmp/sleep".into());
        ensure!(said == expected, "{alert}");
    }
    ensure!(
        !lines.contains("user.tmp_excepted"),
        "excepted by image:\n{lines}"
    );
    ensure!(
        lines.contains("/tmp/true was executed in web"),
        "/tmp/true is excepted by path:\n{lines}"
    );
    Ok(())
}

/// What happened, not what a test made up: revisions, steps of a deed, names that a runtime told.
#[test]
fn recorded_alerts_keep_to_the_schema_in_every_format() -> Result<()> {
    let schema =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ocsf/detection_finding.schema.json"))?;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    for recording in ["containers.vigia", "shell.vigia"] {
        for line in alerts_of(&recordings().join(recording))?.lines() {
            let translated = |format: Format| format.translate(line.as_bytes()).map(|line| line.into_owned());
            ensure!(
                translated(Format::Native)? == line.as_bytes(),
                "native is passed on"
            );
            let finding: Value = serde_json::from_slice(&translated(Format::Ocsf)?)?;
            let errors: Vec<_> = validator
                .iter_errors(&finding)
                .map(|error| error.to_string())
                .collect();
            ensure!(errors.is_empty(), "{errors:?} in {finding}");
            for format in [Format::Ecs, Format::Falco] {
                let value: Value = serde_json::from_slice(&translated(format)?)?;
                ensure!(value.is_object(), "{value}");
            }
            ensure!(
                translated(Format::Cef)?.starts_with(b"CEF:0|Vigia|Vigia|"),
                "{line}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_damaged_recording_says_where() -> Result<()> {
    let whole = fs::read(recordings().join("shell.vigia"))?;
    let mut reader = Reader::new(&whole[..whole.len() - 1], "cut")?;
    let mut engine = Engine::new(
        reader.start().host.clone(),
        RoleSet::shipped()?,
        AlertBuilder::new(AlertIds::new(0)),
    );
    let mut alerts = 0;
    let result = replay(&mut reader, &mut engine, RecordedProfiles::InForce, |output| {
        alerts += usize::from(matches!(output, Output::Alert(_)));
    });
    let error = result.err().map(|error| error.to_string()).unwrap_or_default();
    ensure!(error.contains("damaged at byte"), "{error}");
    ensure!(alerts > 0, "what precedes the damage counts");
    Ok(())
}
