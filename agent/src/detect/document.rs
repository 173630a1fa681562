//! The rules' documentation as text, JSON and Markdown: `agent explain`, `agent rules`, `docs/rules.md`.

use super::equivalents::elsewhere;
use super::{Equivalent, Rule, equivalents};
use serde::Serialize;
use std::fmt::Write;

/// A rule with the rules of other agents that look for the same, as it is printed as JSON.
#[derive(Debug, Serialize)]
pub struct Documented {
    #[serde(flatten)]
    rule: &'static Rule,
    /// None of a user's rule, too.
    equivalents: &'static [Equivalent],
}

impl From<&'static Rule> for Documented {
    fn from(rule: &'static Rule) -> Self {
        Self {
            rule,
            equivalents: equivalents(rule.id).unwrap_or_default(),
        }
    }
}

/// One rule for a person at a terminal.
#[must_use]
pub fn text(rule: &Rule) -> String {
    format!(
        "{id}: {title}\n\nClass:     {class}\nSeverity:  {severity}\nATT&CK:    {attack}\n{elsewhere}\nWhat it means\n  {meaning}\n\n\
         Why it matters\n  {why}\n\nWhat looks alike\n  {look_alikes}\n\nWhat to do\n  {response}\n",
        id = rule.id,
        title = rule.title,
        class = class(rule),
        severity = rule.severity.name(),
        attack = rule.attack.join(", "),
        elsewhere = told_elsewhere("Elsewhere: ", rule),
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
         raises or lowers it. *Elsewhere* names rules of other agents that look for the same; [Coming from another agent](migration.md) \
         has them the other way round.\n",
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
                "\n### {}\n\n{} · {} · {}\n\n{}\n\n- **Why it matters:** {}\n- **Looks alike:** {}\n- **What to do:** {}\n{}",
                rule.id,
                rule.title,
                rule.severity.name(),
                rule.attack.join(", "),
                rule.meaning,
                rule.why,
                rule.look_alikes,
                rule.response,
                told_elsewhere("- **Elsewhere:** ", rule)
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

/// A line; nothing of a user's rule.
fn told_elsewhere(label: &str, rule: &Rule) -> String {
    elsewhere(rule.id).map_or_else(String::new, |told| format!("{label}{told}\n"))
}

/// Of rules that are shipped it is also the first part of the id; of a user's rule it is not.
fn class(rule: &Rule) -> &'static str {
    rule.class.name()
}

fn push(document: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = document.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Class, Severity, rule};
    use serde_json::json;

    static OWN: Rule = Rule {
        id: "user.own",
        class: Class::Drift,
        severity: Severity::Low,
        attack: &["T1059"],
        title: "Title",
        meaning: "Meaning.",
        why: "Why.",
        look_alikes: "Likes.",
        response: "Response.",
    };

    #[test]
    fn a_person_is_told_where_the_like_is() {
        let shipped = rule("escape.core_pattern").unwrap();
        let told = "ATT&CK:    T1611\nElsewhere: Tracee: core_pattern_modification\n\nWhat it means\n";
        assert!(text(shipped).contains(told), "{}", text(shipped));
        let none = text(rule("escape.uevent_helper").unwrap());
        assert!(none.contains("\nElsewhere: none\n\n"), "{none}");
        let own = text(&OWN);
        assert!(own.contains("ATT&CK:    T1059\n\nWhat it means\n"), "{own}");
        let document = markdown([shipped].into_iter());
        assert!(
            document.ends_with("\n- **Elsewhere:** Tracee: core_pattern_modification\n"),
            "{document}"
        );
    }

    #[test]
    fn a_program_is_told_the_same_beside_the_rule() {
        let shipped = serde_json::to_value(Documented::from(rule("escape.core_pattern").unwrap())).unwrap();
        assert_eq!(shipped["id"], "escape.core_pattern");
        let expected = json!([{"peer": "tracee", "name": "core_pattern_modification"}]);
        assert_eq!(shipped["equivalents"], expected);
        let own = serde_json::to_value(Documented::from(&OWN)).unwrap();
        assert_eq!(
            (&own["id"], &own["equivalents"]),
            (&json!("user.own"), &json!([]))
        );
    }
}
