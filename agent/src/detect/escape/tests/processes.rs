//! Processes and namespaces of others, and the kernel itself.

use super::python;
use crate::container::{ContainerMetadata, Pod};
use crate::detect::Severity;
use crate::detect::testing::container;
use crate::event::{
    Bpf, ContainerOp, ExecId, FileObject, Lifecycle, Module, ModuleOp, Namespaces, Payload, Ptrace, PtraceOp,
    Setns,
};

fn ptrace(op: PtraceOp, request: u32, target_slot: u32) -> Payload {
    Payload::Ptrace(Ptrace {
        op,
        request,
        target_tgid: 50,
        target_slot,
        target: ExecId(0),
    })
}

#[test]
fn only_processes_outside_the_container_are_foreign() {
    let mut scene = python();
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PTRACE, 16, 0)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PROCESS_VM_READ, 0, 2)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::ACCESS_CHECK, 0x12, 0)),
        ["escape.foreign_process"]
    );
    assert_eq!(
        scene.rules(ptrace(PtraceOp::PTRACE, 16, 1)),
        ["drift.process_traced"],
        "own container"
    );
    assert!(
        scene.rules(ptrace(PtraceOp::ACCESS_CHECK, 9, 0)).is_empty(),
        "what ps reads"
    );
    assert!(
        scene.rules(ptrace(PtraceOp::PTRACE, 0, 0)).is_empty(),
        "PTRACE_TRACEME"
    );
    let pod = Some(Pod {
        name: "p".into(),
        namespace: "n".into(),
        uid: "u".into(),
    });
    scene.known.pod.clone_from(&pod);
    scene.others = vec![container(
        2,
        "sidecar",
        ContainerMetadata {
            pod,
            ..ContainerMetadata::default()
        },
    )];
    let findings = scene.inspect(ptrace(PtraceOp::PTRACE, 16, 2));
    assert_eq!(findings[0].severity, Severity::Medium, "one pod");
}

#[test]
fn namespaces_modules_bpf_and_cgroups() {
    let mut scene = python();
    let setns = |gained_mask| {
        Payload::Setns(Setns {
            namespaces: Namespaces::default(),
            nstype: 0,
            host_mask: 5,
            gained_mask,
        })
    };
    let findings = scene.inspect(setns(0b101));
    assert_eq!(
        (findings[0].rule.id, &findings[0].evidence["gained"]),
        ("escape.host_namespace", &serde_json::json!(["mnt", "net"]))
    );
    assert!(
        scene.rules(setns(0)).is_empty(),
        "namespaces it had from the start"
    );
    let module = |op| {
        Payload::Module(Module {
            op,
            file: FileObject::default(),
            path: "/tmp/rootkit.ko".into(),
        })
    };
    let bpf = |cmd| Payload::Bpf(Bpf { cmd, subtype: 1 });
    assert_eq!(
        scene.inspect(module(ModuleOp::FINIT))[0].severity,
        Severity::Critical
    );
    assert_eq!(scene.rules(module(ModuleOp::REQUEST)), ["escape.module_request"]);
    let request = |name: &str| {
        Payload::Module(Module {
            op: ModuleOp::REQUEST,
            file: FileObject::default(),
            path: name.into(),
        })
    };
    assert_eq!(
        scene.rules(request("net-pf-21-proto-0")),
        ["escape.module_request"]
    );
    assert!(scene.rules(request("net-pf-10")).is_empty());
    assert!(scene.rules(request("net-pf-16-proto-4")).is_empty());
    assert_eq!(scene.rules(bpf(5)), ["escape.bpf"]);
    assert!(scene.rules(bpf(1)).is_empty(), "looking up in a map that it has");
    let left = |op| {
        Payload::Container(Lifecycle {
            op,
            slot_flags: 0,
            id: "x".into(),
            cgroup: "/".into(),
        })
    };
    assert_eq!(scene.rules(left(ContainerOp::LEFT)), ["escape.cgroup_left"]);
    assert!(scene.rules(left(ContainerOp::LIVE)).is_empty());
    scene.ret = -1;
    assert_eq!(scene.inspect(module(ModuleOp::INIT))[0].severity, Severity::High);
    assert_eq!(scene.inspect(bpf(0))[0].severity, Severity::Medium);
}
