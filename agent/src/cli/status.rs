//! `agent status`.

use super::output::say_json;
use super::{ClientFlags, Exit, Failure, Output, block_on, client_config, say};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::control::{KindCounters, RecordCounters, StatusReport};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

/// How to show it.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) fn run(file: Option<&PathBuf>, args: &StatusArgs) -> Result<Exit, Failure> {
    let socket = client_config(file, &args.client)?.config.socket();
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
    match args.output {
        Output::Json => say_json(&report),
        Output::Text => say(&render(&report)),
    }
}

fn render(report: &StatusReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _written = head(&mut text, report)
        .and_then(|()| sensor(&mut text, report))
        .and_then(|()| containers(&mut text, report))
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
    for problem in &report.problems {
        writeln!(text, "  ! {problem}")?;
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
        let reasons: Vec<String> = lost
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let (suppressed, lost): (u64, u64) = (suppressed.values().sum(), lost.values().sum());
        let line = format!(
            "  {kind:<12} {seen:>10} {repeated:>10} {sent:>10} {suppressed:>10} {lost:>10}  {}",
            reasons.join(", ")
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
        let id = container.id.get(..12).unwrap_or(&container.id);
        let name = container.name.as_deref().unwrap_or("-");
        let image = container.image.as_deref().unwrap_or("-");
        writeln!(
            text,
            "  {id:<12} {name:<24} {image:<32} metadata {}, profile {}",
            container.metadata, container.profile_state
        )?;
    }
    Ok(())
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
            "  sink {}: {} delivered, {} pending (oldest {:.1} s), {} retries, {} rejected",
            sink.name,
            sink.delivered,
            sink.pending,
            sink.oldest_undelivered_seconds,
            sink.retries,
            sink.rejected
        )?;
    }
    for (queue, status) in &report.queues {
        writeln!(
            text,
            "  queue {queue}: {} of {}, {} dropped",
            status.depth, status.capacity, status.dropped
        )?;
    }
    writeln!(text, "  watchers: {}", report.watchers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{CapabilityStatus, ContainerStatus, SinkStatus};

    #[test]
    fn everything_is_shown() {
        let mut report = StatusReport {
            node: "host-1".to_owned(),
            ..StatusReport::default()
        };
        report.problems.push("docker does not answer".to_owned());
        for capability in ["bind", "listen"] {
            report.capabilities.push(CapabilityStatus {
                capability: capability.to_owned(),
                reason: "lsm: refused".to_owned(),
                ..Default::default()
            });
        }
        report.events.insert(
            "exec".to_owned(),
            KindCounters {
                seen: 7,
                lost: [("quota".to_owned(), 3), ("ring_full".to_owned(), 1)].into(),
                ..Default::default()
            },
        );
        report.containers.push(ContainerStatus {
            id: "ab".to_owned(),
            ..Default::default()
        });
        report.sinks.push(SinkStatus {
            name: "disk".to_owned(),
            ..Default::default()
        });
        let mismatch = "exec: seen 7, but 6 outcomes were booked".to_owned();
        report.records.mismatches.push(mismatch);
        let text = render(&report);
        for part in [
            "host-1",
            "not ready",
            "! docker",
            "lsm: refused",
            "as above",
            "exec",
            "4  quota 3, ring_full 1",
            " 7 ",
            "! the books do not balance: exec: seen 7",
            "CONTAINERS (1)",
            "sink disk",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), report);
    }
}
