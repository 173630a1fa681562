//! What shows it: the process, the file or the connection, and the event as it was.

use super::who;
use crate::alert::{Alert, AlertProfile};
use crate::format::facts::{self, Endpoint, FileType, Object};
use serde_json::{Value, json};

const HOSTNAME: u32 = 1;
const IP_ADDRESS: u32 = 2;
const PROCESS_NAME: u32 = 9;
const FILE_PATH: u32 = 45;

/// The one artifact. `data` is the alert's evidence whole: mount flags, namespaces, trust have no attributes of their
/// own.
pub(super) fn evidence(alert: &Alert) -> Value {
    json!({
        "name": alert.kind(),
        "process": alert.process.as_ref().map(|process| who::process(process, alert)),
        "container": alert.container.as_ref().map(who::container),
        "file": alert.object().map(file),
        "src_endpoint": source(alert).map(endpoint),
        "dst_endpoint": destination(alert),
        "connection_info": connection(alert),
        "query": alert.question().map(|(name, kind)| json!({"hostname": name, "type": kind})),
        "data": alert.evidence,
    })
}

fn file(object: Object<'_>) -> Value {
    let (type_id, type_name) = match object.file_type {
        FileType::Unknown => (0, "Unknown"),
        FileType::Regular => (1, "Regular File"),
        FileType::Directory => (2, "Folder"),
        FileType::Character => (3, "Character Device"),
        FileType::Block => (4, "Block Device"),
        FileType::Socket => (5, "Local Socket"),
        FileType::Fifo => (6, "Named Pipe"),
        FileType::Symlink => (7, "Symbolic Link"),
    };
    json!({
        "name": facts::base_name(object.path),
        "path": object.path,
        "parent_folder": facts::folder(object.path),
        "type_id": type_id,
        "type": type_name,
    })
}

/// Who connects; a listener has no source.
fn source(alert: &Alert) -> Option<Endpoint<'_>> {
    alert.local().filter(|_| alert.remote().is_some())
}

/// Who is connected to: the other side, or the listener itself.
fn destination(alert: &Alert) -> Option<Value> {
    let mut destination = endpoint(alert.remote().or_else(|| alert.local())?);
    let peer = alert.evidence.get("peer").and_then(Value::as_object);
    if let Some(peer) = peer {
        destination["container"] = json!({"uid": peer.get("container_id"), "name": peer.get("name")});
    }
    if let Some(name) = alert.remote_name() {
        destination["hostname"] = name.into();
    }
    Some(destination)
}

fn endpoint(end: Endpoint<'_>) -> Value {
    json!({"ip": end.address, "port": end.port})
}

fn connection(alert: &Alert) -> Option<Value> {
    alert.local().or_else(|| alert.remote())?;
    let (direction, direction_name) = match alert.kind() {
        "listen" | "bind" => (1, "Inbound"),
        "connect" | "send" | "dns" => (2, "Outbound"),
        _ => (0, "Unknown"),
    };
    let protocol = alert.protocol();
    let number = protocol.and_then(|name| match name {
        "tcp" => Some(6),
        "udp" => Some(17),
        "sctp" => Some(132),
        number => number.parse::<u32>().ok(),
    });
    Some(json!({
        "direction_id": direction,
        "direction": direction_name,
        "protocol_name": protocol,
        "protocol_num": number,
    }))
}

/// What was affected: the container, and its pod.
pub(super) fn resources(alert: &Alert) -> Option<Vec<Value>> {
    let container = alert.container.as_ref()?;
    let namespace = container.pod.as_ref().map(|pod| &pod.namespace);
    let itself = json!({
        "type": "container",
        "uid": container.id,
        "name": container.name,
        "namespace": namespace,
        "data": {"privileged": container.privileged},
    });
    let pod = container
        .pod
        .as_ref()
        .map(|pod| json!({"type": "pod", "uid": pod.uid, "name": pod.name, "namespace": pod.namespace}));
    Some([Some(itself), pod].into_iter().flatten().collect())
}

/// What one searches for.
pub(super) fn observables(alert: &Alert) -> Vec<Value> {
    let observable =
        |type_id: u32, name: &str, value: &str| json!({"type_id": type_id, "name": name, "value": value});
    let source = source(alert);
    let destination = alert.remote().or_else(|| alert.local());
    let process = alert.process.as_ref();
    [
        Some(observable(HOSTNAME, "device.hostname", &alert.node)),
        source.map(|end| observable(IP_ADDRESS, "evidences[0].src_endpoint.ip", end.address)),
        destination.map(|end| observable(IP_ADDRESS, "evidences[0].dst_endpoint.ip", end.address)),
        process.map(|one| {
            observable(
                PROCESS_NAME,
                "evidences[0].process.name",
                facts::base_name(&one.exe),
            )
        }),
        alert
            .object()
            .map(|object| observable(FILE_PATH, "evidences[0].file.path", object.path)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The profile that the container is held to.
pub(super) fn policy(profile: &AlertProfile) -> Value {
    json!({
        "type": "behavior profile",
        "name": profile.name,
        "is_applied": profile.name.is_some(),
        "desc": format!("state {}, mode {}", profile.state, profile.mode),
    })
}
