mod programs;

use crate::detect::testing::{Scene, called, file, image_file, open, scene};
use crate::detect::{Class, Severity};
use crate::event::{
    Attribute, AttributeOp, CallName, Credentials, CredentialsOp, FileFlags, FileObject, FileOpen, Name,
    Payload, Ptrace, PtraceOp, RecordFlags, Signal,
};
use agent_common::magic;
use std::sync::Arc;

const WRITE: u32 = 2;
const PRELOAD: &str = "/etc/ld.so.preload";

fn by(exe: &str) -> Scene {
    scene("acme/shop", exe).below(&["/usr/bin/dash", "/app/server"])
}

/// Below a package manager.
fn installing(exe: &str) -> Scene {
    scene("acme/shop", exe).below(&["/bin/sh", "/usr/bin/dpkg", "/app/server"])
}

fn written(path: &str) -> Payload {
    open(image_file(), path, "", WRITE)
}

fn emptied(path: &str) -> Payload {
    let Payload::FileOpen(opened) = written(path) else {
        unreachable!("an open")
    };
    Payload::FileOpen(FileOpen {
        open_flags: 0o1001,
        ..opened
    })
}

fn name(path: &str, new_path: &str) -> Name {
    Name {
        file: image_file(),
        directory: FileObject::default(),
        rename_flags: 0,
        path: path.into(),
        new_path: new_path.into(),
        fs_path: "".into(),
    }
}

fn moved(path: &str) -> Payload {
    Payload::Rename(name("/tmp/x", path))
}

fn linked(path: &str) -> Payload {
    Payload::Symlink(name("/tmp/x", path))
}

fn removed(path: &str) -> Payload {
    Payload::Unlink(name(path, ""))
}

fn changed(op: AttributeOp, value: u64, name: &str) -> Payload {
    Payload::Setattr(Attribute {
        op,
        file: FileObject {
            flags: FileFlags::OVERLAY | FileFlags::UPPER,
            ..image_file()
        },
        value,
        path: "/tmp/s".into(),
        fs_path: "".into(),
        name: name.into(),
    })
}

fn executed(mut scene: Scene, args: &[&str]) -> Vec<&'static str> {
    let payload = scene.executed(args);
    found(scene, payload)
}

fn found(mut scene: Scene, payload: Payload) -> Vec<&'static str> {
    scene.rules_of(Class::Tampering, payload)
}

#[test]
fn a_file_that_is_made_with_rights_needs_nobody_to_give_them() {
    let made = |mode: u16, f_mode: u32| {
        let new = FileObject {
            mode: agent_common::mode::S_IFREG | mode,
            ..image_file()
        };
        open(new, "/var/tmp/sh", "", WRITE | f_mode)
    };
    const CREATED: u32 = agent_common::mode::FMODE_CREATED;
    assert_eq!(
        found(by("/usr/bin/python3"), made(0o4755, CREATED)),
        ["set_user_id"]
    );
    assert_eq!(
        found(by("/usr/bin/python3"), made(0o2755, CREATED)),
        ["set_user_id"]
    );
    for (scene, payload) in [
        (by("/usr/bin/python3"), made(0o755, CREATED)),
        (by("/usr/bin/python3"), made(0o2644, CREATED)),
        (by("/usr/bin/python3"), made(0o4755, 0)),
        (installing("/usr/bin/dpkg"), made(0o4755, CREATED)),
    ] {
        assert!(found(scene, payload).is_empty());
    }
}

#[test]
fn a_library_before_every_program_is_found_by_whatever_call_it_came() {
    for payload in [
        written(PRELOAD),
        emptied(PRELOAD),
        moved(PRELOAD),
        linked(PRELOAD),
        moved("/var/tmp/etc/ld.so.preload"),
    ] {
        assert_eq!(found(by("/bin/sh"), payload), ["preloaded_library"]);
    }
    assert_eq!(
        found(installing("/bin/cp"), written(PRELOAD)),
        ["preloaded_library"]
    );
    assert!(
        found(by("/bin/cat"), open(image_file(), PRELOAD, "", 1)).is_empty(),
        "read"
    );
    let mut jailed = by("/bin/sh");
    jailed.flags = RecordFlags(RecordFlags::CHROOTED);
    assert!(found(jailed, written(PRELOAD)).is_empty(), "in another root");
    let mut refused = by("/bin/sh");
    refused.ret = -13;
    assert!(found(refused, written(PRELOAD)).is_empty(), "refused");
}

