//! The graph as a table for people.

use super::{label, place};
use crate::control::{GraphEdge, GraphReport};
use crate::engine::Expectation;
use crate::event::Timestamp;

const COLUMNS: usize = 9;
const HEAD: [&str; COLUMNS] = [
    "FROM",
    "TO",
    "PORT",
    "PROFILE",
    "CONTAINERS",
    "COUNT",
    "FAILED",
    "FIRST",
    "LAST",
];

/// A line per edge, and a last one with the figures.
pub(super) fn render(report: &GraphReport) -> String {
    if report.edges.is_empty() {
        return summary(report);
    }
    let head = HEAD.map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(report.edges.iter().map(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths);
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text + "\n" + &summary(report)
}

fn row(edge: &GraphEdge) -> [String; COLUMNS] {
    [
        label(&edge.from),
        label(&edge.to),
        place(edge),
        edge.profile.word().to_owned(),
        edge.containers.to_string(),
        edge.count.to_string(),
        edge.failed.to_string(),
        second(edge.first),
        second(edge.last),
    ]
}

fn summary(report: &GraphReport) -> String {
    let edges = report.edges.len();
    let new = report
        .edges
        .iter()
        .filter(|edge| edge.profile == Expectation::New);
    let new = new.count();
    let forgotten = match report.dropped {
        0 => String::new(),
        dropped => format!("; {dropped} forgotten for lack of room"),
    };
    format!("{edges} edges, {new} new{forgotten}\n")
}

/// RFC 3339 to the second.
fn second(time: Timestamp) -> String {
    let text = time.to_rfc3339();
    text.get(..19).map(|text| format!("{text}Z")).unwrap_or(text)
}
