//! `agent spool`.

use super::output::say_json;
use super::{Exit, Failure, Output, load_without_docker, say};
use crate::config::Flags;
use crate::spool::{SpoolReport, inspect};
use clap::{Args, ValueEnum};
use std::fmt::Write;
use std::path::PathBuf;

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
    /// Check every checksum; exit code 1 when something is damaged
    Verify,
}

pub(super) fn run(file: Option<&PathBuf>, args: &SpoolArgs) -> Result<Exit, Failure> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => load_without_docker(file, Flags::default())?.config.spool_dir(),
    };
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
