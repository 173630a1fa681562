//! What an oracle says, in terms of events: good enough for entries that nobody has looked at. Numbers of arguments
//! are left out, except where they are a field of the event.

use super::{expected::Wanted, matcher::Matcher};
use serde_json::{Map, Value, json};

/// System calls and the kinds of events by which they are seen; any other is looked for as a `syscall`.
const KINDS: [(&[&str], &[&str]); 19] = [
    (
        &["open", "openat", "openat2", "creat", "open_by_handle_at"],
        &["file_open"],
    ),
    (&["execve", "execveat"], &["exec", "exec_attempt"]),
    (&["connect"], &["connect", "unix_connect"]),
    (&["sendto", "sendmsg", "sendmmsg"], &["send", "connect"]),
    (&["bind"], &["bind", "unix_bind"]),
    (&["listen"], &["listen"]),
    (&["socket"], &["socket"]),
    (
        &[
            "mount",
            "umount2",
            "pivot_root",
            "move_mount",
            "fsmount",
            "open_tree",
            "mount_setattr",
        ],
        &["mount"],
    ),
    (&["chroot"], &["chroot"]),
    (&["chdir", "fchdir"], &["chdir"]),
    (&["mknod", "mknodat"], &["mknod"]),
    (&["symlink", "symlinkat"], &["symlink"]),
    (&["link", "linkat"], &["link"]),
    (&["unlink", "unlinkat"], &["unlink"]),
    (&["rename", "renameat", "renameat2"], &["rename"]),
    (
        &[
            "chmod",
            "fchmodat",
            "utimensat",
            "truncate",
            "setxattr",
            "fallocate",
        ],
        &["setattr"],
    ),
    (&["mmap", "mprotect", "mmap_any"], &["mmap"]),
    (&["kill", "tkill", "tgkill", "pidfd_send_signal"], &["signal"]),
    (&["setuid", "setresuid", "setreuid", "capset"], &["credentials"]),
];

/// System calls whose first argument is a field: call, kind, field.
const FIRST_ARGUMENTS: [(&str, &str, &str); 2] = [("bpf", "bpf", "cmd"), ("ptrace", "ptrace", "request")];

/// Kinds that are named like their system call, or hold several.
const SAME: [(&str, &str); 8] = [
    ("bpf", "bpf"),
    ("ptrace", "ptrace"),
    ("process_vm_readv", "ptrace"),
    ("process_vm_writev", "ptrace"),
    ("setns", "setns"),
    ("unshare", "unshare"),
    ("init_module", "module"),
    ("finit_module", "module"),
];

/// Each part of an oracle is an event that must be seen; what no event can show is left out.
pub(super) fn wanted(oracle: &[Value]) -> Vec<Wanted> {
    oracle
        .iter()
        .filter_map(|part| {
            let alternatives: Vec<Matcher> = alternatives(part)
                .into_iter()
                .filter_map(|fields| Matcher::try_from(fields).ok())
                .collect();
            (!alternatives.is_empty()).then(|| Wanted::any(alternatives))
        })
        .collect()
}

