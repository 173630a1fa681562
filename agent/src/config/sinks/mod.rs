//! Sinks: from what was written to what can be opened.

mod entry;
mod filter;
mod kind;
mod raw;
#[cfg(test)]
mod tests;

pub use raw::{RawSink, RawTls};

use super::validate::Problem;
use super::{SinkConfig, SinkKind};
use std::collections::HashMap;

/// Checks all sinks; none configured: stdout.
///
/// # Errors
/// The first value that cannot be used.
pub(super) fn sinks(raw: Option<&[RawSink]>) -> Result<Vec<SinkConfig>, Problem> {
    let Some(raw) = raw else {
        return Ok(vec![SinkConfig::stdout()]);
    };
    let mut names = HashMap::new();
    let mut stdout = None;
    let mut sinks = Vec::with_capacity(raw.len());
    for (index, entry) in raw.iter().enumerate() {
        if let Some(first) = names.insert(entry.name.as_str(), index) {
            return Err(Problem::new(
                &format!("sinks.{index}.name"),
                format!(
                    "the name `{}` is used twice: sinks {} and {}",
                    entry.name,
                    first + 1,
                    index + 1
                ),
                "give each sink a name of its own",
            ));
        }
        let sink = sink(index, entry)?;
        if sink.kind == SinkKind::Stdout && stdout.replace(index).is_some() {
            return Err(Problem::new(
                &format!("sinks.{index}.type"),
                "two sinks write to stdout",
                "keep one of them",
            ));
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

fn sink(index: usize, raw: &RawSink) -> Result<SinkConfig, Problem> {
    let at = |field: &str| format!("sinks.{index}.{field}");
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if raw.name.is_empty() || raw.name.len() > 64 || !raw.name.bytes().all(valid) {
        return Err(Problem::new(
            &at("name"),
            format!("`{}` is no valid name", raw.name.escape_debug()),
            "use up to 64 letters, digits, `-` and `_`",
        ));
    }
    if raw.kind.is_empty() {
        return Err(Problem::new(
            &format!("sinks.{index}"),
            format!("the sink `{}` has no `type` in any file", raw.name),
            "add `type:`, or check the name: fragments change the sink that has the same one",
        ));
    }
    Ok(SinkConfig {
        name: raw.name.clone(),
        kind: kind::kind(index, raw)?,
        format: raw.format,
        filter: filter::filter(index, raw)?,
    })
}
