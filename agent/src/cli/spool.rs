//! `agent spool`.

use super::output::say_json;
use super::{Exit, Failure, Output, load_without_docker, say};
use crate::config::Flags;
use crate::spool::{Record, SpoolReport, for_each, inspect};
use clap::{Args, ValueEnum};
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What about the spool.
#[derive(Debug, Args)]
pub struct SpoolArgs {
    #[arg(value_enum)]
    action: Action,
    /// Folder of the spool [default: the configured one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    /// What is in it
    Status,
    /// Every alert in it, oldest first
    Inspect,
    /// Check every checksum; exit code 1 when something is damaged
    Verify,
}

pub(super) fn run(file: Option<&PathBuf>, args: &SpoolArgs) -> Result<Exit, Failure> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => load_without_docker(file, Flags::default())?.config.spool_dir(),
    };
    if args.action == Action::Inspect {
        return list(&dir, args.output);
    }
    let report = inspect(&dir)?;
    match args.output {
        Output::Json => say_json(&report)?,
        Output::Text => say(&render(&report))?,
    };
    let damaged = report.damaged_bytes > 0 || report.cursors.iter().any(|cursor| cursor.position.is_none());
    Ok(if args.action == Action::Verify && damaged {
        Exit::Findings
    } else {
        Exit::Ok
    })
}

/// One line per alert: what it is, or with `--output json` the alert itself.
fn list(dir: &Path, output: Output) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout().lock();
    let result = for_each(dir, |record| {
        let line = match output {
            Output::Json => record.payload.clone(),
            Output::Text => summary(record).into_bytes(),
        };
        stdout.write_all(&line)?;
        stdout.write_all(b"\n")
    });
    match result? {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(Exit::Findings, error)),
        _ => Ok(Exit::Ok),
    }
}

fn summary(record: &Record) -> String {
    let alert: serde_json::Value = serde_json::from_slice(&record.payload).unwrap_or_default();
    let word = |key: &str| alert[key].as_str().unwrap_or("-").to_owned();
    format!(
        "{:>8}  {}  {:<8}  {}  {}",
        record.sequence.0,
        word("time"),
        record.severity.name(),
        word("rule"),
        word("summary")
    )
}

fn render(report: &SpoolReport) -> String {
    let mut text = format!(
        "{}: {} alerts in {} segments, {} bytes, {} damaged\n",
        report.dir,
        report.records,
        report.segments.len(),
        report.bytes,
        report.damaged_bytes
    );
    for segment in &report.segments {
        let (first, last) = (segment.first.unwrap_or(0), segment.last.unwrap_or(0));
        // Writing to a String cannot fail.
        let _written = writeln!(
            text,
            "  {}  {first}..{last}  {} alerts, {} damaged bytes",
            segment.file, segment.records, segment.damaged_bytes
        );
    }
    for cursor in &report.cursors {
        let position = cursor
            .position
            .map_or_else(|| "damaged".to_owned(), |position| position.to_string());
        let _written = writeln!(
            text,
            "  sink {}: at {position}, {} undelivered",
            cursor.sink, cursor.undelivered
        );
    }
    text
}
