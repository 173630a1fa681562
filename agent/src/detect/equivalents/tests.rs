//! The tables hold together. `docs/migration.md` is compared in `tests/generated.rs`.

use super::unmatched::unmatched;
use super::{Equivalent, Peer, elsewhere, entries, equivalents, migration};
use crate::detect::{rule, rules};
use std::collections::BTreeSet;

fn matched() -> BTreeSet<Equivalent> {
    entries().flat_map(|(_, rules)| rules.iter().copied()).collect()
}

#[test]
fn every_rule_of_the_catalogue_has_one_entry() {
    let tables: Vec<&str> = entries().map(|(id, _)| *id).collect();
    let catalogue: Vec<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(tables, catalogue);
}

#[test]
fn names_are_sorted_and_stand_once() {
    for (id, rules) in entries() {
        assert!(rules.is_sorted_by(|a, b| a < b), "{id}: {rules:?}");
    }
    let unmatched: Vec<Equivalent> = unmatched().map(|unmatched| unmatched.rule).collect();
    assert!(unmatched.is_sorted_by(|a, b| a < b), "{unmatched:?}");
    for rule in matched().iter().chain(&unmatched) {
        let odd = rule.name.contains(['|', ',', ';', '\n']);
        assert!(!rule.name.is_empty() && !odd, "{rule:?} breaks a line or a table");
    }
}

#[test]
fn what_no_rule_takes_the_place_of_says_why() {
    let matched = matched();
    for unmatched in unmatched() {
        let name = unmatched.rule.name;
        assert!(!matched.contains(&unmatched.rule), "{name} has equivalents");
        let reason = unmatched.reason;
        assert!(
            reason.ends_with('.') && !reason.contains(['|', '\n']),
            "{name}: {reason}"
        );
        assert!(unmatched.partly.is_sorted_by(|a, b| a < b), "{name}");
        // Ids are in the list and, quoted, in the reason.
        let quoted = reason
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|text| text.contains('.'));
        for id in unmatched.partly.iter().copied().chain(quoted) {
            assert!(rule(id).is_some(), "{name}: no rule {id}");
        }
    }
}

#[test]
fn a_rule_says_where_its_like_is() {
    assert_eq!(
        elsewhere("escape.release_agent").as_deref(),
        Some("Falco: Detect release_agent File Container Escapes; Tracee: cgroup_release_agent")
    );
    let metadata = elsewhere("lateral.metadata_service").unwrap();
    assert_eq!(metadata.matches("Falco: ").count(), 1, "{metadata}");
    assert_eq!(elsewhere("escape.device_cgroup").as_deref(), Some("none"));
    assert_eq!((elsewhere("user.own"), equivalents("user.own")), (None, None));
}

#[test]
fn whoever_comes_from_elsewhere_finds_each_rule_once() {
    let document = migration();
    for peer in Peer::ALL {
        assert!(document.contains(&format!("\n## {}\n", peer.name())), "{peer:?}");
    }
    let unmatched = unmatched().map(|unmatched| unmatched.rule);
    for rule in matched().into_iter().chain(unmatched) {
        let row = format!("\n| {} | ", rule.name);
        assert_eq!(document.matches(&row).count(), 1, "{rule:?}");
    }
    for row in [
        "| Mount Launched in Privileged Container | `escape.host_disk_mount`, `escape.sensitive_mount`, `escape.mount` | |\n",
        "| R2001 Port forward to pod | *none* | Only the API server knows it: use its audit log. |\n",
        "| R2000 Exec to pod | *partly* `drift.exec_session_shell` | Only the API server knows it: use its audit log. |\n",
    ] {
        assert!(document.contains(row), "{row}");
    }
}
