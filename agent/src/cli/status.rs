//! `agent status`.

use super::output::say_json;
use super::{ClientFlags, Exit, Failure, Output, block_on, client_socket, say};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::control::{
    ContainerCounters, ContainerStatus, EnforcementStatus, FailingRule, GraphStatus, KindCounters,
    PolicyStatus, RecordCounters, StatusReport, UserRulesStatus,
};
use clap::Args;
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

fn find<'a>(report: &'a StatusReport, wanted: &str) -> Result<&'a ContainerStatus, Failure> {
    let is_meant = |container: &&ContainerStatus| {
        container.name.as_deref() == Some(wanted) || !wanted.is_empty() && container.id.starts_with(wanted)
    };
    let mut found = report.containers.iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(container), None) => Ok(container),
        (None, _) => Err(Failure::message(
            Exit::Findings,
            format!("no container `{wanted}` runs\n  help: `agent status` lists those that do"),
        )),
        (Some(_), Some(_)) => Err(Failure::message(
            Exit::Usage,
            format!("`{wanted}` is the beginning of more than one container's id\n  help: give more of it"),
        )),
    }
}

fn container_books(container: &ContainerStatus) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _written = container_line(&mut text, container).and_then(|()| match &container.events {
        Some(events) => books(&mut text, events),
        None => writeln!(text, "  no books: its slot is another's by now"),
    });
    text
}

fn books(text: &mut String, events: &ContainerCounters) -> std::fmt::Result {
    let ContainerCounters {
        seen,
        repeated,
        sent,
        suppressed,
        lost,
    } = events;
    let total: u64 = seen.values().sum();
    writeln!(text, "  seen       {total:>12}  {}", figures(seen))?;
    writeln!(text, "  repeated   {repeated:>12}")?;
    writeln!(text, "  sent       {sent:>12}")?;
    for (word, reasons) in [("suppressed", suppressed), ("lost", lost)] {
        let total: u64 = reasons.values().sum();
        let line = format!("  {word:<10} {total:>12}  {}", figures(reasons));
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
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

fn container_line(text: &mut String, container: &ContainerStatus) -> std::fmt::Result {
    let id = container.id.get(..12).unwrap_or(&container.id);
    let name = container.name.as_deref().unwrap_or("-");
    let image = container.image.as_deref().unwrap_or("-");
    writeln!(
        text,
        "  {id:<12} {name:<24} {image:<32} metadata {}, profile {}",
        container.metadata, container.profile_state
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
mod tests {
    use super::*;
    use crate::control::{CapabilityStatus, ContainerStatus, RuntimeStatus, SinkStatus, TableStatus};

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
        let missed = RuntimeStatus { missed: 6 };
        report.runtimes.insert("podman".to_owned(), missed);
        report.sinks.push(SinkStatus {
            name: "disk".to_owned(),
            ..Default::default()
        });
        report.maps.insert(
            "slots".to_owned(),
            TableStatus {
                entries: 2,
                capacity: 9,
            },
        );
        let failing = FailingRule {
            events: 3,
            reason: "a list is shorter".to_owned(),
        };
        report.user_rules = UserRulesStatus {
            rules: 2,
            failing: [("user.x".to_owned(), failing)].into(),
        };
        let mismatch = "exec: seen 7, but 6 outcomes were booked".to_owned();
        report.records.mismatches.push(mismatch);
        report.graph = GraphStatus {
            edges: 3,
            capacity: 4096,
            dropped: 2,
        };
        let text = render(&report);
        for part in [
            "host-1",
            "not ready",
            "DEGRADED: docker does not answer; containers 1, events 7, alerts 0, pending 0",
            "! docker",
            "lsm: refused",
            "as above",
            "exec",
            "4  quota 3, ring_full 1",
            " 7 ",
            "! the books do not balance: exec: seen 7",
            "CONTAINERS (1)",
            "6 events or lines of lists of podman were not taken",
            "GRAPH             3 of 4096 edges, 2 forgotten for lack of room",
            "sink disk",
            "map slots: 2 of 9",
            "USER RULES        2 in force",
            "! user.x failed on 3 events, at last because a list is shorter",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), report);
    }

    #[test]
    fn a_container_is_shown_with_its_books() {
        let container = |id: &str, name: &str| ContainerStatus {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            events: Some(ContainerCounters {
                seen: [("exec".to_owned(), 3), ("file_open".to_owned(), 9)].into(),
                repeated: 7,
                sent: 3,
                suppressed: [("unwatched".to_owned(), 1)].into(),
                lost: [("quota".to_owned(), 1)].into(),
            }),
            ..Default::default()
        };
        let report = StatusReport {
            containers: vec![container("ab01", "web"), container("ab02", "db")],
            ..StatusReport::default()
        };
        assert_eq!(find(&report, "ab02").unwrap().id, "ab02");
        assert_eq!(find(&report, "web").unwrap().id, "ab01");
        assert_eq!(find(&report, "ab").unwrap_err().exit, Exit::Usage);
        assert_eq!(find(&report, "cd").unwrap_err().exit, Exit::Findings);
        let text = container_books(&report.containers[0]);
        for part in [
            "web",
            "12  exec 3, file_open 9",
            "suppressed            1  unwatched 1",
            "quota 1",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
