//! What the kernel denies by itself is told as no less than it is, and by one rule.

use super::{READ, WRITE, python};
use crate::detect::testing::{Scene, file, open};
use crate::detect::{Finding, Severity};
use crate::event::{
    Bpf, ExecId, FileObject, KernelString, Module, ModuleOp, Mount, MountOp, Payload, Ptrace, PtraceOp,
    RecordFlags,
};
use agent_common::escape::{
    BPF_MAP_GET_FD_BY_ID, BPF_PROG_LOAD, CGROUP_CONTROLS, DISK_FILESYSTEMS, KERNEL_MEMORY, MEMORY_DEVICES,
    PROC_CONTROLS, STEERING_FILESYSTEMS, SYSFS_CONTROLS, TELLING_PROGRAMS,
};
use agent_common::magic::{BINFMT, CGROUP, NAMESPACE, PROC, SYSFS};

/// `PTRACE_MODE_READ_REALCREDS` and `PTRACE_MODE_ATTACH_REALCREDS`.
const READ_MODE: u32 = 0x11;
const ATTACH_MODE: u32 = 0x12;

fn kept(flags: u32) -> Scene {
    let mut scene = python();
    scene.flags = RecordFlags(RecordFlags::DEVIATION | flags);
    scene
}

/// Every deed that the programs deny.
fn deeds() -> Vec<Payload> {
    let control = |magic, names: &[&str]| -> Vec<Payload> {
        let path = |name: &&str| open(file(magic), &format!("/x/{name}"), &format!("/x/{name}"), WRITE);
        names.iter().map(path).collect()
    };
    let device = |mode: u16, rdev: u32| {
        let device = FileObject {
            mode,
            rdev,
            ..file(0)
        };
        open(device, "/dev/some", "", READ)
    };
    let mut deeds = control(PROC, &PROC_CONTROLS);
    deeds.extend(control(SYSFS, &SYSFS_CONTROLS));
    deeds.extend(control(CGROUP, &CGROUP_CONTROLS));
    deeds.extend(control(BINFMT, &["register", "status"]));
    deeds.push(open(file(PROC), &format!("/proc/{KERNEL_MEMORY}"), "", READ));
    deeds.push(open(file(NAMESPACE), "/", "", READ));
    deeds.extend(MEMORY_DEVICES.map(|rdev| device(0o020_600, rdev)));
    deeds.push(device(0o060_600, 8 << 20));
    deeds.extend(mounts());
    deeds.extend(TELLING_PROGRAMS.map(|subtype| bpf(BPF_PROG_LOAD, subtype)));
    deeds.push(bpf(BPF_MAP_GET_FD_BY_ID, 0));
    deeds.extend([ModuleOp::INIT, ModuleOp::FINIT].map(module));
    deeds.extend([ATTACH_MODE, READ_MODE].map(access));
    deeds
}

fn mounts() -> Vec<Payload> {
    let named = STEERING_FILESYSTEMS.iter().chain(&DISK_FILESYSTEMS);
    // What the programs know by its block device alone.
    named
        .map(|fstype| mount(MountOp::MOUNT, fstype))
        .chain([mount(MountOp::FSMOUNT, "hfsplus")])
        .collect()
}

fn mount(op: MountOp, fstype: &str) -> Payload {
    Payload::Mount(Mount {
        op,
        file: FileObject::default(),
        mount_flags: 0,
        source: KernelString::from("/dev/some"),
        target: KernelString::from("/mnt"),
        fstype: KernelString::from(fstype),
    })
}

fn bpf(cmd: u32, subtype: u32) -> Payload {
    Payload::Bpf(Bpf { cmd, subtype })
}

fn module(op: ModuleOp) -> Payload {
    Payload::Module(Module {
        op,
        file: FileObject::default(),
        path: KernelString::from("/tmp/rootkit.ko"),
    })
}

fn access(request: u32) -> Payload {
    Payload::Ptrace(Ptrace {
        op: PtraceOp::ACCESS_CHECK,
        request,
        target_tgid: 77,
        target_slot: 0,
        target: ExecId(0),
    })
}

fn told(flags: u32, deed: &Payload) -> Finding {
    let mut found = kept(flags).inspect(deed.clone());
    assert_eq!(found.len(), 1, "{deed:?}: {found:?}");
    found.remove(0)
}

#[test]
fn whatever_the_kernel_denies_has_one_rule_that_calls_it_high_or_critical() {
    for deed in deeds() {
        for flags in [RecordFlags::DENIED, RecordFlags::KILLED] {
            let finding = told(flags, &deed);
            assert!(
                finding.rule.id.starts_with("escape."),
                "{deed:?}: {}",
                finding.rule.id
            );
            assert!(
                finding.severity >= Severity::High,
                "{deed:?}: {:?}",
                finding.severity
            );
        }
    }
}

#[test]
fn what_was_denied_was_tried_and_not_done() {
    let said = |flags, deed: Payload| told(flags, &deed).summary;
    let mounted = mount(MountOp::MOUNT, "debugfs");
    assert!(said(RecordFlags::DENIED, mounted.clone()).contains("tried to mount"));
    assert!(
        !said(RecordFlags::KILLED, mounted).contains("tried"),
        "it is mounted"
    );
    let opened = open(file(PROC), "/proc/sys/kernel/core_pattern", "", WRITE);
    assert!(said(RecordFlags::DENIED, opened).contains("tried to open"));
}

#[test]
fn without_a_denial_looking_at_a_namespace_is_no_escape() {
    assert_eq!(kept(0).rules(open(file(NAMESPACE), "/", "", READ)), [""; 0]);
    assert_eq!(kept(0).rules(access(READ_MODE)), [""; 0]);
}
