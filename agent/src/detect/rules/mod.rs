//! The registry: every rule with its documentation. Ids are stable.

pub(crate) mod credential;
pub(crate) mod drift;
pub(crate) mod escape;
pub(crate) mod lateral;
pub(crate) mod listener;
pub(crate) mod sensor;
pub(crate) mod tampering;

use super::{Class, Rule};

/// Every rule, by class.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        escape::ALL,
        listener::ALL,
        lateral::ALL,
        drift::ALL,
        credential::ALL,
        tampering::ALL,
        sensor::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The rule called `id`.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

/// True for rules that compare with the image (profile, role, declared ports), or whose finding its profile can allow:
/// they wait for its name. Escapes, code that is in no file and reverse shells are in no profile's power.
#[must_use]
pub(super) fn needs_image(rule: &Rule) -> bool {
    let universal = [
        &lateral::REVERSE_SHELL,
        &drift::EXEC_FROM_MEMORY,
        &drift::EXEC_UNLINKED,
    ];
    // Runtimes in containers are known by their image, and the use of a capability by the profile.
    let by_image = [
        &escape::MOUNT,
        &escape::OVERLAY_IN_USER_NAMESPACE,
        &escape::NETFILTER_IN_USER_NAMESPACE,
        &escape::BECAME_ROOT,
    ];
    let among = |rules: &[&Rule]| rules.iter().any(|known| known.id == rule.id);
    match rule.class {
        Class::Escape => among(&by_image),
        Class::Sensor => false,
        _ => !among(&universal),
    }
}

/// True for rules that say that the profile does not know it, and nothing else.
pub(super) fn is_deviation(rule: &Rule) -> bool {
    let deviations = [
        &drift::EXEC_OUTSIDE_PROFILE,
        &drift::WRITE_OUTSIDE_PROFILE,
        &drift::CAPABILITY_OUTSIDE_PROFILE,
        &credential::READ_OUTSIDE_PROFILE,
    ];
    deviations.iter().any(|known| known.id == rule.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_say_their_class() {
        let mut seen = HashSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} twice", rule.id);
            let class = serde_json::to_value(rule.class).unwrap();
            assert_eq!(
                rule.id.split_once('.').map(|(class, _)| class),
                class.as_str(),
                "{}",
                rule.id
            );
            let documentation = [
                rule.title,
                rule.meaning,
                rule.why,
                rule.look_alikes,
                rule.response,
            ];
            assert!(documentation.iter().all(|text| !text.is_empty()), "{}", rule.id);
            // Nobody attacks in a test.
            let test = rule.id == "sensor.sink_test";
            assert_eq!(rule.attack.is_empty(), test, "{}", rule.id);
        }
    }

    #[test]
    fn the_issue_s_rules_exist() {
        assert!(rules().filter(|rule| rule.id.starts_with("escape.")).count() >= 12);
        assert!(rule("escape.core_pattern").is_some() && rule("escape.nothing").is_none());
    }
}
