//! What an image's maker or a pod's author chooses, cut to what is kept.

use crate::container::{Labels, Pod};
use std::collections::HashMap;

/// Bytes kept of a label, a name, an argument.
pub(super) const MAX_TEXT: usize = 4096;
/// Mounts, networks, addresses, ports, arguments kept per container.
pub(super) const MAX_ITEMS: usize = 256;

/// Cuts at [`MAX_TEXT`] bytes, between characters.
pub(super) fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
    text
}

/// The first [`MAX_ITEMS`], each bounded.
pub(super) fn texts(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().take(MAX_ITEMS).map(bounded).collect()
}

/// Each bounded, and all together; and the number of those that were left out.
pub(super) fn labels(labels: HashMap<String, String>) -> (Labels, u32) {
    let texts = labels
        .into_iter()
        .map(|(key, value)| (bounded(key), bounded(value)));
    Labels::bounded(texts.collect())
}

/// The pod that a kubelet's labels name.
pub(super) fn pod(labels: &Labels) -> Option<Pod> {
    let label = |key: &str| labels.get(key).cloned();
    Some(Pod {
        name: label("io.kubernetes.pod.name")?,
        namespace: label("io.kubernetes.pod.namespace")?,
        uid: label("io.kubernetes.pod.uid").unwrap_or_default(),
    })
}
