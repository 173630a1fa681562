//! The tables the other way round: `docs/migration.md`.

use super::unmatched::{Unmatched, unmatched};
use super::{Peer, entries};
use std::collections::BTreeMap;

const HEAD: &str = "\
# Coming from another agent

Made by `cargo xtask codegen` from the tables that `agent explain RULE` shows.

If you used a rule of the first column, those of the second take its place: they look for the same behaviour, by their own means and in
containers only. *Partly* means that they tell of some of it, *none* that nothing does; the third column says why. What is missing can often be
[written](user-rules.md). What our rules mean, and what looks alike, is in [rules](rules.md); rules \"with a profile\" need
[one](profiles.md) for the image.
";

/// Which of our rules takes the place of which rule of another agent, as Markdown.
#[must_use]
pub fn migration() -> String {
    let sections = Peer::ALL.into_iter().map(section);
    std::iter::once(HEAD.to_owned()).chain(sections).collect()
}

fn section(peer: Peer) -> String {
    let (name, source) = (peer.name(), peer.source());
    let head = format!("\n## {name}\n\n{source}\n\n| {name} | Vigia | |\n|---|---|---|\n");
    std::iter::once(head).chain(rows(peer).into_values()).collect()
}

/// One line for each rule of `peer`, by its name.
fn rows(peer: Peer) -> BTreeMap<&'static str, String> {
    let mut matched: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for (id, equivalents) in entries() {
        for rule in equivalents.iter().filter(|rule| rule.peer == peer) {
            matched.entry(rule.name).or_default().push(id);
        }
    }
    let matched = matched
        .into_iter()
        .map(|(name, ids)| (name, format!("| {name} | {} | |\n", listed(&ids))));
    let unmatched = unmatched()
        .filter(|unmatched| unmatched.rule.peer == peer)
        .map(|unmatched| (unmatched.rule.name, unmatched_row(unmatched)));
    matched.chain(unmatched).collect()
}

fn unmatched_row(unmatched: &Unmatched) -> String {
    let (name, reason) = (unmatched.rule.name, unmatched.reason);
    match unmatched.partly {
        [] => format!("| {name} | *none* | {reason} |\n"),
        partly => format!("| {name} | *partly* {} | {reason} |\n", listed(partly)),
    }
}

fn listed(ids: &[&str]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    quoted.join(", ")
}
