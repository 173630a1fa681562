//! Ids, classes, severities and techniques.

use super::super::deed::Deed;
use crate::detect::{Class, Severity};
use std::collections::BTreeSet;

/// Longest id and title of rules of users, bytes.
const MAX_ID: usize = 80;
const MAX_TITLE: usize = 200;
/// What [`unused`] appends, and a kind of events, have room.
const ROOM: usize = 20;

/// `user.` and the letters of the name; of what is translated to several rules, with the kind of events.
pub(super) fn id(name: &str, kind: Option<&str>) -> String {
    let mut id = "user.".to_owned();
    for c in name.chars() {
        if id.len() >= MAX_ID - ROOM {
            break;
        }
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.ends_with(['_', '.']) {
            id.push('_');
        }
    }
    let id = id.trim_end_matches('_');
    match (id, kind) {
        ("user.", kind) => format!("user.{}", kind.unwrap_or("rule")),
        (id, Some(kind)) => format!("{id}_{kind}"),
        (id, None) => id.to_owned(),
    }
}

/// The id, or with the first number that makes it one of its own.
pub(super) fn unused(wanted: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2_usize..).map(|number| format!("{wanted}_{number}"));
    let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
    let free = candidates.find(|id| !taken.contains(id));
    free.unwrap_or_else(|| wanted.to_owned())
}

/// One line of the length that titles may have.
pub(super) fn title(name: &str) -> String {
    let mut title = String::new();
    for c in name.chars().filter(|c| !c.is_control()) {
        if title.len() + c.len_utf8() > MAX_TITLE {
            break;
        }
        title.push(c);
    }
    if title.is_empty() {
        "A rule without a name".clone_into(&mut title);
    }
    title
}

/// The inverse of what alerts in Falco's format have. What is above `Critical` in Falco is critical.
pub(super) fn severity(priority: &str) -> Severity {
    match priority.trim().to_ascii_lowercase().as_str() {
        "emergency" | "alert" | "critical" => Severity::Critical,
        "error" => Severity::High,
        "notice" => Severity::Low,
        "informational" | "info" | "debug" => Severity::Info,
        _ => Severity::Medium,
    }
}

/// By the tactic that the tags name; else by what is done.
pub(super) fn class(tags: &[String], deed: Deed) -> Class {
    let tactic = tags.iter().find_map(|tag| match tag.as_str() {
        "mitre_credential_access" => Some(Class::Credential),
        "mitre_privilege_escalation" => Some(Class::Escape),
        "mitre_defense_evasion" | "mitre_impact" => Some(Class::Tampering),
        "mitre_lateral_movement" | "mitre_discovery" | "mitre_command_and_control" | "mitre_exfiltration" => {
            Some(Class::Lateral)
        }
        _ => None,
    });
    tactic.unwrap_or(match deed {
        Deed::Bind | Deed::Listen | Deed::UnixBind => Class::Listener,
        Deed::Connect | Deed::Send | Deed::UnixConnect => Class::Lateral,
        Deed::Mount | Deed::Setns | Deed::Unshare | Deed::Module | Deed::Bpf => Class::Escape,
        Deed::Unlink | Deed::Rename | Deed::Setattr => Class::Tampering,
        _ => Class::Drift,
    })
}

/// Tags that are techniques of ATT&CK.
pub(super) fn techniques(tags: &[String]) -> Vec<String> {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_technique = |tag: &&String| {
        let Some(number) = tag.strip_prefix('T') else {
            return false;
        };
        match number.split_once('.') {
            Some((technique, part)) => digits(technique, 4) && digits(part, 3),
            None => digits(number, 4),
        }
    };
    let mut techniques: Vec<String> = tags.iter().filter(is_technique).cloned().collect();
    techniques.dedup();
    techniques
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names_and_differ() {
        assert_eq!(id("Read /etc: (shadow)", None), "user.read_etc_shadow");
        assert_eq!(id("!!!", None), "user.rule");
        assert_eq!(id("A", Some("exec")), "user.a_exec");
        assert!(id(&"x".repeat(300), Some("exec_attempt")).len() <= MAX_ID);
        let taken = ["user.a".to_owned(), "user.a_2".to_owned()].into();
        assert_eq!(unused("user.a", &taken), "user.a_3");
        assert_eq!(unused("user.b", &taken), "user.b");
    }

    #[test]
    fn tags_name_the_class_and_the_techniques() {
        let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        let own = tags(&[
            "maturity_stable",
            "mitre_credential_access",
            "T1552.001",
            "TA0003",
            "T155",
        ]);
        assert_eq!(class(&own, Deed::Exec), Class::Credential);
        assert_eq!(techniques(&own), ["T1552.001"]);
        assert_eq!(class(&tags(&["mitre_execution"]), Deed::Connect), Class::Lateral);
        assert_eq!(
            (severity("WARNING"), severity("Notice"), severity("EMERGENCY")),
            (Severity::Medium, Severity::Low, Severity::Critical)
        );
    }
}
