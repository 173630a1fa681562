//! System calls that few have a use for, and who becomes root.

use super::python;
use crate::detect::testing::{Scene, called, scene, socket};
use crate::detect::{Class, Severity};
use crate::event::{Call, CallName, Credentials, CredentialsOp, FileFlags, FileObject, Payload, RecordFlags};

fn worst(scene: &mut Scene, payload: Payload) -> Option<(&'static str, Severity)> {
    scene.findings_of(Class::Escape, payload).into_iter().next()
}

fn found(call: CallName, args: [u64; 4]) -> Option<(&'static str, Severity)> {
    worst(&mut python(), called(call, args))
}

#[test]
fn calls_that_few_containers_have_a_use_for() {
    let everybody = u64::from(u32::MAX);
    for (call, args, rule, severity) in [
        (
            CallName::PERF_EVENT_OPEN,
            [1, everybody, 0, 0],
            "perf_event",
            Severity::Medium,
        ),
        (
            CallName::PERF_EVENT_OPEN,
            [2, 41, 0, 0],
            "perf_event",
            Severity::Medium,
        ),
        (CallName::USERFAULTFD, [0; 4], "userfaultfd", Severity::Medium),
        (
            CallName::OPEN_BY_HANDLE_AT,
            [3, 0, 0, 0],
            "opened_by_handle",
            Severity::Critical,
        ),
        (CallName::KEYCTL, [11, 0, 0, 0], "keyring", Severity::Medium),
        (CallName::ADD_KEY, [0; 4], "keyring", Severity::Medium),
        (CallName::IOPL, [3, 0, 0, 0], "io_ports", Severity::High),
        (CallName::IOPERM, [0x80, 1, 1, 0], "io_ports", Severity::High),
        (CallName::KEXEC_LOAD, [0; 4], "kernel_control", Severity::High),
        (CallName::REBOOT, [0; 4], "kernel_control", Severity::High),
        (
            CallName::IOCTL,
            [3, 0x5412, 0, 0],
            "terminal_injection",
            Severity::High,
        ),
        (CallName::SPLICE, [0, 0, 1, 0], "pipe_splice", Severity::High),
    ] {
        assert_eq!(found(call, args), Some((rule, severity)), "{}", call.name());
    }
    for (call, args) in [
        (CallName::PERF_EVENT_OPEN, [0, 0, 0, 0]),
        (CallName::KEYCTL, [1, 0, 0, 0]),
        (CallName::IOCTL, [3, 0x4004_54ca, 0, 0]),
        (CallName::SPLICE, [0, 0, 4000, 0]),
        (CallName::MEMFD_CREATE, [0; 4]),
    ] {
        assert_eq!(found(call, args), None, "{}", call.name());
    }
}

#[test]
fn who_has_no_right_to_a_call_has_tried_only() {
    let mut refused = python();
    refused.ret = -1;
    let io = called(CallName::IOPL, [3, 0, 0, 0]);
    assert_eq!(worst(&mut refused, io), Some(("io_ports", Severity::Medium)));
    let keys = called(CallName::KEYCTL, [11, 0, 0, 0]);
    assert_eq!(worst(&mut refused, keys), Some(("keyring", Severity::Low)));
}

#[test]
fn the_image_s_own_programs_for_such_calls() {
    let mut qemu = scene("acme/vm", "/usr/bin/qemu-system-x86_64");
    assert_eq!(worst(&mut qemu, called(CallName::USERFAULTFD, [0; 4])), None);
    qemu.exe.file.flags |= FileFlags::UPPER;
    assert!(
        worst(&mut qemu, called(CallName::USERFAULTFD, [0; 4])).is_some(),
        "brought"
    );
    let mut init = scene("acme/system", "/lib/systemd/systemd");
    init.ns_tgid = 1;
    assert_eq!(worst(&mut init, called(CallName::REBOOT, [0; 4])), None);
}

#[test]
fn a_program_that_the_kernel_starts() {
    let helper = |path: &str| {
        let call = Call {
            call: CallName::USERMODEHELPER,
            args: [0; 4],
            text: path.into(),
        };
        worst(&mut python(), Payload::Syscall(call))
    };
    let critical = Some(("helper_started", Severity::Critical));
    for path in ["/var/lib/docker/overlay2/1/diff/cmd", "/tmp/x", "/proc/41/root/x"] {
        assert_eq!(helper(path), critical, "{path}");
    }
    for path in ["/sbin/modprobe", "/usr/lib/systemd/systemd-coredump", ""] {
        assert_eq!(helper(path), None, "{path}");
    }
}

#[test]
fn sockets_that_nobody_uses() {
    for family in [29, 30, 31, 21, 9, 38, 40] {
        let finding = &python().inspect(socket(family, 2, 0))[0];
        assert_eq!(
            (finding.rule.id, finding.severity),
            ("escape.unusual_socket", Severity::Medium)
        );
        assert!(finding.deed.is_some(), "a list that is tried is one deed");
    }
    for family in [1, 2, 10, 16] {
        assert_eq!(worst(&mut python(), socket(family, 2, 0)), None, "{family}");
    }
    let mut agent = scene("kata", "/usr/bin/kata-agent");
    assert_eq!(worst(&mut agent, socket(40, 1, 0)), None);
    let mut used = python();
    used.flags = RecordFlags(RecordFlags::CONNECTS);
    assert_eq!(worst(&mut used, socket(40, 1, 0)), None, "lateral's");
}

fn became(old_uid: Option<u32>, new_uid: u32) -> Payload {
    Payload::Credentials(Credentials {
        op: CredentialsOp::SETUID,
        old_uid,
        new_uid: Some(new_uid),
        before: 0,
        after: 0,
    })
}

#[test]
fn an_ordinary_user_that_becomes_root() {
    let high = Some(("became_root", Severity::High));
    assert_eq!(worst(&mut python(), became(Some(1000), 0)), high);
    assert_eq!(
        worst(&mut python(), became(None, 0)),
        high,
        "who it was is forgotten"
    );
    assert_eq!(
        worst(&mut python(), became(Some(0), 1000)),
        None,
        "rights are given up"
    );
    let mut refused = python();
    refused.ret = -1;
    assert_eq!(worst(&mut refused, became(Some(1000), 0)), None);
    assert_eq!(
        worst(&mut scene("acme/ssh", "/usr/sbin/sshd"), became(Some(1000), 0)),
        None
    );
    let mut by_exec = scene("acme/app", "/usr/bin/newgrp");
    by_exec.exe.file = FileObject {
        flags: FileFlags::OVERLAY | FileFlags::SETID,
        ..by_exec.exe.file
    };
    assert_eq!(worst(&mut by_exec, became(Some(1000), 0)), None);
    let mut allowed = python().with_profile("state: complete\ncapabilities: [{name: CAP_SETUID}]");
    assert_eq!(worst(&mut allowed, became(Some(1000), 0)), None);
}
