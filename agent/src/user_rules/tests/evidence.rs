//! The table of fields and what events of every kind show are the same.

use super::super::fields::{CONTAINER, Field, FieldType, PROCESS, event_fields};
use super::*;
use crate::alert::Activity;
use crate::detect::testing::{answer, container, end, scene};
use crate::event::*;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

fn files() -> FileObject {
    FileObject {
        rdev: 5,
        ..image_file()
    }
}

fn net() -> Net {
    Net {
        local: end("172.17.0.2", 4000),
        remote: end("172.17.0.9", 443),
        protocol: 6,
        socket_type: 1,
        backlog: 5,
    }
}

fn name() -> Name {
    Name {
        file: files(),
        directory: image_file(),
        rename_flags: 1,
        path: "/a".into(),
        new_path: "/b".into(),
        fs_path: "/c".into(),
    }
}

fn directory() -> Directory {
    Directory {
        file: files(),
        path: "/a".into(),
        fs_path: "/c".into(),
        outside: true,
    }
}

fn setns() -> Setns {
    Setns {
        namespaces: zerocopy::FromZeros::new_zeroed(),
        nstype: 1,
        host_mask: 1,
        gained_mask: 2,
    }
}

fn unix() -> UnixConnect {
    UnixConnect {
        file: files(),
        peer_tgid: 1,
        peer_slot: 2,
        path: "/a".into(),
    }
}

fn credentials(op: CredentialsOp) -> Payload {
    Payload::Credentials(Credentials {
        op,
        old_uid: Some(1),
        new_uid: None,
        before: 1,
        after: 2,
    })
}

fn named() -> Dns {
    Dns {
        canonical_names: vec!["b.example".into()],
        zone: Some("example".into()),
        cut: true,
        ..answer("a.example", QuestionType::A, &["192.0.2.9"])
    }
}

/// One of every kind, with everything that it can show.
fn every_kind(scene: &Scene) -> Vec<Payload> {
    let exec = Exec {
        file: files(),
        stdio: 1,
        stdio_peer: end("192.0.2.1", 1),
        ..scene.exec()
    };
    let mut payloads = files_and_processes();
    payloads.extend([
        Payload::Exec(exec),
        open(files(), "/a", "/c", 3),
        Payload::Bind(net()),
        Payload::Listen(net()),
        Payload::Connect(net()),
        Payload::Send(net()),
        Payload::UnixConnect(unix()),
        Payload::UnixBind(unix()),
        Payload::Unlink(name()),
        Payload::Rename(name()),
        Payload::Link(name()),
        Payload::Symlink(name()),
        Payload::Mknod(name()),
        Payload::Chroot(directory()),
        Payload::Chdir(directory()),
        Payload::Setns(setns()),
        Payload::Unshare(setns()),
        credentials(CredentialsOp::SETUID),
        credentials(CredentialsOp::CAPSET),
        Payload::Bpf(Bpf { cmd: 5, subtype: 1 }),
        Payload::ExecAttempt(Attempt { path: "/a".into() }),
        Payload::Dns(named()),
    ]);
    payloads
}

fn files_and_processes() -> Vec<Payload> {
    vec![
        Payload::Mount(Mount {
            op: MountOp::MOUNT,
            file: files(),
            mount_flags: 1,
            source: "a".into(),
            target: "/b".into(),
            fstype: "c".into(),
        }),
        Payload::Ptrace(Ptrace {
            op: PtraceOp::PTRACE,
            request: 1,
            target_tgid: 2,
            target_slot: 1,
            target: ExecId(0),
        }),
        Payload::Module(Module {
            op: ModuleOp::FINIT,
            file: files(),
            path: "/a".into(),
        }),
        Payload::Container(Lifecycle {
            op: ContainerOp::LEFT,
            slot_flags: 0,
            id: "a".into(),
            cgroup: "/b".into(),
        }),
        Payload::Setattr(Attribute {
            op: AttributeOp::SETXATTR,
            file: files(),
            value: 1,
            path: "/a".into(),
            fs_path: "/b".into(),
            name: "user.x".into(),
        }),
        Payload::Mmap(Mapping {
            op: MmapOp::MMAP,
            file: files(),
            prot: 1,
            map_flags: 2,
            path: "/a".into(),
            fs_path: "/b".into(),
        }),
        Payload::Socket(Socket {
            family: 17,
            socket_type: 3,
            protocol: 3,
        }),
        Payload::Capable(Capable {
            capability: 12,
            user_ns: 1,
        }),
        Payload::Signal(Signal {
            signal: 9,
            target_tgid: 2,
            target_slot: 1,
            target: ExecId(0),
        }),
        Payload::Syscall(Call {
            call: CallName::CLOCK_SETTIME,
            args: [u64::MAX; 4],
            text: "x".into(),
        }),
        Payload::Receive(Received {
            file: files(),
            local: end("192.0.2.1", 1),
            remote: end("192.0.2.2", 2),
            family: 2,
            socket_type: 1,
            protocol: 6,
            state: 1,
            net_ns: 7,
        }),
    ]
}

