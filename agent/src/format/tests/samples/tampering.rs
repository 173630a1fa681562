//! Traces that are wiped, and changes that outlive an intrusion.

use super::{PROC, WRITE, calls, executed, pod, raise, raised};
use crate::alert::Alert;
use crate::detect::testing::{file, image_file, open, process};
use crate::event::{
    Attribute, AttributeOp, CallName, Credentials, CredentialsOp, ExecId, FileFlags, FileObject,
    KernelString, Name, Payload, RecordFlags, Signal,
};

pub(super) fn tampering(rule: &str) -> Option<Alert> {
    let write = |path: &str| raise(&mut pod("/bin/sh"), open(image_file(), path, "", WRITE));
    let of_kernel = |path: &str| raise(&mut pod("/bin/sh"), open(file(PROC), path, "", WRITE));
    match rule.strip_prefix("tampering.")? {
        "preloaded_library" => write("/etc/ld.so.preload"),
        "library_path" => write("/etc/ld.so.conf"),
        "authorized_keys" => write("/root/.ssh/authorized_keys"),
        "scheduled_task" => write("/etc/cron.d/x"),
        "accounts" => write("/etc/passwd"),
        "name_resolution" => write("/etc/hosts"),
        "program_folder" => write("/usr/bin/x"),
        "log" => removed("/var/log/auth.log"),
        "history" => removed("/root/.bash_history"),
        "kernel_protection" => of_kernel("/proc/sys/kernel/randomize_va_space"),
        "process_injection" => of_kernel("/proc/1/mem"),
        "set_user_id" => changed(AttributeOp::CHMOD, 0o4755),
        "timestomp" => changed(AttributeOp::UTIMES, 0),
        "immutable_file" => changed(AttributeOp::SETFLAGS, 0x10),
        "foreign_signal" => signalled(),
        "capability_gain" => gained(),
        "clock" => calls(CallName::CLOCK_SETTIME, [0; 4]),
        "ring_served_by_kernel" => calls(CallName::IO_URING_SETUP, [8, 2, 0, 0]),
        "wiping_tool" => executed("/usr/bin/shred", &["shred", "-u", "/data/db"]),
        "change_of_user" => executed("/bin/su", &["su", "-"]),
        "network_configuration" => executed("/sbin/ip", &["ip", "route", "add", "192.0.2.0/24", "dev", "lo"]),
        "hidden_name" => write("/tmp/.../x"),
        "odd_name" => executed("/opt/x\u{1b}[2J", &["x"]),
        "bulk_encryption" => renamed("/data/a.docx", "/data/a.docx.enc"),
        "decoded_program" => decoded(rule),
        "event_flood" => flooded(),
        _ => None,
    }
}

fn flooded() -> Option<Alert> {
    let mut scene = pod("/bin/true");
    scene.flags = RecordFlags(RecordFlags::REPEAT | RecordFlags::BURST);
    let exec = scene.exec();
    raise(&mut scene, Payload::Exec(exec))
}

fn removed(path: &str) -> Option<Alert> {
    let name = Name {
        file: image_file(),
        directory: FileObject::default(),
        rename_flags: 0,
        path: path.into(),
        new_path: KernelString::default(),
        fs_path: KernelString::default(),
    };
    raise(&mut pod("/bin/rm"), Payload::Unlink(name))
}

fn renamed(path: &str, new_path: &str) -> Option<Alert> {
    let name = Name {
        file: image_file(),
        directory: FileObject::default(),
        rename_flags: 0,
        path: path.into(),
        new_path: new_path.into(),
        fs_path: KernelString::default(),
    };
    raise(&mut pod("/bin/mv"), Payload::Rename(name))
}

fn decoded(rule: &str) -> Option<Alert> {
    let mut scene = pod("/bin/sh");
    let programs: [(&str, &[&str]); 2] = [("/bin/sh", &["sh"]), ("/usr/bin/base64", &["base64", "-d"])];
    programs.into_iter().find_map(|(exe, args)| {
        scene.exe = process(exe);
        let executed = scene.executed(args);
        raised(rule, &mut scene, executed)
    })
}

fn changed(op: AttributeOp, value: u64) -> Option<Alert> {
    let change = Attribute {
        op,
        file: FileObject {
            flags: FileFlags::OVERLAY | FileFlags::UPPER,
            ..image_file()
        },
        value,
        path: "/tmp/s".into(),
        fs_path: KernelString::default(),
        name: KernelString::default(),
    };
    raise(&mut pod("/usr/bin/perl"), Payload::Setattr(change))
}

fn signalled() -> Option<Alert> {
    let signal = Signal {
        signal: 9,
        target_tgid: 99,
        target_slot: 0,
        target: ExecId(0),
    };
    raise(&mut pod("/bin/kill"), Payload::Signal(signal))
}

fn gained() -> Option<Alert> {
    let change = Credentials {
        op: CredentialsOp::AMBIENT,
        old_uid: None,
        new_uid: None,
        before: 0,
        after: 1 << 10,
    };
    raise(&mut pod("/usr/bin/python3"), Payload::Credentials(change))
}
