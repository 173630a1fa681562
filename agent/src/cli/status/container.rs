//! One container: which is meant, its line, its books.

use super::figures;
use crate::cli::{Exit, Failure};
use crate::control::{ContainerCounters, ContainerStatus, StatusReport};
use std::fmt::Write;

pub(super) fn find<'a>(report: &'a StatusReport, wanted: &str) -> Result<&'a ContainerStatus, Failure> {
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

pub(super) fn container_books(container: &ContainerStatus) -> String {
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

pub(super) fn container_line(text: &mut String, container: &ContainerStatus) -> std::fmt::Result {
    let id = container.id.get(..12).unwrap_or(&container.id);
    let name = container.name.as_deref().unwrap_or("-");
    let image = container.image.as_deref().unwrap_or("-");
    writeln!(
        text,
        "  {id:<12} {name:<24} {image:<32} metadata {}, profile {}",
        container.metadata, container.profile_state
    )
}
