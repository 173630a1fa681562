//! User namespaces of the container's own.

use crate::detect::Severity;
use crate::detect::testing::{OWN, Scene, image_file, process, scene, socket};
use crate::event::{
    Attribute, AttributeOp, Call, CallName, ExecId, FileObject, Mount, MountOp, Namespaces, Payload, Setns,
};
use crate::process::Process;
use std::sync::Arc;

const NEW_USER: u32 = 0x1000_0000;
const NEW_MOUNTS: u32 = 0x2_0000;

fn app() -> Scene {
    scene("acme/app:1", "/usr/bin/unshare")
}

fn unshared(nstype: u32) -> Payload {
    Payload::Unshare(Setns {
        namespaces: Namespaces::default(),
        nstype,
        host_mask: 0,
        gained_mask: 0,
    })
}

/// In a user namespace of its own: the same process after another exec, or below who made it.
fn sandboxed() -> Scene {
    let mut scene = app();
    scene.inspect(unshared(NEW_USER | NEW_MOUNTS));
    let shell = Process {
        exec_id: ExecId(7),
        ..process("/usr/bin/dash")
    };
    scene.exe = Process {
        exec_id: ExecId(8),
        parent: ExecId(7),
        host_pid: 4712,
        ..process("/usr/bin/mount")
    };
    scene.ancestors.insert(0, Arc::new(shell));
    scene
}

fn worst(scene: &mut Scene, payload: Payload) -> Option<(&'static str, Severity)> {
    let found = scene.inspect(payload).into_iter().next()?;
    Some((found.rule.id, found.severity))
}

fn mounted(op: MountOp, fstype: &str, target: &str) -> Payload {
    Payload::Mount(Mount {
        op,
        file: FileObject::default(),
        mount_flags: 0,
        source: "none".into(),
        target: target.into(),
        fstype: fstype.into(),
    })
}

#[test]
fn a_user_namespace_by_itself_is_little() {
    let low = Some(("escape.user_namespace", Severity::Low));
    assert_eq!(worst(&mut app(), unshared(NEW_USER)), low);
    assert_eq!(worst(&mut app(), unshared(NEW_MOUNTS)), None);
}

#[test]
fn mounts_after_the_start() {
    let high = Some(("escape.mount", Severity::High));
    for op in [MountOp::MOUNT, MountOp::FSMOUNT, MountOp::MOVE_MOUNT] {
        assert_eq!(worst(&mut sandboxed(), mounted(op, "tmpfs", "/mnt")), high);
        assert_eq!(
            worst(&mut app(), mounted(op, "tmpfs", "/mnt")),
            high,
            "with the right to it"
        );
    }
    let mut refused = app();
    refused.ret = -1;
    let low = Some(("escape.mount", Severity::Low));
    assert_eq!(worst(&mut refused, mounted(MountOp::MOUNT, "tmpfs", "/mnt")), low);
    let mut nested = scene("docker:27-dind", "/usr/local/bin/dockerd");
    assert_eq!(worst(&mut nested, mounted(MountOp::MOUNT, "tmpfs", "/mnt")), low);
    let mut own_procfs = sandboxed();
    own_procfs.ns_tgid = 1;
    assert_eq!(
        worst(&mut own_procfs, mounted(MountOp::MOUNT, "proc", "/proc")),
        None
    );
}

#[test]
fn an_overlay_in_a_user_namespace_and_rights_beside_it() {
    let overlay = || mounted(MountOp::MOUNT, "overlay", "/t/m");
    let rule = |severity| Some(("escape.overlay_in_user_namespace", severity));
    let rights = Payload::Setattr(Attribute {
        op: AttributeOp::SETXATTR,
        file: image_file(),
        value: 0,
        path: "/t/l/x".into(),
        fs_path: "".into(),
        name: "security.capability".into(),
    });
    assert_eq!(worst(&mut sandboxed(), overlay()), rule(Severity::High));
    let mut before = sandboxed();
    before.inspect(rights.clone());
    assert_eq!(worst(&mut before, overlay()), rule(Severity::Critical));
    let mut after = sandboxed();
    after.inspect(overlay());
    assert_eq!(worst(&mut after, rights), rule(Severity::Critical));
    assert_eq!(
        worst(&mut app(), overlay()),
        Some(("escape.mount", Severity::High))
    );
}

#[test]
fn parameters_that_no_filesystem_has() {
    let handed = |text: &str, ret| {
        let mut scene = sandboxed();
        scene.ret = ret;
        let call = Call {
            call: CallName::FSCONFIG,
            args: [0, 1, 0, 0],
            text: text.into(),
        };
        worst(&mut scene, Payload::Syscall(call))
    };
    let critical = Some(("escape.filesystem_parameters", Severity::Critical));
    assert_eq!(handed("size", -22), critical);
    assert_eq!(handed("AAAA", 0), critical);
    assert_eq!(handed("", 0), critical);
    assert_eq!(handed("lowerdir", 0), None);
}

#[test]
fn packet_filters_in_a_user_namespace() {
    let netlink = |protocol| socket(16, 3, protocol);
    let high = Some(("escape.netfilter_in_user_namespace", Severity::High));
    assert_eq!(worst(&mut sandboxed(), netlink(12)), high);
    assert_eq!(worst(&mut sandboxed(), netlink(6)), high);
    assert_eq!(worst(&mut sandboxed(), netlink(0)), None, "routes");
    assert_eq!(worst(&mut app(), netlink(12)), None);
}

#[test]
fn who_left_is_forgotten() {
    let mut scene = sandboxed();
    scene.detectors.forget(OWN);
    let overlay = mounted(MountOp::MOUNT, "overlay", "/t/m");
    assert_eq!(worst(&mut scene, overlay), Some(("escape.mount", Severity::High)));
    let mut crowded = app();
    for pid in 0..1000 {
        crowded.exe.host_pid = 10_000 + pid;
        crowded.inspect(unshared(NEW_USER));
    }
    assert_eq!(crowded.detectors.kept(), 1);
}
