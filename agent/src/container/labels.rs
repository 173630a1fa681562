//! Labels of a container. An image's maker chooses them: what is kept is bounded, and shared by all who show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// Bytes of keys and values that are kept per container: they are in each of its alerts.
pub const MAX_LABEL_BYTES: usize = 16 << 10;
/// Labels that pods and rules are read from: kept before all others, so that none can push them out.
const KEPT_FIRST: [&str; 5] = [
    "com.docker.compose.project",
    "io.kubernetes.pod.name",
    "io.kubernetes.pod.namespace",
    "io.kubernetes.pod.uid",
    "org.opencontainers.image.title",
];

/// Labels by key. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Labels(Arc<BTreeMap<String, String>>);

impl Labels {
    /// Keeps what fits into [`MAX_LABEL_BYTES`], in order of the keys; and the number of labels that do not.
    #[must_use]
    pub fn bounded(labels: BTreeMap<String, String>) -> (Self, u32) {
        let (first, others): (Vec<_>, Vec<_>) = labels
            .into_iter()
            .partition(|(key, _)| KEPT_FIRST.contains(&key.as_str()));
        let (mut room, mut omitted) = (MAX_LABEL_BYTES, 0_u32);
        let fits = |(key, value): &(String, String)| {
            let left = room.checked_sub(key.len() + value.len());
            room = left.unwrap_or(room);
            omitted = omitted.saturating_add(u32::from(left.is_none()));
            left.is_some()
        };
        let kept = first.into_iter().chain(others).filter(fits).collect();
        (Self(Arc::new(kept)), omitted)
    }
}

impl Deref for Labels {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const N: usize> From<[(String, String); N]> for Labels {
    fn from(labels: [(String, String); N]) -> Self {
        Self(Arc::new(labels.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(labels: &Labels) -> usize {
        labels.iter().map(|(key, value)| key.len() + value.len()).sum()
    }

    #[test]
    fn many_labels_and_one_large_one_are_cut_and_counted() {
        let many: BTreeMap<_, _> = (0..1000)
            .map(|number| (format!("{number:04}"), "x".repeat(60)))
            .collect();
        let (labels, omitted) = Labels::bounded(many);
        assert_eq!(
            (labels.len(), omitted, bytes(&labels)),
            (256, 744, MAX_LABEL_BYTES)
        );
        let large = [
            ("a".to_owned(), "x".repeat(MAX_LABEL_BYTES)),
            ("b".to_owned(), "small".to_owned()),
        ];
        let (labels, omitted) = Labels::bounded(large.into());
        assert_eq!((labels.len(), omitted), (1, 1));
        assert_eq!(labels["b"], "small");
    }

    #[test]
    fn no_label_pushes_out_those_that_rules_read() {
        let mut crowd: BTreeMap<_, _> = (0..1000)
            .map(|number| (format!("a{number:04}"), "x".repeat(60)))
            .collect();
        for key in KEPT_FIRST {
            crowd.insert(key.to_owned(), "v".repeat(2000));
        }
        let (labels, omitted) = Labels::bounded(crowd);
        assert!(KEPT_FIRST.iter().all(|key| labels.contains_key(*key)));
        assert!(omitted > 800 && bytes(&labels) <= MAX_LABEL_BYTES);
    }

    #[test]
    fn few_labels_are_all_kept() {
        let (labels, omitted) = Labels::bounded([("tier".to_owned(), "front".to_owned())].into());
        assert_eq!((labels["tier"].as_str(), omitted), ("front", 0));
        assert_eq!(serde_json::to_string(&labels).unwrap(), r#"{"tier":"front"}"#);
    }
}
