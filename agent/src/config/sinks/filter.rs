//! Which alerts a sink is sent.

use super::RawSink;
use crate::config::SinkFilter;
use crate::config::validate::Problem;

/// Reads the filter.
///
/// # Errors
/// For lists that would send nothing, and names that no namespace has.
pub(super) fn filter(index: usize, raw: &RawSink) -> Result<SinkFilter, Problem> {
    let lists = [
        ("classes", raw.classes.as_ref().map(Vec::len)),
        ("namespaces", raw.namespaces.as_ref().map(Vec::len)),
    ];
    for (field, length) in lists {
        if length == Some(0) {
            return Err(Problem::new(
                &format!("sinks.{index}.{field}"),
                "an empty list would send nothing",
                format!("leave `{field}` out to send all"),
            ));
        }
    }
    for (at, namespace) in raw.namespaces.iter().flatten().enumerate() {
        if !is_namespace(namespace) {
            return Err(Problem::new(
                &format!("sinks.{index}.namespaces.{at}"),
                format!(
                    "`{}` is no name of a Kubernetes namespace",
                    namespace.escape_debug()
                ),
                "use up to 63 small letters, digits and `-`, no pattern",
            ));
        }
    }
    Ok(SinkFilter {
        min_severity: raw.min_severity,
        classes: raw.classes.clone(),
        namespaces: raw.namespaces.clone(),
    })
}

/// A label of RFC 1123.
fn is_namespace(name: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(valid)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
