//! The rules' documentation as text and Markdown: `agent explain`, `agent rules`, `docs/rules.md`.

use super::Rule;
use std::fmt::Write;

/// One rule for a person at a terminal.
#[must_use]
pub fn text(rule: &Rule) -> String {
    format!(
        "{id}: {title}\n\nClass:     {class}\nSeverity:  {severity}\nATT&CK:    {attack}\n\nWhat it means\n  {meaning}\n\n\
         Why it matters\n  {why}\n\nWhat looks alike\n  {look_alikes}\n\nWhat to do\n  {response}\n",
        id = rule.id,
        title = rule.title,
        class = class(rule),
        severity = rule.severity.name(),
        attack = rule.attack.join(", "),
        meaning = rule.meaning,
        why = rule.why,
        look_alikes = rule.look_alikes,
        response = rule.response,
    )
}

/// All rules as a document.
#[must_use]
pub fn markdown(rules: impl Iterator<Item = &'static Rule>) -> String {
    let mut document = String::from(
        "# Rules\n\nMade by `agent rules --output markdown`. The severity is the usual one; what is known of the container \
         raises or lowers it.\n",
    );
    let mut section = "";
    for rule in rules {
        if class(rule) != section {
            section = class(rule);
            push(&mut document, format_args!("\n## {section}\n"));
        }
        push(
            &mut document,
            format_args!(
                "\n### {}\n\n{} · {} · {}\n\n{}\n\n- **Why it matters:** {}\n- **Looks alike:** {}\n- **What to do:** {}\n",
                rule.id,
                rule.title,
                rule.severity.name(),
                rule.attack.join(", "),
                rule.meaning,
                rule.why,
                rule.look_alikes,
                rule.response
            ),
        );
    }
    document
}

/// One line per rule.
#[must_use]
pub fn table(rules: impl Iterator<Item = &'static Rule>) -> String {
    let mut table = String::new();
    for rule in rules {
        push(
            &mut table,
            format_args!("{:<32} {:<9} {}\n", rule.id, rule.severity.name(), rule.title),
        );
    }
    table
}

/// Of rules that are shipped it is also the first part of the id; of a user's rule it is not.
fn class(rule: &Rule) -> &'static str {
    rule.class.name()
}

fn push(document: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = document.write_fmt(text);
}
