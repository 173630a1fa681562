//! The graph for programs that draw: Graphviz and Mermaid. Red edges are new, dashed ones always failed.

use super::{label, place};
use crate::control::{GraphEdge, GraphNode, GraphReport, NodeKind};
use crate::engine::Expectation;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Its text in Graphviz's language.
pub(super) fn dot(report: &GraphReport) -> String {
    let numbers = numbers(report);
    let mut text = "digraph vigia {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (node, number) in &numbers {
        let shape = if is_outside(node) { ", shape=ellipse" } else { "" };
        let label = dot_escaped(&label(node));
        // Writing to a String cannot fail. So below.
        let _written = writeln!(text, "  n{number} [label=\"{label}\"{shape}];");
    }
    for edge in &report.edges {
        let red = if is_new(edge) {
            ", color=red, fontcolor=red"
        } else {
            ""
        };
        let dashed = if has_only_failed(edge) {
            ", style=dashed"
        } else {
            ""
        };
        let (from, to) = (numbers[&edge.from], numbers[&edge.to]);
        let place = dot_escaped(&place(edge));
        let _written = writeln!(text, "  n{from} -> n{to} [label=\"{place}\"{red}{dashed}];");
    }
    text + "}\n"
}

/// Its text in Mermaid's language.
pub(super) fn mermaid(report: &GraphReport) -> String {
    let numbers = numbers(report);
    let mut text = "flowchart LR\n".to_owned();
    for (node, number) in &numbers {
        let (opening, closing) = if is_outside(node) {
            ("([", "])")
        } else {
            ("[", "]")
        };
        let label = mermaid_escaped(&label(node));
        let _written = writeln!(text, "  n{number}{opening}\"{label}\"{closing}");
    }
    for edge in &report.edges {
        let arrow = if has_only_failed(edge) { "-.->" } else { "-->" };
        let (from, to) = (numbers[&edge.from], numbers[&edge.to]);
        let place = mermaid_escaped(&place(edge));
        let _written = writeln!(text, "  n{from} {arrow}|\"{place}\"| n{to}");
    }
    for (at, _) in report.edges.iter().enumerate().filter(|(_, edge)| is_new(edge)) {
        let _written = writeln!(text, "  linkStyle {at} stroke:red,color:red");
    }
    text
}

/// Ends by the numbers that stand for them: names are no identifiers.
fn numbers(report: &GraphReport) -> BTreeMap<&GraphNode, usize> {
    let ends = report.edges.iter().flat_map(|edge| [&edge.from, &edge.to]);
    let mut numbers: BTreeMap<&GraphNode, usize> = ends.map(|node| (node, 0)).collect();
    for (at, number) in numbers.values_mut().enumerate() {
        *number = at;
    }
    numbers
}

fn is_outside(node: &GraphNode) -> bool {
    !matches!(node.kind, NodeKind::Image | NodeKind::Container)
}

fn is_new(edge: &GraphEdge) -> bool {
    edge.profile == Expectation::New
}

fn has_only_failed(edge: &GraphEdge) -> bool {
    edge.failed == edge.count
}

/// Within quotes: a backslash begins an escape, and entities are read as in HTML.
fn dot_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Within quotes, where HTML and Markdown are read: everything that means something to either is written by its number.
fn mermaid_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_alphanumeric() || " ./:@-()".contains(character) {
            escaped.push(character);
        } else {
            let _written = write!(escaped, "#{};", u32::from(character));
        }
    }
    escaped
}
