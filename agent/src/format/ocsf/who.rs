//! Processes, containers, hosts.

use crate::alert::{Alert, AlertContainer, AlertImage, AlertProcess, Ancestor};
use crate::format::facts::{self, ImageName};
use serde_json::{Value, json};

const SHA_256: u32 = 3;

/// The node.
pub(super) fn device(alert: &Alert) -> Value {
    json!({
        "type_id": 1,
        "type": "Server",
        "name": alert.node,
        "hostname": alert.node,
        "os": {"name": "Linux", "type_id": 200, "type": "Linux"},
    })
}

/// Who did it, in short: the whole process is in the evidence.
pub(super) fn actor(process: &AlertProcess) -> Value {
    json!({
        "process": {
            "pid": process.host_pid,
            "uid": process_uid(process),
            "name": facts::base_name(&process.exe),
            "path": process.exe,
        },
        "user": user(process),
    })
}

/// The process with its container and ancestors.
pub(super) fn process(process: &AlertProcess, alert: &Alert) -> Value {
    json!({
        "pid": process.host_pid,
        "namespace_pid": process.pid,
        "uid": process_uid(process),
        "name": facts::base_name(&process.exe),
        "path": process.exe,
        "file": program(&process.exe),
        "cmd_line": process.args.join(" "),
        "working_directory": process.cwd,
        "created_time": facts::unix_ms(process.start),
        "created_time_dt": process.start,
        "user": user(process),
        "container": alert.container.as_ref().map(container),
        "parent_process": process.ancestors.first().map(parent_process),
        "ancestry": process.ancestors.iter().map(ancestor).collect::<Vec<_>>(),
    })
}

/// A pid is used again, a pid and a start are not.
fn process_uid(process: &AlertProcess) -> String {
    format!("{}-{}", process.start.0, process.host_pid)
}

fn user(process: &AlertProcess) -> Value {
    let (type_id, type_name) = if process.uid == 0 {
        (2, "Admin")
    } else {
        (1, "User")
    };
    json!({"uid": process.uid.to_string(), "type_id": type_id, "type": type_name})
}

fn parent_process(parent: &Ancestor) -> Value {
    json!({
        "pid": parent.host_pid,
        "name": facts::base_name(&parent.exe),
        "path": parent.exe,
        "file": program(&parent.exe),
        "cmd_line": (!parent.args.is_empty()).then(|| parent.args.join(" ")),
    })
}

fn ancestor(ancestor: &Ancestor) -> Value {
    json!({
        "pid": ancestor.host_pid,
        "name": facts::base_name(&ancestor.exe),
        "path": ancestor.exe,
        "cmd_line": (!ancestor.args.is_empty()).then(|| ancestor.args.join(" ")),
    })
}

fn program(path: &str) -> Value {
    json!({"name": facts::base_name(path), "path": path, "type_id": 1, "type": "Regular File"})
}

/// The container by all its names.
pub(super) fn container(container: &AlertContainer) -> Value {
    let labels = container
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    json!({
        "uid": container.id,
        "name": container.name,
        "runtime": container.runtime,
        "image": image(&container.image),
        "hash": container.image.digest.as_deref().and_then(fingerprint),
        "orchestrator": container.pod.as_ref().map(|_| "kubernetes"),
        "pod_uuid": container.pod.as_ref().map(|pod| &pod.uid),
        "labels": labels.collect::<Vec<_>>(),
    })
}

/// The schema wants an id: the config digest, else the manifest's, else the reference.
fn image(image: &AlertImage) -> Option<Value> {
    let name = image.reference.as_deref().map(ImageName::of);
    let uid = [&image.id, &image.digest, &image.reference]
        .into_iter()
        .find_map(Option::as_deref)?;
    Some(json!({
        "uid": uid,
        "name": name.map(|name| name.name),
        "tag": name.and_then(|name| name.tag),
    }))
}

fn fingerprint(digest: &str) -> Option<Value> {
    let value = digest.strip_prefix("sha256:")?;
    Some(json!({"algorithm_id": SHA_256, "algorithm": "SHA-256", "value": value}))
}
