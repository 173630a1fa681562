//! Coverage of ATT&CK as a layer of its Navigator: `agent rules --output navigator`.

use super::{Rule, Severity};
use serde::Serialize;
use std::collections::BTreeMap;

/// A layer, format 4.5.
#[derive(Debug, Serialize)]
pub struct Layer {
    name: &'static str,
    description: String,
    domain: &'static str,
    versions: Versions,
    gradient: Gradient,
    techniques: Vec<Technique>,
}

#[derive(Debug, Serialize)]
struct Versions {
    attack: &'static str,
    navigator: &'static str,
    layer: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Gradient {
    colors: [&'static str; 2],
    min_value: usize,
    max_value: usize,
}

/// A technique with the rules that find it.
#[derive(Debug, Serialize)]
struct Technique {
    #[serde(rename = "techniqueID")]
    id: &'static str,
    /// How many rules they are.
    score: usize,
    comment: String,
    enabled: bool,
    #[serde(rename = "showSubtechniques")]
    show_subtechniques: bool,
    metadata: [Metadata; 1],
}

#[derive(Debug, Serialize)]
struct Metadata {
    name: &'static str,
    value: &'static str,
}

/// Of these rules.
#[must_use]
pub fn layer(rules: impl Iterator<Item = &'static Rule>) -> Layer {
    let mut covered: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        for technique in rule.attack {
            covered.entry(technique).or_default().push(rule);
        }
    }
    let most = covered.values().map(Vec::len).max().unwrap_or(1);
    Layer {
        name: "Vigia",
        description: format!("What the rules of Vigia {} find", env!("CARGO_PKG_VERSION")),
        domain: "enterprise-attack",
        versions: Versions {
            attack: "17",
            navigator: "5.1.0",
            layer: "4.5",
        },
        gradient: Gradient {
            colors: ["#d7ecff", "#08519c"],
            min_value: 1,
            max_value: most,
        },
        techniques: covered
            .into_iter()
            .map(|(id, rules)| technique(id, &rules))
            .collect(),
    }
}

fn technique(id: &'static str, rules: &[&Rule]) -> Technique {
    let worst = rules.iter().map(|rule| rule.severity).max();
    let ids: Vec<&str> = rules.iter().map(|rule| rule.id).collect();
    Technique {
        id,
        score: rules.len(),
        comment: ids.join(", "),
        enabled: true,
        show_subtechniques: id.contains('.'),
        metadata: [Metadata {
            name: "severity",
            value: worst.unwrap_or(Severity::Info).name(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rules;

    #[test]
    fn every_technique_of_every_rule_is_in_the_layer_once() {
        let layer = serde_json::to_value(layer(rules())).unwrap();
        let techniques = layer["techniques"].as_array().unwrap();
        let all: std::collections::BTreeSet<&str> = rules().flat_map(|rule| rule.attack).copied().collect();
        assert_eq!(techniques.len(), all.len());
        let escape = techniques
            .iter()
            .find(|technique| technique["techniqueID"] == "T1611")
            .unwrap();
        assert!(escape["score"].as_u64().unwrap() > 20);
        assert_eq!(escape["metadata"][0]["value"], "critical");
        for id in all {
            let (main, sub) = id.split_once('.').unwrap_or((id, "001"));
            let number = main.strip_prefix('T').unwrap();
            assert!(number.len() == 4 && sub.len() == 3, "{id} is no technique");
        }
    }
}
