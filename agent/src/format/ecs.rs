//! Elastic Common Schema 8: an alert of `event.kind: alert`. What ECS has no word for stands below `vigia`.

use super::facts::{self, FileType, ImageName, PRODUCT, VERSION};
use super::tidy::{as_texts, without_empty};
use crate::alert::{Action, Alert, AlertContainer, AlertProcess, Ancestor};
use crate::detect::{self, Severity};
use serde_json::{Value, json};

/// Of the schema whose fields are used.
const ECS_VERSION: &str = "8.17.0";

/// The alert as a document.
pub(super) fn document(alert: &Alert) -> Value {
    let container = alert.container.as_ref();
    without_empty(json!({
        "@timestamp": alert.time,
        "ecs": {"version": ECS_VERSION},
        "message": alert.summary,
        "event": event(alert),
        "rule": rule(alert),
        "threat": threat(alert),
        "observer": {"vendor": PRODUCT, "product": PRODUCT, "type": "sensor", "version": VERSION},
        "host": {"name": alert.node, "hostname": alert.node},
        "container": container.map(container_fields),
        "orchestrator": container.and_then(orchestrator),
        "process": alert.process.as_ref().map(process_fields),
        "file": file(alert),
        "source": alert.local().filter(|_| alert.remote().is_some()).map(end),
        "destination": alert.remote().map(|remote| destination(alert, remote)),
        "server": alert.local().filter(|_| alert.remote().is_none()).map(end),
        "network": network(alert),
        "dns": dns(alert),
        "related": {
            "hosts": [alert.node],
            "ip": addresses(alert),
        },
        "vigia": own(alert),
    }))
}

fn event(alert: &Alert) -> Value {
    let (category, kind) = category(alert);
    let mut types = vec![kind];
    types.extend((alert.action != Action::Alerted).then_some("denied"));
    json!({
        "kind": "alert",
        "category": ["intrusion_detection", category],
        "type": types,
        "module": "vigia",
        "dataset": "vigia.alert",
        "provider": "vigia",
        "action": alert.kind(),
        "outcome": match alert.succeeded() {
            Some(true) => "success",
            Some(false) => "failure",
            None => "unknown",
        },
        "id": alert.id,
        "code": alert.rule,
        "reason": alert.summary,
        "severity": severity(alert.severity),
        "sequence": alert.revision,
        "start": alert.repeat.first,
        "end": alert.repeat.last,
    })
}

/// ECS leaves the scale to the source; this one is the risk scale of Elastic's detections.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
        Severity::Critical => 99,
    }
}

/// Category and type, of the words that ECS allows together.
fn category(alert: &Alert) -> (&'static str, &'static str) {
    match alert.kind() {
        "exec" | "exec_attempt" => ("process", "start"),
        "ptrace" | "signal" => ("process", "access"),
        "setns" | "unshare" | "credentials" | "capable" | "mmap" | "container" | "syscall" => {
            ("process", "change")
        }
        "file_open" if matches!(alert.text("access"), Some("write" | "read_write")) => ("file", "change"),
        "file_open" | "chroot" | "chdir" => ("file", "access"),
        "unlink" => ("file", "deletion"),
        "link" | "symlink" | "mknod" => ("file", "creation"),
        "rename" | "setattr" | "mount" => ("file", "change"),
        "connect" | "send" | "unix_connect" => ("network", "connection"),
        "dns" => ("network", "protocol"),
        "bind" | "listen" | "socket" | "receive" | "unix_bind" => ("network", "info"),
        "module" => ("driver", "start"),
        "bpf" => ("driver", "info"),
        _ => ("host", "info"),
    }
}

fn rule(alert: &Alert) -> Value {
    json!({
        "id": alert.rule,
        "name": alert.title(),
        "category": facts::class_word(alert.class),
        "description": detect::rule(&alert.rule).map(|rule| rule.meaning),
        "ruleset": "vigia",
    })
}

fn threat(alert: &Alert) -> Value {
    let ids = || alert.attack.iter().map(|id| facts::technique(id));
    let mut techniques: Vec<&str> = ids().map(|(technique, _)| technique).collect();
    techniques.dedup();
    let parts: Vec<&str> = ids().filter_map(|(_, part)| part).collect();
    json!({
        "framework": (!techniques.is_empty()).then_some("MITRE ATT&CK"),
        "technique": {"id": techniques, "subtechnique": {"id": parts}},
    })
}