#[test]
fn what_decides_who_may_do_what_is_guarded_and_its_own_programs_may_change_it() {
    for (path, rule) in [
        ("/etc/ld.so.conf.d/x.conf", "library_path"),
        ("/root/.ssh/authorized_keys", "authorized_keys"),
        ("/home/a/.ssh/authorized_keys2", "authorized_keys"),
        ("/etc/cron.d/x", "scheduled_task"),
        ("/var/spool/cron/crontabs/root", "scheduled_task"),
        ("/etc/passwd", "accounts"),
        ("/etc/sudoers.d/x", "accounts"),
        ("/etc/hosts", "name_resolution"),
        ("/usr/sbin/.c", "program_folder"),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "program_folder"),
    ] {
        assert_eq!(found(by("/bin/sh"), written(path)), [rule], "{path}");
        assert_eq!(found(by("/usr/bin/python3"), moved(path)), [rule], "{path}");
    }
    assert!(found(by("/usr/sbin/useradd"), written("/etc/passwd")).is_empty());
    assert!(found(by("/sbin/ldconfig"), moved("/etc/ld.so.cache")).is_empty());
    assert!(found(installing("/bin/sh"), written("/etc/cron.d/x")).is_empty());
    assert!(found(installing("/bin/cp"), moved("/usr/bin/tool")).is_empty());
    assert!(found(by("/usr/bin/python3"), written("/usr/lib/python3/a/b.pyc")).is_empty());
    let mut server = scene("acme/shop", "/app/server");
    server.ancestors.clear();
    assert!(
        found(server, written("/usr/local/bin/server")).is_empty(),
        "it updates itself"
    );
}

#[test]
fn who_brought_a_program_is_nobody_by_its_name() {
    let mut fake = by("/tmp/useradd");
    fake.exe.file.flags |= FileFlags::UPPER;
    assert_eq!(found(fake, written("/etc/passwd")), ["accounts"]);
}

#[test]
fn what_a_profile_has_the_image_write_is_no_tampering() {
    let files = "files: {write: [{path: /root/.ssh/authorized_keys}]}";
    let allowed = || by("/usr/bin/gitea").with_profile(&format!("state: complete\n{files}"));
    assert!(found(allowed(), written("/root/.ssh/authorized_keys")).is_empty());
    assert_eq!(found(allowed(), written("/etc/cron.d/x")), ["scheduled_task"]);
}

#[test]
fn traces_are_not_wiped_unseen() {
    let log = "/var/log/auth.log";
    for payload in [emptied(log), moved(log), removed(log), changed_path(log)] {
        assert_eq!(found(by("/usr/bin/python3"), payload), ["log"]);
    }
    assert!(
        found(by("/bin/sh"), written(log)).is_empty(),
        "something is added"
    );
    assert!(found(by("/usr/sbin/logrotate"), emptied(log)).is_empty());
    let renamed = |to: &str| found(by("/bin/mv"), Payload::Rename(name(log, to)));
    assert!(renamed("/var/log/auth.log.1").is_empty(), "moved aside");
    assert_eq!(renamed("/var/log/.x"), ["log"]);
    assert_eq!(renamed("/var/log/auth.log./x"), ["log"]);
    let job = scene("acme/shop", "/bin/mv").below(&["/bin/sh", "/usr/sbin/cron"]);
    assert!(found(job, moved(log)).is_empty(), "cron's work");
    let mut own = scene("acme/shop", "/bin/mv").below(&["/bin/sh", "/tmp/cron"]);
    Arc::make_mut(&mut own.ancestors[1]).file.flags = crate::event::FileFlags::UPPER;
    assert_eq!(
        found(own, moved(log)),
        ["log"],
        "who is called cron is not the image's"
    );
    assert!(found(installing("/bin/rm"), removed("/var/log/apt/term.log")).is_empty());
    let history = "/root/.bash_history";
    for payload in [emptied(history), linked(history), removed(history)] {
        assert_eq!(found(by("/bin/sh"), payload), ["history"]);
    }
    assert!(
        found(by("/bin/bash"), emptied(history)).is_empty(),
        "cut to its length"
    );
    assert_eq!(found(by("/bin/bash"), removed(history)), ["history"]);
}

fn changed_path(path: &str) -> Payload {
    let Payload::Setattr(change) = changed(AttributeOp::TRUNCATE, 0, "") else {
        unreachable!("an attribute")
    };
    Payload::Setattr(Attribute {
        path: path.into(),
        ..change
    })
}

#[test]
fn rights_times_and_flags_of_files() {
    for (op, value, attribute, rule) in [
        (AttributeOp::CHMOD, 0o4755, "", "set_user_id"),
        (AttributeOp::CHMOD, 0o2755, "", "set_user_id"),
        (AttributeOp::SETXATTR, 0, "security.capability", "set_user_id"),
        (AttributeOp::SETFLAGS, 0x10, "", "immutable_file"),
        (AttributeOp::UTIMES, 0, "", "timestomp"),
    ] {
        assert_eq!(found(by("/bin/chmod"), changed(op, value, attribute)), [rule]);
    }
    for (op, value) in [
        (AttributeOp::CHMOD, 0o755),
        (AttributeOp::CHMOD, 0o2644),
        (AttributeOp::SETFLAGS, 0x80),
    ] {
        assert!(
            found(by("/bin/chmod"), changed(op, value, "")).is_empty(),
            "{value:o}"
        );
    }
    assert!(
        found(
            installing("/usr/bin/dpkg"),
            changed(AttributeOp::CHMOD, 0o4755, "")
        )
        .is_empty()
    );
    assert!(found(by("/bin/tar"), changed(AttributeOp::UTIMES, 0, "")).is_empty());
}