fn alternatives(part: &Value) -> Vec<Map<String, Value>> {
    if let Some(port) = part.get("port") {
        return vec![fields(json!({"kind": "listen", "local_port": port}))];
    }
    if part.get("state").is_some() {
        return vec![fields(json!({"kind": "listen"}))];
    }
    if let Some(path) = part.get("exec").and_then(Value::as_str) {
        return executions(path, part);
    }
    let calls: Vec<&str> = match &part["nr"] {
        Value::String(call) => vec![call],
        Value::Array(calls) => calls.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    calls.into_iter().flat_map(|call| events_of(call, part)).collect()
}

fn executions(path: &str, part: &Value) -> Vec<Map<String, Value>> {
    let mut wanted = fields(json!({"kind": "exec", "path": {"regex": path}}));
    if part["upper"] == 1 {
        wanted.insert("in_image".into(), json!(false));
    }
    add_text(&mut wanted, part);
    vec![wanted]
}

fn events_of(call: &str, part: &Value) -> Vec<Map<String, Value>> {
    let same = SAME
        .iter()
        .filter(|(name, _)| *name == call)
        .map(|(_, kind)| *kind);
    let listed = KINDS.iter().filter(|(calls, _)| calls.contains(&call));
    let kinds: Vec<&str> = same
        .chain(listed.flat_map(|(_, kinds)| *kinds).copied())
        .collect();
    let mut events: Vec<_> = kinds.iter().map(|kind| fields(json!({"kind": kind}))).collect();
    if call == "*" {
        events.push(Map::new());
    } else if kinds.is_empty() {
        events.push(fields(json!({"kind": "syscall", "name": call})));
    }
    for event in &mut events {
        narrow(event, call, part);
    }
    events
}

fn narrow(event: &mut Map<String, Value>, call: &str, part: &Value) {
    add_text(event, part);
    if part["ret"] == "err" {
        event.insert("ret".into(), json!({"max": -1}));
    }
    if part["flag"] == "W" {
        event.insert("access".into(), json!({"regex": "write"}));
    }
    let first = FIRST_ARGUMENTS
        .iter()
        .find(|(name, kind, _)| *name == call && event["kind"] == *kind);
    if let (Some((_, _, field)), Some(number)) = (first, part.get("a0")) {
        event.insert((*field).into(), number.clone());
    }
}

/// An oracle sees a path as it was given, an event as it was resolved: only its end is the same.
fn add_text(event: &mut Map<String, Value>, part: &Value) {
    if let Some(text) = part["re"].as_str() {
        event.insert("anything".into(), json!({"regex": text.trim_start_matches('^')}));
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Corpus;
    use super::*;

    fn is_met(part: &Value, evidence: &Value) -> bool {
        let line = json!({"evidence": evidence, "process": {"args": ["cat"]}});
        let wanted = wanted(std::slice::from_ref(part));
        wanted.len() == 1 && wanted[0].find([&line].into_iter()).is_some()
    }

    #[test]
    fn an_oracle_is_met_by_its_event_and_by_no_other() {
        let open = json!({"nr": "openat", "re": "^token$", "flag": "W"});
        assert!(is_met(
            &open,
            &json!({"kind": "file_open", "path": "/run/token", "access": "write"})
        ));
        assert!(!is_met(
            &open,
            &json!({"kind": "file_open", "path": "/run/token", "access": "read"})
        ));
        let connect = json!({"nr": "connect", "re": ":10250"});
        let address = |port| json!({"kind": "connect", "remote_address": "10.0.0.1", "remote_port": port});
        assert!(is_met(&connect, &address(10250)) && !is_met(&connect, &address(80)));
        let program = json!({"nr": "bpf", "a0": 5});
        assert!(
            is_met(&program, &json!({"kind": "bpf", "cmd": 5}))
                && !is_met(&program, &json!({"kind": "bpf", "cmd": 6}))
        );
        let listen = json!({"state": "LISTEN", "port": 80});
        assert!(is_met(&listen, &json!({"kind": "listen", "local_port": 80})));
        let other = json!({"nr": "keyctl"});
        assert!(is_met(&other, &json!({"kind": "syscall", "name": "keyctl"})));
        let exec = json!({"exec": "/tmp/x", "upper": 1});
        assert!(is_met(
            &exec,
            &json!({"kind": "exec", "path": "/tmp/x", "in_image": false})
        ));
    }

    #[test]
    fn nearly_every_published_oracle_can_be_looked_for() -> anyhow::Result<()> {
        let corpus = Corpus::read(&Corpus::file())?;
        let mute = corpus
            .entries
            .iter()
            .filter(|entry| wanted(&entry.oracle).is_empty());
        assert_eq!(
            mute.map(|entry| entry.id.as_str()).collect::<Vec<_>>(),
            ["ESC-051"]
        );
        Ok(())
    }
}
