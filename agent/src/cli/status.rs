//! `agent status`.

mod container;

use super::output::say_json;
use super::{ClientFlags, Exit, Failure, Output, block_on, client_socket, say};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::control::{
    EnforcementStatus, FailingRule, GraphStatus, KindCounters, PolicyStatus, RecordCounters, StatusReport,
    UserRulesStatus,
};
use clap::Args;
use container::{container_books, container_line, find};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// How to show it.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Only this container, with its books: its name, its id, or the beginning of its id
    #[arg(long)]
    container: Option<String>,
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) fn run(file: Option<&PathBuf>, args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = client_socket(file, &args.client)?;
    let report = block_on(async {
        let mut client = Client::connect(&socket).await?;
        match client.request(Request::Status).await? {
            Answer::Status { report } => Ok(report),
            other => Err(Failure::message(
                Exit::Unavailable,
                format!("unexpected answer: {other:?}"),
            )),
        }
    })?;
    match (&args.container, args.output) {
        (None, Output::Json) => say_json(&report),
        (None, Output::Text) => say(&render(&report)),
        (Some(wanted), output) => {
            let container = find(&report, wanted)?;
            match output {
                Output::Json => say_json(container),
                Output::Text => say(&container_books(container)),
            }
        }
    }
}

/// `file_open 12, exec 3`
fn figures(by_name: &BTreeMap<String, u64>) -> String {
    let figures: Vec<String> = by_name
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    figures.join(", ")
}

fn render(report: &StatusReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _written = head(&mut text, report)
        .and_then(|()| sensor(&mut text, report))
        .and_then(|()| policies(&mut text, report))
        .and_then(|()| user_rules(&mut text, report))
        .and_then(|()| containers(&mut text, report))
        .and_then(|()| graph(&mut text, report))
        .and_then(|()| delivery(&mut text, report));
    text
}

fn head(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    let StatusReport {
        version,
        pid,
        node,
        uptime_seconds,
        ..
    } = report;
    let ready = if report.ready { "ready" } else { "not ready" };
    writeln!(
        text,
        "agent {version} on {node}, process {pid}, up {uptime_seconds} s, {ready}"
    )?;
    writeln!(text, "{}", report.headline())?;
    for problem in &report.problems {
        writeln!(text, "  ! {problem}")?;
    }
    Ok(())
}

fn policies(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    let PolicyStatus {
        profiles,
        entries,
        left_to_daemon,
        refused,
        enforced,
    } = &report.policies;
    if *profiles == 0 && *refused == 0 && enforced.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\nPROFILES          {profiles} in the kernel, {entries} entries, {left_to_daemon} left to the daemon, {refused} refused"
    )?;
    for EnforcementStatus {
        section,
        means,
        action,
        gap,
    } in enforced
    {
        let line = format!("  {section:<16} {means:<11} {action:<10} {gap}");
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn user_rules(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    let UserRulesStatus { rules, failing } = &report.user_rules;
    if *rules == 0 && failing.is_empty() {
        return Ok(());
    }
    writeln!(text, "\nUSER RULES        {rules} in force")?;
    for (rule, FailingRule { events, reason }) in failing {
        writeln!(
            text,
            "  ! {rule} failed on {events} events, at last because {reason}"
        )?;
    }
    Ok(())
}

fn sensor(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    writeln!(text, "\nSENSOR")?;
    let mut last = "";
    for capability in &report.capabilities {
        let (name, backend, trust) = (&capability.capability, &capability.backend, &capability.trust);
        // Mostly the same for all: said once.
        let reason = match capability.reason.as_str() {
            "" => "",
            reason if reason == last => "as above",
            reason => {
                last = reason;
                reason
            }
        };
        let line = format!("  {name:<16} {backend:<11} {trust:<10} {reason}");
        writeln!(text, "{}", line.trim_end())?;
    }
    writeln!(
        text,
        "\nEVENTS            seen   repeated       sent suppressed       lost"
    )?;
    for (kind, counters) in &report.events {
        let KindCounters {
            seen,
            repeated,
            sent,
            suppressed,
            lost,
        } = counters;
        let reasons = figures(lost);
        let (suppressed, lost): (u64, u64) = (suppressed.values().sum(), lost.values().sum());
        let line = format!(
            "  {kind:<12} {seen:>10} {repeated:>10} {sent:>10} {suppressed:>10} {lost:>10}  {reasons}"
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    let RecordCounters {
        received,
        handled,
        undecodable,
        mismatches,
    } = &report.records;
    let undecodable: u64 = undecodable.values().sum();
    writeln!(
        text,
        "  {received} records received, {handled} handled, {undecodable} undecodable"
    )?;
    for mismatch in mismatches {
        writeln!(text, "  ! the books do not balance: {mismatch}")?;
    }
    for (cause, count) in &report.kernel_errors {
        writeln!(text, "  kernel error {cause}: {count}")?;
    }
    Ok(())
}

fn containers(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    writeln!(text, "\nCONTAINERS ({})", report.containers.len())?;
    for container in &report.containers {
        container_line(text, container)?;
    }
    for (runtime, status) in report.runtimes.iter().filter(|(_, status)| status.missed > 0) {
        writeln!(
            text,
            "  {} events or lines of lists of {runtime} were not taken",
            status.missed
        )?;
    }
    Ok(())
}

fn graph(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    let GraphStatus {
        edges,
        capacity,
        dropped,
    } = report.graph;
    if edges == 0 && dropped == 0 {
        return Ok(());
    }
    writeln!(
        text,
        "\nGRAPH             {edges} of {capacity} edges, {dropped} forgotten for lack of room"
    )
}

fn delivery(text: &mut String, report: &StatusReport) -> std::fmt::Result {
    writeln!(text, "\nALERTS {}", report.alerts)?;
    let spool = &report.spool;
    let degraded = if spool.degraded {
        ", DEGRADED: in memory only, the disk refuses"
    } else {
        ""
    };
    writeln!(
        text,
        "  spool: {} bytes, {} appended, {} dropped, {} damaged bytes{degraded}",
        spool.bytes, spool.appended, spool.dropped, spool.damaged_bytes
    )?;
    for sink in &report.sinks {
        writeln!(
            text,
            "  sink {}: {} delivered, {} pending (oldest {:.1} s), {} retries, {} rejected, {} filtered",
            sink.name,
            sink.delivered,
            sink.pending,
            sink.oldest_undelivered_seconds,
            sink.retries,
            sink.rejected,
            sink.filtered
        )?;
    }
    for (queue, status) in &report.queues {
        writeln!(
            text,
            "  queue {queue}: {} of {}, {} dropped",
            status.depth, status.capacity, status.dropped
        )?;
    }
    for (kind, tables) in [("map", &report.maps), ("table", &report.tables)] {
        for (name, table) in tables.iter().filter(|(_, table)| table.entries > 0) {
            writeln!(text, "  {kind} {name}: {} of {}", table.entries, table.capacity)?;
        }
    }
    writeln!(text, "  watchers: {}", report.watchers)
}

#[cfg(test)]
mod tests;