#[test]
fn rights_of_a_file_that_the_profile_lets_the_program_write() {
    let severity = |profile: &str| {
        let mut scene = by("/bin/chmod").with_profile(profile);
        scene.inspect(changed(AttributeOp::CHMOD, 0o4755, ""))[0].severity
    };
    assert_eq!(
        severity("state: complete\nfiles: {write: [{path: /tmp}]}"),
        Severity::Low
    );
    assert_eq!(
        severity("state: complete\nfiles: {write: [{path: /var}]}"),
        Severity::High
    );
}

#[test]
fn protections_of_the_kernel_are_higher_than_other_settings() {
    let setting = |path: &str| open(file(magic::PROC), path, "", WRITE);
    for path in [
        "/proc/sys/kernel/randomize_va_space",
        "/proc/sys/vm/mmap_min_addr",
        "/mnt/p/sys/kernel/yama/ptrace_scope",
    ] {
        assert_eq!(
            found(by("/bin/sh"), setting(path)),
            ["kernel_protection"],
            "{path}"
        );
    }
    assert!(found(by("/bin/sh"), setting("/proc/sys/net/core/somaxconn")).is_empty());
    assert!(found(by("/bin/sh"), setting("/proc/sys/vm/max_map_count")).is_empty());
}

#[test]
fn other_processes_are_written_into_or_signalled() {
    let mem = |path: &str, mode| open(file(magic::PROC), path, "", mode);
    assert_eq!(
        found(by("/usr/bin/python3"), mem("/proc/9/mem", 3)),
        ["process_injection"]
    );
    assert!(
        found(by("/usr/bin/python3"), mem("/proc/7/mem", 3)).is_empty(),
        "its own"
    );
    assert!(
        found(by("/usr/bin/python3"), mem("/proc/9/mem", 1)).is_empty(),
        "read"
    );
    let access = |op| {
        Payload::Ptrace(Ptrace {
            op,
            request: 0,
            target_tgid: 99,
            target_slot: 1,
            target: crate::event::ExecId(0),
        })
    };
    assert_eq!(
        found(by("/x"), access(PtraceOp::PROCESS_VM_WRITE)),
        ["process_injection"]
    );
    assert!(found(by("/x"), access(PtraceOp::PROCESS_VM_READ)).is_empty());
    let signal = |target_slot| {
        Payload::Signal(Signal {
            signal: 9,
            target_tgid: 99,
            target_slot,
            target: crate::event::ExecId(0),
        })
    };
    assert_eq!(found(by("/bin/kill"), signal(0)), ["foreign_signal"], "the host");
    assert_eq!(
        found(by("/bin/kill"), signal(5)),
        ["foreign_signal"],
        "another container"
    );
    assert!(found(by("/bin/kill"), signal(1)).is_empty(), "its own");
}

#[test]
fn calls_that_tell_by_themselves() {
    assert_eq!(
        found(by("/bin/date"), called(CallName::CLOCK_SETTIME, [0; 4])),
        ["clock"]
    );
    assert!(found(by("/usr/sbin/chronyd"), called(CallName::CLOCK_SETTIME, [0; 4])).is_empty());
    assert_eq!(
        found(by("/x"), called(CallName::IO_URING_SETUP, [8, 2, 0, 0])),
        ["ring_served_by_kernel"]
    );
    assert!(found(by("/x"), called(CallName::IO_URING_SETUP, [8, 0, 0, 0])).is_empty());
    let credentials = |before, after| {
        Payload::Credentials(Credentials {
            op: CredentialsOp::AMBIENT,
            old_uid: None,
            new_uid: None,
            before,
            after,
        })
    };
    assert_eq!(found(by("/x"), credentials(0, 1 << 10)), ["capability_gain"]);
    assert!(found(by("/x"), credentials(3, 1)).is_empty(), "dropped");
    assert!(found(by("/usr/bin/setpriv"), credentials(0, 1)).is_empty());
}

#[test]
fn names_that_hide_or_mislead() {
    for path in ["/tmp/.../.x", "/tmp/. /x", "/dev/shm/..../y"] {
        assert_eq!(found(by("/bin/cp"), written(path)), ["hidden_name"], "{path}");
    }
    assert!(found(by("/bin/cp"), written("/root/.config/x")).is_empty());
    for made in [
        written("/tmp/x\n\u{1b}[31m"),
        emptied("/srv/a\rb"),
        moved("/srv/\u{7f}"),
    ] {
        assert_eq!(found(by("/usr/bin/python3"), made), ["odd_name"]);
    }
    assert!(found(by("/bin/rm"), removed("/tmp/x\n")).is_empty());
    assert!(found(by("/bin/cp"), written("/srv/naïve")).is_empty());
    assert_eq!(executed(by("/tmp/x\n\u{1b}[31m"), &["x"]), ["odd_name"]);
    let mut cut = by("/tmp/ddd");
    cut.exe.exe.truncated = true;
    assert_eq!(executed(cut, &["x"]), ["odd_name"]);
    assert!(executed(by("/usr/bin/naïve"), &["x"]).is_empty());
}
