//! Alerts as lines: an alert that is too long for its way says less, and never nothing.

use super::Alert;

type LeaveOut = fn(&mut Alert);

/// What is left out of a line that is too long, in this order; the words stand under `omitted` in the evidence.
const LEAVE_OUT: [(&str, LeaveOut); 4] = [
    ("labels", without_labels),
    ("args", without_arguments),
    ("evidence", without_evidence),
    ("ancestors", without_ancestors),
];

impl Alert {
    /// One line of JSON, without the newline. While it is longer than `max_bytes`, the next of labels, arguments,
    /// evidence and ancestors is left out; what remains then is bounded by the lengths of paths and names.
    #[must_use]
    pub fn to_line(&self, max_bytes: usize) -> String {
        let mut line = json(self);
        if line.len() <= max_bytes {
            return line;
        }
        let mut shorter = self.clone();
        let mut omitted = Vec::new();
        for (word, leave_out) in LEAVE_OUT {
            leave_out(&mut shorter);
            omitted.push(word);
            shorter
                .evidence
                .insert("omitted".to_owned(), omitted.clone().into());
            line = json(&shorter);
            if line.len() <= max_bytes {
                break;
            }
        }
        line
    }
}

fn json(alert: &Alert) -> String {
    // A tree of strings and numbers: serialising it cannot fail.
    serde_json::to_string(alert).unwrap_or_default()
}

fn without_labels(alert: &mut Alert) {
    if let Some(container) = &mut alert.container {
        let omitted = u32::try_from(container.labels.len()).unwrap_or(u32::MAX);
        container.labels_omitted = container.labels_omitted.saturating_add(omitted);
        container.labels = crate::container::Labels::default();
    }
}

fn without_arguments(alert: &mut Alert) {
    if let Some(process) = &mut alert.process {
        process.args.clear();
        process.truncated = true;
        process
            .ancestors
            .iter_mut()
            .for_each(|ancestor| ancestor.args.clear());
    }
}

fn without_evidence(alert: &mut Alert) {
    alert.evidence.retain(|key, _| key == "kind");
}

fn without_ancestors(alert: &mut Alert) {
    if let Some(process) = &mut alert.process {
        process.ancestors.clear();
        process.ancestors_truncated = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Action, AlertContainer, AlertImage, AlertProcess, Ancestor, Repeat, SCHEMA};
    use crate::container::{Labels, MAX_LABEL_BYTES};
    use crate::detect::{Class, Severity};
    use crate::event::Timestamp;

    const LONGEST: usize = 1 << 20;

    fn process(arguments: usize) -> AlertProcess {
        AlertProcess {
            pid: 1,
            host_pid: 1,
            start: Timestamp(0),
            exe: "\\x01".repeat(4096),
            args: vec!["\\x01".repeat(arguments)],
            cwd: "\\x01".repeat(4096),
            uid: 0,
            ancestors: vec![
                Ancestor {
                    host_pid: 1,
                    exe: "\\x01".repeat(256),
                    args: vec!["\\x01".repeat(256)],
                    host: false,
                };
                agent_common::limits::MAX_ANCESTORS
            ],
            ancestors_truncated: false,
            in_image: None,
            truncated: false,
        }
    }

    fn alert(label_bytes: usize, arguments: usize) -> Alert {
        let time = Timestamp(0);
        Alert {
            schema: SCHEMA.to_owned(),
            id: uuid::Uuid::nil(),
            time,
            class: Class::Escape,
            rule: "escape.core_pattern".to_owned(),
            severity: Severity::Critical,
            action: Action::Alerted,
            revision: 0,
            also: Vec::new(),
            summary: "sh opened core_pattern".to_owned(),
            attack: Vec::new(),
            lossy: false,
            metadata: "resolved".to_owned(),
            container: Some(AlertContainer {
                id: "a".repeat(64),
                name: None,
                runtime: None,
                image: AlertImage::default(),
                pod: None,
                labels: Labels::from([("a".to_owned(), "\u{1}".repeat(label_bytes))]),
                labels_omitted: 0,
                privileged: false,
            }),
            profile: None,
            process: Some(process(arguments)),
            evidence: [("kind".to_owned(), "file_open".into())].into_iter().collect(),
            repeat: Repeat {
                count: 1,
                first: time,
                last: time,
            },
            node: String::new(),
        }
    }

    #[test]
    fn the_longest_labels_and_arguments_that_are_kept_fit_whole() {
        let alert = alert(MAX_LABEL_BYTES, agent_common::limits::MAX_ARGS);
        let line = alert.to_line(LONGEST);
        assert_eq!(serde_json::from_str::<Alert>(&line).unwrap(), alert);
    }

    #[test]
    fn what_is_too_long_is_left_out_in_order_and_named() {
        for (labels, arguments, omitted) in [
            (LONGEST, 10, vec!["labels"]),
            (10, LONGEST, vec!["labels", "args"]),
            (LONGEST, LONGEST, vec!["labels", "args"]),
        ] {
            let line = alert(labels, arguments).to_line(LONGEST);
            assert!(line.len() <= LONGEST);
            let shown: Alert = serde_json::from_str(&line).unwrap();
            assert_eq!(shown.evidence["omitted"], serde_json::json!(omitted));
            assert_eq!(shown.severity, Severity::Critical);
            assert_eq!(shown.container.unwrap().labels_omitted, 1);
        }
    }

    #[test]
    fn what_remains_says_what_happened() {
        let mut alert = alert(10, 10);
        alert
            .evidence
            .insert("path".to_owned(), "x".repeat(LONGEST).into());
        let line = alert.to_line(LONGEST);
        let shown: Alert = serde_json::from_str(&line).unwrap();
        assert!(line.len() <= LONGEST);
        assert_eq!(
            (shown.summary, &shown.evidence["kind"]),
            (alert.summary, &alert.evidence["kind"])
        );
        let ancestors = shown.process.unwrap().ancestors.len();
        assert_eq!(ancestors, agent_common::limits::MAX_ANCESTORS);
    }
}
