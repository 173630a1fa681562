//! What transports need of an alert beside its text: identity, time, and the few words that receivers index. Read from the line in
//! the spool, so a sink needs no alert of its own.

use crate::detect::{Class, Severity};
use crate::event::Timestamp;
use crate::format::Format;
use crate::sink::{AlertBatch, SinkError};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The indexed part of an alert.
#[derive(Debug, Deserialize)]
pub(super) struct Fields<'a> {
    pub(super) id: uuid::Uuid,
    pub(super) revision: u32,
    pub(super) time: Timestamp,
    pub(super) class: Class,
    pub(super) severity: Severity,
    #[serde(borrow)]
    pub(super) rule: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) summary: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) node: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) container: Option<Container<'a>>,
}

/// Whose alert it is.
#[derive(Debug, Deserialize)]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) image: Image<'a>,
    #[serde(borrow)]
    pub(super) pod: Option<Pod<'a>>,
}

/// Its image.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Image<'a> {
    #[serde(borrow, rename = "ref")]
    pub(super) reference: Option<Cow<'a, str>>,
}

/// Its pod.
#[derive(Debug, Deserialize)]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) namespace: Cow<'a, str>,
}

impl Fields<'_> {
    /// The same for what is sent twice, another for another revision: `<id>-<revision>`.
    pub(super) fn unique_id(&self) -> String {
        format!("{}-{}", self.id, self.revision)
    }

    /// Nanoseconds since the Unix epoch.
    pub(super) fn unix_ns(&self) -> u64 {
        u64::try_from(self.time.0).unwrap_or(0)
    }

    /// Pod and namespace, where there are any.
    pub(super) fn pod(&self) -> Option<&Pod<'_>> {
        self.container.as_ref()?.pod.as_ref()
    }
}

/// An alert with its text.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    fields: Fields<'a>,
    /// The alert in the sink's format, one line without its end.
    pub(super) body: Cow<'a, str>,
}

impl Outgoing<'_> {
    /// The body as JSON; a text where the format is none.
    pub(super) fn json(&self) -> Box<RawValue> {
        let text = || serde_json::value::to_raw_value(self.body.as_ref());
        RawValue::from_string(self.body.to_string())
            .or_else(|_| text())
            .unwrap_or_default()
    }
}

impl<'a> std::ops::Deref for Outgoing<'a> {
    type Target = Fields<'a>;

    fn deref(&self) -> &Fields<'a> {
        &self.fields
    }
}

/// Reads every alert of a batch and writes it in `format`.
///
/// # Errors
/// [`SinkError::Reject`] when one is no alert: a spool that somebody else wrote.
pub(super) fn of_batch(batch: &AlertBatch, format: Format) -> Result<Vec<Outgoing<'_>>, SinkError> {
    batch
        .records
        .iter()
        .map(|record| of_line(&record.payload, format))
        .collect()
}

/// Reads one alert.
///
/// # Errors
/// As [`of_batch`].
pub(super) fn of_line(line: &[u8], format: Format) -> Result<Outgoing<'_>, SinkError> {
    let reject = |error: serde_json::Error| SinkError::Reject {
        reason: format!("the line in the spool is no alert: {error}"),
    };
    let fields = serde_json::from_slice(line).map_err(reject)?;
    let body = match format.translate(line).map_err(reject)? {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
    };
    Ok(Outgoing { fields, body })
}

#[cfg(test)]
pub(super) use tests::samples;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::{Record, Sequence};
    use std::sync::Arc;

    /// Alerts as the spool holds them, each with another id.
    pub(in crate::sinks) fn samples(count: u64) -> AlertBatch {
        let record = |number: u64| {
            let payload = format!(
                r#"{{"schema":"vigia.alert/v1","id":"01930000-0000-7000-8000-{number:012x}","revision":1,
                "time":"2026-11-28T10:00:00.123456789Z","class":"escape","rule":"escape.core_pattern","severity":"critical",
                "summary":"python3 wrote \"core_pattern\"","node":"node-1",
                "container":{{"id":"{:064x}","name":"web","image":{{"ref":"nginx:1.25"}},
                "pod":{{"name":"web-1","namespace":"shop","uid":"u"}}}}}}"#,
                0xabcd
            );
            Arc::new(Record {
                sequence: Sequence(number + 1),
                severity: Severity::Critical,
                time_unix_ms: 0,
                payload: payload.replace('\n', "").into(),
            })
        };
        AlertBatch {
            records: (0..count).map(record).collect(),
        }
    }

    #[test]
    fn what_is_no_alert_is_rejected_with_the_reason() {
        let error = of_line(b"{}", Format::Native).unwrap_err();
        assert!(matches!(error, SinkError::Reject { .. }));
        assert!(error.to_string().contains("missing field"), "{error}");
    }

    #[test]
    fn escaped_text_is_read() {
        let batch = samples(1);
        let alert = of_line(&batch.records[0].payload, Format::Native).unwrap();
        assert_eq!(alert.summary, "python3 wrote \"core_pattern\"");
        assert_eq!(alert.unix_ns() % 1_000_000_000, 123_456_789);
        assert_eq!(alert.pod().unwrap().namespace, "shop");
    }
}
