//! `agent rules import-falco`: rules on stdout, what became of each on stderr.

use crate::cli::{Exit, Failure, Output, say};
use crate::config::yaml;
use crate::falco_import::{self, FalcoSource, Import, Report, Verdict};
use clap::Args;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// Which files.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// Files of Falco's rules, in Falco's order: later ones append and override
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Shape of the report on stderr
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn import(args: &ImportArgs) -> Result<Exit, Failure> {
    let mut sources = Vec::new();
    for file in &args.files {
        let text = yaml::read(file).map_err(|error| Failure::message(Exit::Config, error))?;
        sources.push(FalcoSource {
            file: file.clone(),
            text,
        });
    }
    let import = falco_import::import(&sources)?;
    tell(&report(&import, args.output)?);
    say(&import.rules)?;
    let nothing = import.reports.iter().all(|report| report.verdict == Verdict::Not);
    Ok(if nothing { Exit::Findings } else { Exit::Ok })
}

/// A reader of stderr that went away is no failure.
fn tell(text: &str) {
    let _written = std::io::stderr().lock().write_all(text.as_bytes());
}

fn report(import: &Import, output: Output) -> Result<String, Failure> {
    match output {
        Output::Text => Ok(text(import)),
        Output::Json => {
            let report = json!({"rules": import.reports, "ignored": import.ignored});
            let text = serde_json::to_string_pretty(&report);
            text.map(|text| text + "\n")
                .map_err(|error| Failure::new(Exit::Findings, error))
        }
    }
}

fn text(import: &Import) -> String {
    let ignored = import.ignored.iter().map(|line| format!("{line}\n"));
    let reports = import.reports.iter().map(|report| format!("{report}\n"));
    let count = |verdict: Verdict| {
        let of = |report: &&Report| report.verdict == verdict;
        import.reports.iter().filter(of).count()
    };
    let sum = format!(
        "{} rules: {} translated, {} partly, {} not\n",
        import.reports.len(),
        count(Verdict::Translated),
        count(Verdict::Partly),
        count(Verdict::Not)
    );
    ignored.chain(reports).chain([sum]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imported(text: &str) -> Result<Exit, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules.yaml");
        std::fs::write(&file, text).unwrap();
        import(&ImportArgs {
            files: vec![file],
            output: Output::Json,
        })
    }

    #[test]
    fn exit_codes_tell_what_was_translated_and_what_is_malformed() {
        let rule = |condition: &str| {
            format!("- {{rule: R, desc: d, condition: {condition}, output: o, priority: ERROR}}\n")
        };
        let shell = rule("evt.type = execve and proc.name = sh");
        assert_eq!(imported(&shell).unwrap(), Exit::Ok);
        assert_eq!(imported(&rule("evt.type = read")).unwrap(), Exit::Findings);
        assert_eq!(
            imported(&format!("{shell}- {{rool: S}}\n")).unwrap_err().exit,
            Exit::Config
        );
        let message = imported(&rule("evt.type ==")).unwrap_err().error.to_string();
        assert!(message.contains("rules.yaml:1:"), "{message}");
    }

    #[test]
    fn the_report_says_what_became_of_each_rule() {
        let source = FalcoSource {
            file: "rules.yaml".into(),
            text: "- required_engine_version: 0.50.0\n- {rule: A b, desc: d, condition: evt.type = execve, output: o, priority: ERROR}\n\
                   - {rule: C, desc: d, condition: evt.type = read, output: o, priority: ERROR}\n"
                .to_owned(),
        };
        let import = falco_import::import(&[source]).unwrap();
        let expected = "rules.yaml: `required_engine_version` has no meaning here\n\
                        rules.yaml:2: translated: A b → user.a_b\n\
                        rules.yaml:3: not: C\n  no event is made of the calls `read`\n\
                        2 rules: 1 translated, 0 partly, 1 not\n";
        assert_eq!(text(&import), expected);
    }
}
