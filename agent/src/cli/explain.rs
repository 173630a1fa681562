//! `agent explain`: a rule, or an alert that is still in the spool.

mod story;

use super::output::say_json;
use super::rules::configured;
use super::{Exit, Failure, Output, load_without_docker, say};
use crate::alert::{Alert, AlertId};
use crate::config::Flags;
use crate::detect::{Documented, rule, rules, text};
use crate::spool::{Record, SpoolError, newest};
use bstr::ByteSlice;
use clap::Args;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What to explain.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Id of a rule, `escape.core_pattern`, or a part of one; or the id of an alert that is still in the spool
    #[arg(value_name = "RULE|ALERT_ID")]
    what: String,
    /// Folder of the spool [default: the configured one]
    #[arg(long, value_name = "DIR")]
    spool: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// An alert and the rule that raised it; `None`: this version has no such rule.
#[derive(Debug, Serialize)]
struct Explained {
    alert: Alert,
    rule: Option<Documented>,
}

pub(super) fn run(file: Option<&PathBuf>, args: &ExplainArgs) -> Result<Exit, Failure> {
    match args.what.parse::<AlertId>() {
        Ok(id) => explain_alert(file, args, id),
        Err(_) => explain_rule(file, args),
    }
}

fn explain_rule(file: Option<&PathBuf>, args: &ExplainArgs) -> Result<Exit, Failure> {
    let what = &args.what;
    let mut similar: Vec<_> = rules().filter(|rule| rule.id.contains(what.as_str())).collect();
    let mut exact = rule(what);
    if exact.is_none() && (similar.is_empty() || what.starts_with("user")) {
        // Only then the configuration matters: it may be wrong.
        let own = configured(file)?;
        exact = own.rules().find(|rule| rule.id == what);
        similar.extend(own.rules().filter(|rule| rule.id.contains(what.as_str())));
    }
    let found = exact.or(match similar.as_slice() {
        [only] => Some(*only),
        _ => None,
    });
    let Some(found) = found else {
        let known = match similar.as_slice() {
            [] => "`agent rules` lists them all".to_owned(),
            some => format!(
                "did you mean {}?",
                some.iter().map(|rule| rule.id).collect::<Vec<_>>().join(", ")
            ),
        };
        return Err(Failure::message(
            Exit::Usage,
            format!("no rule `{}`; {known}", what.escape_debug()),
        ));
    };
    match args.output {
        Output::Text => say(&text(found)),
        Output::Json => say_json(&Documented::from(found)),
    }
}

fn explain_alert(file: Option<&PathBuf>, args: &ExplainArgs, id: AlertId) -> Result<Exit, Failure> {
    let dir = match &args.spool {
        Some(dir) => dir.clone(),
        None => load_without_docker(file, Flags::default())?.config.spool_dir(),
    };
    let alert = find(&dir, id)?.ok_or_else(|| not_found(&dir, id))?;
    // A rule of a user is the one that is configured now; without a valid configuration the alert is told alone.
    let own = || {
        let own = configured(file).ok()?;
        own.rules().find(|rule| rule.id == alert.rule)
    };
    let rule = rule(&alert.rule).or_else(own);
    match args.output {
        Output::Json => {
            let rule = rule.map(Documented::from);
            say_json(&Explained { alert, rule })
        }
        Output::Text => {
            let documentation = rule.map_or_else(
                || "This version of the agent has no such rule.\n".to_owned(),
                text,
            );
            say(&format!("{}\n{documentation}", story::tell(&alert)))
        }
    }
}

/// The newest revision of the alert in the spool in `dir`.
fn find(dir: &Path, id: AlertId) -> Result<Option<Alert>, SpoolError> {
    let id_text = id.to_string();
    // Parsing is dear: only what has the id somewhere is looked at.
    let read = |record: &Record| -> Option<Alert> {
        record.payload.find(&id_text)?;
        serde_json::from_slice(&record.payload).ok()
    };
    let wanted = |record: &Record| read(record).is_some_and(|alert| alert.id == id);
    match newest(dir, wanted) {
        Ok(found) => Ok(found.as_ref().and_then(read)),
        Err(SpoolError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn not_found(dir: &Path, id: AlertId) -> Failure {
    Failure::message(
        Exit::Findings,
        format!(
            "no alert {id} in {}\n  help: alerts leave the spool once every sink has them; look for it where your \
             sinks write",
            dir.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Severity;
    use crate::spool::{Options, Spool};

    fn spool(dir: &Path) -> Spool {
        Spool::open(&Options {
            dir: dir.to_owned(),
            max_bytes: 16 << 20,
            sinks: vec!["a".to_owned()],
        })
        .unwrap()
    }

    #[tokio::test]
    async fn the_newest_revision_is_found_while_the_daemon_runs() {
        let dir = tempfile::tempdir().unwrap();
        let spool = spool(dir.path());
        let alert = story::tests::alert();
        let other = Alert {
            id: AlertId::from_u128(2),
            // Text that quotes the id is not the alert.
            summary: format!("about {}", alert.id),
            ..alert.clone()
        };
        let second = Alert {
            revision: 1,
            ..alert.clone()
        };
        for alert in [&alert, &second, &other] {
            spool.append(alert);
        }
        spool.append_line(Severity::High, format!("no json {}", alert.id).into_bytes());
        spool.flush().await;
        assert_eq!(find(dir.path(), alert.id).unwrap(), Some(second));
        spool.close();
    }

    #[test]
    fn an_alert_that_is_not_there_says_where_it_was_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("none");
        let id = AlertId::from_u128(7);
        assert_eq!(find(&dir, id).unwrap(), None);
        let failure = not_found(&dir, id);
        let message = failure.error.to_string();
        assert_eq!(failure.exit, Exit::Findings);
        assert!(message.contains(&dir.display().to_string()) && message.contains("leave the spool"));
    }
}
