//! OCSF 1.8.0, class Detection Finding (2004), with the profiles container, datetime, host and `security_control`.
//! Everything has its place in the schema: `unmapped` is not used.

mod evidence;
mod who;

use super::facts::{self, PRODUCT, VERSION};
use super::tidy::without_empty;
use crate::alert::{Action, Alert};
use crate::detect::{self, Severity};
use serde_json::{Map, Value, json};

const SCHEMA_VERSION: &str = "1.8.0";
const CLASS: u32 = 2004;

/// The alert as a finding.
pub(super) fn finding(alert: &Alert) -> Value {
    let parts = [
        classification(alert),
        occurrence(alert),
        outcome(alert),
        details(alert),
    ];
    let mut finding = Map::new();
    for part in parts {
        if let Value::Object(part) = without_empty(part) {
            finding.extend(part);
        }
    }
    Value::Object(finding)
}

fn classification(alert: &Alert) -> Value {
    let (activity, activity_name) = activity(alert);
    json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Detection Finding: {activity_name}"),
    })
}

fn occurrence(alert: &Alert) -> Value {
    json!({
        "time": facts::unix_ms(alert.time),
        "time_dt": alert.time,
        "start_time": facts::unix_ms(alert.repeat.first),
        "start_time_dt": alert.repeat.first,
        "end_time": facts::unix_ms(alert.repeat.last),
        "end_time_dt": alert.repeat.last,
        "count": i64::try_from(alert.repeat.count).unwrap_or(i64::MAX),
    })
}

fn outcome(alert: &Alert) -> Value {
    let (severity, severity_name) = severity(alert.severity);
    let (action, action_name, disposition, disposition_name) = disposition(alert.action);
    json!({
        "severity_id": severity,
        "severity": severity_name,
        "message": alert.summary,
        "is_alert": true,
        "action_id": action,
        "action": action_name,
        "disposition_id": disposition,
        "disposition": disposition_name,
    })
}

fn details(alert: &Alert) -> Value {
    json!({
        "metadata": metadata(alert),
        "finding_info": finding_info(alert),
        "attacks": attacks(alert),
        "device": who::device(alert),
        "actor": alert.process.as_ref().map(who::actor),
        "evidences": [evidence::evidence(alert)],
        "resources": evidence::resources(alert),
        "observables": evidence::observables(alert),
        "policy": alert.profile.as_ref().map(evidence::policy),
        "remediation": detect::rule(&alert.rule).map(|rule| json!({"desc": rule.response})),
    })
}

/// The first revision makes the finding, later ones bring it up to date.
fn activity(alert: &Alert) -> (u32, &'static str) {
    match alert.revision {
        0 => (1, "Create"),
        _ => (2, "Update"),
    }
}

fn severity(severity: Severity) -> (u32, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

/// Action and disposition.
fn disposition(action: Action) -> (u32, &'static str, u32, &'static str) {
    match action {
        Action::Alerted => (3, "Observed", 19, "Alert"),
        Action::Denied | Action::Killed => (2, "Denied", 2, "Blocked"),
    }
}

fn metadata(alert: &Alert) -> Value {
    json!({
        "version": SCHEMA_VERSION,
        "profiles": ["container", "datetime", "host", "security_control"],
        "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
        "uid": format!("{}:{}", alert.id, alert.revision),
        "correlation_uid": alert.id,
        "event_code": alert.rule,
        "log_name": "alerts",
        "log_provider": "vigia",
        "log_version": alert.schema,
        "original_time": alert.time,
        "is_truncated": alert.process.as_ref().map(|process| process.truncated),
    })
}

fn finding_info(alert: &Alert) -> Value {
    let rule = detect::rule(&alert.rule);
    let tag = |name: &str, value: String| json!({"name": name, "value": value});
    json!({
        "uid": alert.id,
        "title": alert.title(),
        "desc": rule.map(|rule| rule.meaning),
        "types": [facts::class_word(alert.class)],
        "created_time": facts::unix_ms(alert.repeat.first),
        "created_time_dt": alert.repeat.first,
        "modified_time": (alert.revision > 0).then(|| facts::unix_ms(alert.repeat.last)),
        "modified_time_dt": (alert.revision > 0).then_some(alert.repeat.last),
        "first_seen_time": facts::unix_ms(alert.repeat.first),
        "first_seen_time_dt": alert.repeat.first,
        "last_seen_time": facts::unix_ms(alert.repeat.last),
        "last_seen_time_dt": alert.repeat.last,
        "analytic": analytic(&alert.rule),
        "related_analytics": alert.also.iter().map(|id| analytic(id)).collect::<Vec<_>>(),
        "attacks": attacks(alert),
        "data_sources": alert.text("backend").map(|backend| [backend]),
        "tags": [
            tag("lossy", alert.lossy.to_string()),
            tag("metadata", alert.metadata.clone()),
            tag("revision", alert.revision.to_string()),
        ],
    })
}

fn analytic(id: &str) -> Value {
    let rule = detect::rule(id);
    json!({
        "type_id": 1,
        "type": "Rule",
        "uid": id,
        "name": rule.map_or(id, |rule| rule.title),
        "category": rule.map(|rule| facts::class_word(rule.class)),
    })
}

fn attacks(alert: &Alert) -> Vec<Value> {
    let attack = |id: &String| {
        let (technique, part) = facts::technique(id);
        json!({
            "technique": {"uid": technique},
            "sub_technique": part.map(|part| json!({"uid": part})),
        })
    };
    alert.attack.iter().map(attack).collect()
}