/// Keys that are no field, or have another type.
fn strangers(shown: &Map<String, Value>, fields: &[&'static Field]) -> Vec<String> {
    let fits = |key: &String, value: &Value| {
        let field = fields.iter().find(|field| field.name == *key);
        field.is_some_and(|field| fits(field.kind, value))
    };
    let strange = shown.iter().filter(|(key, value)| !fits(key, value));
    strange.map(|(key, value)| format!("{key}: {value}")).collect()
}

/// What is not there is filled in: null is of every type.
fn fits(kind: FieldType, value: &Value) -> bool {
    match (kind, value) {
        (_, Value::Null) => true,
        (FieldType::Text, value) => value.is_string(),
        (FieldType::Number | FieldType::MaybeNumber, value) => value.is_u64() || value.is_i64(),
        (FieldType::Flag | FieldType::MaybeFlag, value) => value.is_boolean(),
        (FieldType::List(item), Value::Array(items)) => items.iter().all(|value| fits(*item, value)),
        (FieldType::Object(fields), Value::Object(map)) => {
            strangers(map, &fields.iter().collect::<Vec<_>>()).is_empty()
        }
        (FieldType::Labels, Value::Object(map)) => map.values().all(Value::is_string),
        _ => false,
    }
}

fn rich() -> Scene {
    let mut scene = scene("acme/app:1", "/usr/bin/app").below(&["/bin/sh"]);
    for peer in ["172.17.0.9", "192.0.2.1", "192.0.2.2"] {
        scene = scene.answered(peer, "peer.example");
    }
    scene.known.pod = Some(crate::container::Pod::default());
    scene.known.labels = [("tier".to_owned(), "front".to_owned())].into();
    scene.known.labels_omitted = 1;
    scene.known.image.digest = Some("sha256:0".to_owned());
    let peer = crate::container::ContainerMetadata {
        addresses: vec!["172.17.0.9".parse().unwrap()],
        ..Default::default()
    };
    scene.others = vec![container(2, "db", peer)];
    let flags = [
        RecordFlags::CHROOTED,
        RecordFlags::EXEC_SESSION,
        RecordFlags::COMPAT,
        RecordFlags::IO_URING,
        RecordFlags::INHERITED,
    ];
    scene.flags = RecordFlags(flags.iter().fold(0, |all, flag| all | flag));
    scene
}

#[test]
fn what_events_show_is_what_rules_can_ask_for() {
    let scene = rich();
    let mut seen = BTreeSet::new();
    for payload in every_kind(&scene) {
        let event = scene.event(payload);
        let kind = event.raw.header.kind;
        seen.insert(kind);
        let shown = scene.with_context(&event, |context| {
            Activity::of(context.event, context.host, context.neighbours)
        });
        let fields: Vec<_> = event_fields(kind).collect();
        assert_eq!(strangers(&shown.evidence, &fields), [""; 0], "{}", kind.name());
        let Value::Object(shown) = serde_json::to_value(shown).unwrap() else {
            panic!("an object")
        };
        for (name, fields) in [("process", PROCESS), ("container", CONTAINER)] {
            let fields: Vec<_> = fields.iter().collect();
            assert_eq!(
                strangers(shown[name].as_object().unwrap(), &fields),
                [""; 0],
                "{name}"
            );
        }
    }
    assert_eq!(seen.len(), EventKind::ALL.len(), "every kind is looked at");
}

/// Of every kind a rule that asks for everything holds without failing.
#[test]
fn every_field_of_every_kind_can_be_asked_for() {
    let mut scene = rich();
    for payload in every_kind(&scene) {
        let kind = scene.event(payload.clone()).raw.header.kind;
        let asked = event_fields(kind).map(|field| match field.kind {
            FieldType::Text => format!("event.{}.size() >= 0", field.name),
            FieldType::List(_) => format!("size(event.{}) >= 0", field.name),
            FieldType::Number => format!("event.{} >= -4096", field.name),
            FieldType::Object(_) => format!("event.{}.name != \"\"", field.name),
            _ => format!("event.{} != null", field.name),
        });
        let asked: Vec<String> = asked.filter(|text| !text.contains("!= null")).collect();
        let rules = set(kind.name(), &asked.join(" && "), "");
        let findings = said(&rules, &mut scene, payload).len();
        let (failures, reason) = rules.iter().next().unwrap().failures();
        assert_eq!((failures, findings), (0, 1), "{}: {reason}", kind.name());
    }
}