fn container_fields(container: &AlertContainer) -> Value {
    let image = &container.image;
    let name = image.reference.as_deref().map(ImageName::of);
    // A dot in a key would nest: `app` and `app.kubernetes.io/name` could not stand together.
    let labels: serde_json::Map<String, Value> = container
        .labels
        .iter()
        .map(|(key, value)| (key.replace('.', "_"), value.as_str().into()))
        .collect();
    json!({
        "id": container.id,
        "name": container.name,
        "runtime": container.runtime,
        "image": {
            "name": name.map(|name| name.name),
            "tag": name.and_then(|name| name.tag).map(|tag| [tag]),
            "hash": {"all": [image.digest.as_deref(), image.id.as_deref()]},
        },
        "labels": labels,
        "security_context": {"privileged": container.privileged},
    })
}

fn orchestrator(container: &AlertContainer) -> Option<Value> {
    let pod = container.pod.as_ref()?;
    Some(json!({
        "type": "kubernetes",
        "namespace": pod.namespace,
        "resource": {"type": "pod", "name": pod.name, "id": pod.uid},
    }))
}

fn process_fields(process: &AlertProcess) -> Value {
    json!({
        "pid": process.host_pid,
        "vpid": process.pid,
        "start": process.start,
        "executable": process.exe,
        "name": facts::base_name(&process.exe),
        "args": process.args,
        "args_count": process.args.len(),
        "command_line": process.args.join(" "),
        "working_directory": process.cwd,
        "user": {"id": process.uid.to_string()},
        "parent": process.ancestors.first().map(parent),
    })
}

fn parent(parent: &Ancestor) -> Value {
    json!({
        "pid": parent.host_pid,
        "executable": parent.exe,
        "name": facts::base_name(&parent.exe),
        "args": parent.args,
        "command_line": (!parent.args.is_empty()).then(|| parent.args.join(" ")),
    })
}

fn file(alert: &Alert) -> Option<Value> {
    let object = alert.object()?;
    let file_type = match object.file_type {
        FileType::Unknown => None,
        FileType::Regular => Some("file"),
        FileType::Directory => Some("dir"),
        FileType::Character | FileType::Block => Some("device"),
        FileType::Socket => Some("socket"),
        FileType::Fifo => Some("pipe"),
        FileType::Symlink => Some("symlink"),
    };
    let inode = alert.evidence.get("inode").and_then(Value::as_u64);
    Some(json!({
        "path": object.path,
        "name": facts::base_name(object.path),
        "directory": facts::folder(object.path),
        "type": file_type,
        "inode": inode.map(|inode| inode.to_string()),
    }))
}

fn end(end: facts::Endpoint<'_>) -> Value {
    json!({"address": end.address, "ip": end.address, "port": end.port})
}

fn destination(alert: &Alert, remote: facts::Endpoint<'_>) -> Value {
    let mut destination = end(remote);
    if let Some(name) = alert.remote_name() {
        destination["domain"] = name.into();
    }
    destination
}

fn dns(alert: &Alert) -> Option<Value> {
    let (name, kind) = alert.question()?;
    Some(json!({
        "type": if alert.text("direction") == Some("sent") { "query" } else { "answer" },
        "question": {"name": name, "type": kind},
        "response_code": alert.text("code"),
        "resolved_ip": alert.evidence.get("addresses"),
    }))
}

fn addresses(alert: &Alert) -> Vec<&str> {
    [alert.local(), alert.remote()]
        .into_iter()
        .flatten()
        .map(|end| end.address)
        .collect()
}

fn network(alert: &Alert) -> Option<Value> {
    let address = alert.remote().or_else(|| alert.local())?.address;
    let direction = match alert.kind() {
        "connect" | "send" | "dns" => Some("egress"),
        "listen" | "bind" => Some("ingress"),
        _ => None,
    };
    Some(json!({
        "transport": alert.protocol(),
        "protocol": alert.question().map(|_| "dns"),
        "type": if address.contains(':') { "ipv6" } else { "ipv4" },
        "direction": direction,
    }))
}

fn own(alert: &Alert) -> Value {
    let process = alert.process.as_ref();
    json!({
        "schema": alert.schema,
        "class": alert.class,
        "severity": alert.severity,
        "action": alert.action,
        "revision": alert.revision,
        "also": alert.also,
        "lossy": alert.lossy,
        "metadata": alert.metadata,
        "profile": alert.profile,
        "repeat": {"count": alert.repeat.count},
        "ancestors": process.map(|process| process.ancestors.iter().map(|one| &one.exe).collect::<Vec<_>>()),
        "ancestors_truncated": process.map(|process| process.ancestors_truncated),
        "in_image": process.map(|process| process.in_image),
        "truncated": process.map(|process| process.truncated),
        "evidence": as_texts(Value::Object(alert.evidence.clone())),
    })
}
