//! RFC 5424: header, one element of structured data, the alert.

use crate::detect::Severity;
use crate::sinks::fields::Outgoing;
use std::fmt::Write;

/// Private enterprise number that the RFC keeps for examples and documentation.
const SD_ID: &str = "vigia@32473";
const MAX_HOSTNAME: usize = 255;

/// One message without framing. `facility` 0 to 23.
pub(super) fn message(alert: &Outgoing<'_>, facility: u8, pid: u32) -> Vec<u8> {
    let priority = u32::from(facility) * 8 + severity_number(alert.severity);
    let time = alert.time.to_rfc3339();
    // Six digits of a second at most.
    let time = time
        .strip_suffix("000Z")
        .or_else(|| time.get(..26))
        .unwrap_or(&time);
    let mut text = format!(
        "<{priority}>1 {time}Z {} vigia {pid} alert [{SD_ID}",
        hostname(&alert.node)
    );
    let container = alert.container.as_ref();
    let parameters = [
        ("id", Some(alert.unique_id())),
        ("rule", Some(alert.rule.to_string())),
        ("class", Some(alert.class.name().to_owned())),
        ("severity", Some(alert.severity.name().to_owned())),
        ("container", container.map(|container| container.id.to_string())),
        ("namespace", alert.pod().map(|pod| pod.namespace.to_string())),
        ("pod", alert.pod().map(|pod| pod.name.to_string())),
    ];
    for (name, value) in parameters {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _written = write!(text, " {name}=\"{}\"", escaped(&value));
        }
    }
    text.push_str("] ");
    text.push_str(&alert.body);
    text.into_bytes()
}

/// Of syslog: 2 critical, 3 error, 4 warning, 5 notice, 6 informational.
fn severity_number(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    }
}

/// Printable ASCII without spaces; `-` for none.
fn hostname(node: &str) -> String {
    let name: String = node
        .chars()
        .filter(char::is_ascii_graphic)
        .take(MAX_HOSTNAME)
        .collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

/// As section 6.3.3 wants it.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for char in value.chars() {
        if matches!(char, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::sinks::fields;

    #[test]
    fn a_message_is_what_the_rfc_says() {
        let batch = fields::samples(1);
        let alert = fields::of_line(&batch.records[0].payload, Format::Native).unwrap();
        let text = String::from_utf8(message(&alert, 10, 7)).unwrap();
        let begin = "<82>1 2026-11-28T10:00:00.123456Z node-1 vigia 7 alert [vigia@32473 id=\"01930000-0000-7000-8000-000000000000-1\" ";
        assert!(text.starts_with(begin), "{text}");
        assert!(
            text.contains(" namespace=\"shop\" pod=\"web-1\"] {\"schema\""),
            "{text}"
        );
    }

    #[test]
    fn values_cannot_end_the_element() {
        assert_eq!(escaped(r#"a"b\c]d"#), r#"a\"b\\c\]d"#);
    }
}
