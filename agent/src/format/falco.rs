//! Falco's JSON output. falcosidekick refuses an event without a known priority, a rule, a time or `output_fields`, and
//! stops at a namespace or pod that is neither text nor null.

use super::facts::{self, ImageName};
use crate::alert::{Alert, AlertContainer, AlertProcess};
use crate::detect::Severity;
use serde_json::{Map, Value, json};

/// What Falco says where a process is in no container.
const HOST: &str = "host";

/// The alert as an event of Falco.
pub(super) fn event(alert: &Alert) -> Value {
    let time = alert.time.to_rfc3339();
    let priority = priority(alert.severity);
    let clock = time.get(11..29).unwrap_or_default();
    let mut tags = vec!["vigia", facts::class_word(alert.class)];
    tags.extend(alert.container.as_ref().map(|_| "container"));
    tags.extend(alert.attack.iter().map(String::as_str));
    json!({
        "hostname": alert.node,
        "output": format!("{clock}: {priority} {}", message(alert)),
        "output_fields": fields(alert),
        "priority": priority,
        "rule": alert.rule,
        "source": "syscall",
        "tags": tags,
        "time": time,
    })
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "Informational",
        Severity::Low => "Notice",
        Severity::Medium => "Warning",
        Severity::High => "Error",
        Severity::Critical => "Critical",
    }
}

/// The sentence, and who did it in Falco's manner.
fn message(alert: &Alert) -> String {
    let container = alert.container.as_ref();
    let image = container.and_then(|container| container.image.reference.as_deref());
    let id = container.map_or(HOST, |container| facts::short_id(&container.id));
    let process = alert.process.as_ref();
    let command = process.map(|process| process.args.join(" ")).unwrap_or_default();
    format!(
        "{} (rule={} container={id} image={} command={command})",
        alert.summary,
        alert.rule,
        image.unwrap_or("<NA>")
    )
}

fn fields(alert: &Alert) -> Value {
    let mut fields = Map::new();
    let evt = json!({
        "evt.time": i64::try_from(alert.time.0).unwrap_or(0),
        "evt.type": alert.kind(),
        "evt.rawres": alert.evidence.get("ret"),
        "evt.failed": alert.succeeded().map(|succeeded| !succeeded),
    });
    let vigia = json!({
        "vigia.id": alert.id,
        "vigia.revision": alert.revision,
        "vigia.severity": alert.severity.name(),
        "vigia.class": facts::class_word(alert.class),
        "vigia.summary": alert.summary,
        "vigia.count": alert.repeat.count,
    });
    let process = alert.process.as_ref().map(process_fields);
    let parts = [
        evt,
        container_fields(alert.container.as_ref()),
        object_fields(alert),
        vigia,
    ];
    for part in parts.into_iter().chain(process) {
        if let Value::Object(part) = part {
            fields.extend(part);
        }
    }
    Value::Object(fields)
}

fn container_fields(container: Option<&AlertContainer>) -> Value {
    let image = container.map(|container| &container.image);
    let name = image
        .and_then(|image| image.reference.as_deref())
        .map(ImageName::of);
    let pod = container.and_then(|container| container.pod.as_ref());
    json!({
        "container.id": container.map_or(HOST, |container| facts::short_id(&container.id)),
        "container.full_id": container.map(|container| &container.id),
        "container.name": container.map_or(Some(HOST), |container| container.name.as_deref()),
        "container.type": container.and_then(|container| container.runtime.as_deref()),
        "container.image": image.and_then(|image| image.reference.as_deref()),
        "container.image.repository": name.map(|name| name.name),
        "container.image.tag": name.and_then(|name| name.tag),
        "container.image.digest": image.and_then(|image| image.digest.as_deref()),
        "container.image.id": image.and_then(|image| image.id.as_deref()),
        "container.privileged": container.map(|container| container.privileged),
        "k8s.ns.name": pod.map(|pod| &pod.namespace),
        "k8s.pod.name": pod.map(|pod| &pod.name),
        "k8s.pod.uid": pod.map(|pod| &pod.uid),
    })
}

fn process_fields(process: &AlertProcess) -> Value {
    let parent = process.ancestors.first();
    json!({
        "proc.name": facts::base_name(&process.exe),
        "proc.exepath": process.exe,
        "proc.pid": process.host_pid,
        "proc.vpid": process.pid,
        "proc.cmdline": process.args.join(" "),
        "proc.cwd": process.cwd,
        "proc.is_exe_upper_layer": process.in_image.map(|inside| !inside),
        "proc.pname": parent.map(|parent| facts::base_name(&parent.exe)),
        "proc.pexepath": parent.map(|parent| &parent.exe),
        "proc.pcmdline": parent.map(|parent| parent.args.join(" ")),
        "proc.ppid": parent.map(|parent| parent.host_pid),
        "user.uid": process.uid,
        // Other names stand in the container's own files, which nobody should believe.
        "user.name": if process.uid == 0 { "root" } else { "<NA>" },
    })
}

/// Of the file or the socket; keys of the other kind are not there.
fn object_fields(alert: &Alert) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    if let Some(object) = alert.object() {
        put("fd.name", object.path.into());
        put("fs.path.name", object.path.into());
    }
    let (local, remote) = (alert.local(), alert.remote());
    for (end, side) in [(local, "fd.l"), (remote, "fd.r")] {
        if let Some(end) = end {
            put(&format!("{side}ip"), end.address.into());
            put(&format!("{side}port"), end.port.into());
        }
    }
    // The client is who connects; who listens is the server.
    let (client, server) = if remote.is_some() {
        (local, remote)
    } else {
        (None, local)
    };
    for (end, side) in [(client, "fd.c"), (server, "fd.s")] {
        if let Some(end) = end {
            put(&format!("{side}ip"), end.address.into());
            put(&format!("{side}port"), end.port.into());
        }
    }
    if let (Some(client), Some(server)) = (client, server) {
        let name = format!(
            "{}:{}->{}:{}",
            client.address, client.port, server.address, server.port
        );
        put("fd.name", name.into());
    } else if let Some(server) = server {
        put("fd.name", format!("{}:{}", server.address, server.port).into());
    }
    if let Some(name) = alert.remote_name() {
        put("fd.sip.name", name.into());
    }
    if let Some(protocol) = alert.protocol() {
        put("fd.l4proto", protocol.into());
    }
    Value::Object(fields)
}
