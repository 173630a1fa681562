use crate::detect::Severity;
use crate::detect::testing::{Scene, image_file, scene};
use crate::event::{FileObject, FileOpen, KernelString, Name, Payload, RecordFlags};

const PROFILE: &str =
    "files: {read: [{path: /run/secrets/db, exe: /app/server}, {path: /app/key.pem, exe: /app/server}]}";

fn read(exe: &str, path: &str) -> (Scene, FileOpen) {
    let open = FileOpen {
        file: image_file(),
        open_flags: 0,
        f_mode: 1,
        path: KernelString::from(path),
        fs_path: KernelString::default(),
    };
    (scene("acme/app", exe).with_profile(PROFILE), open)
}

fn found((mut scene, open): (Scene, FileOpen)) -> Vec<(&'static str, Severity)> {
    let findings = scene.inspect(Payload::FileOpen(open));
    findings
        .iter()
        .map(|finding| (finding.rule.id, finding.severity))
        .collect()
}

#[test]
fn secrets_that_the_profile_does_not_name_or_not_for_this_program_are_found() {
    let outside = [("credential.read_outside_profile", Severity::High)];
    assert_eq!(found(read("/app/server", "/etc/krb5.keytab")), outside);
    assert_eq!(found(read("/app/server", "/run/secrets/other")), outside);
    assert_eq!(found(read("/bin/cat", "/run/secrets/db")), outside);
    assert_eq!(
        found(read("/bin/cat", "/app/key.pem")),
        outside,
        "named for another"
    );
    let (session, open) = read("/bin/cat", "/etc/krb5.keytab");
    let attached = found((session.attached(), open));
    assert_eq!(attached, [("credential.read_outside_profile", Severity::Medium)]);
}

#[test]
fn what_a_secret_is_names_the_alert_beside_a_profile_too() {
    let told = |rule| {
        let outside = ("credential.read_outside_profile", Severity::High);
        [(rule, Severity::High), outside]
    };
    let hashes = told("credential.password_hashes");
    assert_eq!(found(read("/app/server", "/etc/shadow")), hashes);
    let (scene, key) = read("/bin/cat", "/root/.ssh/id_ed25519");
    let stranger = scene.below(&["/app/server"]);
    assert_eq!(found((stranger, key)), told("credential.ssh_key"));
}

#[test]
fn secrets_that_one_program_reads_outside_the_profile_are_one_deed() {
    let deeds = |path: &str| -> Vec<String> {
        let (mut scene, open) = read("/bin/cat", path);
        let findings = scene.inspect(Payload::FileOpen(open)).into_iter();
        findings.filter_map(|finding| finding.deed).collect()
    };
    for path in ["/etc/krb5.keytab", "/run/secrets/other", "/etc/shadow"] {
        assert_eq!(deeds(path), ["secrets /bin/cat"], "{path}: once for a file");
    }
}

#[test]
fn what_is_named_or_no_secret_or_only_written_or_not_described_is_no_finding() {
    assert_eq!(found(read("/app/server", "/run/secrets/db")), []);
    assert_eq!(found(read("/app/server", "/app/key.pem")), []);
    assert_eq!(found(read("/bin/cat", "/etc/passwd")), []);
    let (scene, mut open) = read("/bin/cat", "/etc/shadow");
    open.f_mode = 2;
    assert_eq!(found((scene, open)), []);
    let (scene, open) = read("/bin/cat", "/etc/shadow");
    let cold = [("credential.password_hashes", Severity::High)];
    let silent = scene.with_profile("exec: [{path: /bin/cat}]");
    assert_eq!(
        found((silent, open)),
        cold,
        "a profile that says nothing of secrets"
    );
    let (mut scene, open) = read("/bin/cat", "/etc/shadow");
    scene.flags = RecordFlags(RecordFlags::CHROOTED);
    assert_eq!(
        found((scene, open)),
        [],
        "the name is that of whoever made the root"
    );
}

/// Without a profile.
mod cold {
    use super::*;
    use crate::detect::Class;
    use crate::detect::testing::{file, open};
    use crate::event::{ExecId, FileFlags, Ptrace, PtraceOp};
    use agent_common::magic;

    const EXT4: u32 = 0xef53;
    const TOKEN: &str = "/run/secrets/kubernetes.io/serviceaccount/..2026_11/token";
    const OTHERS_TOKEN: &str = "/host/var/lib/kubelet/pods/0b1e/volumes/kubernetes.io~projected/kube-api-access-x7k2p/..2026_11/token";

    fn by(exe: &str) -> Scene {
        scene("acme/shop", exe).below(&["/usr/bin/dash", "/app/server"])
    }

    fn rules(mut scene: Scene, payload: Payload) -> Vec<&'static str> {
        scene.rules_of(Class::Credential, payload)
    }

    fn reads(scene: Scene, path: &str) -> Vec<&'static str> {
        rules(scene, open(image_file(), path, "", 1))
    }

    fn executed(mut scene: Scene, args: &[&str]) -> Vec<&'static str> {
        let payload = scene.executed(args);
        rules(scene, payload)
    }

    #[test]
    fn secrets_are_read_by_programs_for_it_and_nobody_else() {
        for (path, rule, reader) in [
            ("/etc/shadow", "password_hashes", "/usr/bin/passwd"),
            ("/etc/gshadow-", "password_hashes", "/usr/sbin/sshd"),
            (TOKEN, "service_account_token", "/usr/bin/kubectl"),
            (OTHERS_TOKEN, "service_account_token", "/usr/bin/kubectl"),
            ("/root/.aws/credentials", "cloud_credentials", "/usr/bin/aws"),
            (
                "/home/a/.config/gcloud/access_tokens.db",
                "cloud_credentials",
                "/usr/bin/gcloud",
            ),
            ("/home/a/.ssh/id_ed25519", "ssh_key", "/usr/bin/ssh"),
            ("/etc/ssh/ssh_host_rsa_key", "ssh_key", "/usr/sbin/sshd"),
        ] {
            assert_eq!(reads(by("/bin/cat"), path), [rule], "{path}");
            assert_eq!(reads(by("/usr/bin/python3"), path), [rule], "{path}");
            assert!(reads(by(reader), path).is_empty(), "{reader} {path}");
            let mut brought = by(reader);
            brought.exe.file.flags |= FileFlags::UPPER;
            assert_eq!(reads(brought, path), [rule], "a {reader} of its own");
        }
        for path in [
            "/etc/passwd",
            "/root/.ssh/known_hosts",
            "/root/.ssh/id_rsa.pub",
            "/app/token",
        ] {
            assert!(reads(by("/bin/cat"), path).is_empty(), "{path}");
        }
    }

    #[test]
    fn the_service_reads_its_own() {
        let server = || {
            let mut scene = scene("acme/shop", "/app/server");
            scene.ancestors.clear();
            scene
        };
        for path in [TOKEN, "/run/secrets/db", "/root/.aws/credentials"] {
            assert!(reads(server(), path).is_empty(), "{path}");
            assert!(reads(by("/app/server"), path).is_empty(), "its worker: {path}");
            assert_eq!(
                reads(by("/app/server").attached(), path).len(),
                1,
                "by docker exec: {path}"
            );
        }
        assert_eq!(reads(by("/bin/cat"), "/run/secrets/db"), ["mounted_secret"]);
        assert!(
            reads(by("/bin/bash"), "/run/secrets/db").is_empty(),
            "an entrypoint"
        );
        let installing = scene("acme/shop", "/bin/grep").below(&["/bin/sh", "/usr/bin/dpkg"]);
        assert!(reads(installing, "/etc/shadow").is_empty());
    }

    #[test]
    fn the_nodes_credentials_are_on_a_mount() {
        let key = "/mnt/h/etc/kubernetes/pki/ca.key";
        let on_host = rules(
            by("/bin/cat"),
            open(file(EXT4), key, "/etc/kubernetes/pki/ca.key", 1),
        );
        assert_eq!(on_host, ["node_credentials"]);
        let renamed = open(file(EXT4), "/mnt/pki/ca.key", "/etc/kubernetes/pki/ca.key", 1);
        assert_eq!(
            rules(by("/usr/bin/tar"), renamed),
            ["node_credentials"],
            "only that folder is mounted"
        );
        assert!(reads(by("/bin/cat"), key).is_empty(), "in the image");
    }

    #[test]
    fn other_processes_are_read() {
        let of = |path: &str| open(file(magic::PROC), path, "", 1);
        assert_eq!(
            rules(by("/bin/cat"), of("/proc/1/environ")),
            ["foreign_environment"]
        );
        assert_eq!(
            rules(by("/bin/cat"), of("/mnt/proc/9/task/9/environ")),
            ["foreign_environment"]
        );
        assert!(rules(by("/bin/cat"), of("/proc/7/environ")).is_empty(), "its own");
        assert!(rules(by("/bin/systemctl"), of("/proc/1/environ")).is_empty());
        assert_eq!(
            rules(by("/usr/bin/python3"), of("/proc/9/mem")),
            ["process_memory"]
        );
        let gdb = by("/usr/bin/gdb").inspect(of("/proc/9/mem"));
        assert_eq!(gdb[0].severity, Severity::Low);
        let read = |target_slot| {
            Payload::Ptrace(Ptrace {
                op: PtraceOp::PROCESS_VM_READ,
                request: 0,
                target_tgid: 99,
                target_slot,
                target: ExecId(0),
            })
        };
        assert_eq!(rules(by("/usr/bin/python3"), read(1)), ["process_memory"]);
        assert!(rules(by("/usr/bin/python3"), read(5)).is_empty(), "an escape");
        assert_eq!(rules(by("/bin/cat"), of("/proc/kallsyms")), ["kernel_layout"]);
        assert!(rules(by("/bin/cat"), of("/proc/meminfo")).is_empty());
    }

    #[test]
    fn secrets_are_looked_for() {
        for args in [
            &["find", "/", "-xdev", "-name", "id_rsa"][..],
            &["grep", "-rl", "BEGIN OPENSSH PRIVATE", "/etc"],
            &["grep", "-Rni", "password", "/"],
            &["rg", "aws_secret_access_key"],
        ] {
            assert_eq!(
                executed(by(&format!("/usr/bin/{}", args[0])), args),
                ["secret_search"],
                "{args:?}"
            );
        }
        assert!(executed(by("/usr/bin/find"), &["find", "/app", "-name", "*.pyc"]).is_empty());
        assert!(executed(by("/bin/grep"), &["grep", "-q", "password", "/etc/app.conf"]).is_empty());
        let building = scene("acme/shop", "/usr/bin/find").below(&["/usr/bin/make"]);
        assert!(executed(building, &["find", ".", "-name", "credentials.h"]).is_empty());
    }
}

#[test]
fn another_name_for_a_secret_is_told_as_reading_it() {
    let named = |exe: &str, path: &str, profile: Option<&str>| {
        let mut scene = scene("acme/app", exe);
        if let Some(profile) = profile {
            scene = scene.with_profile(profile);
        }
        let name = Name {
            file: image_file(),
            directory: FileObject::default(),
            rename_flags: 0,
            path: path.into(),
            new_path: "/tmp/x".into(),
            fs_path: KernelString::default(),
        };
        let linked = scene.rules(Payload::Link(name.clone()));
        let renamed = scene.rules(Payload::Rename(name));
        let told = |rules: &[&str]| rules.contains(&"credential.password_hashes");
        (told(&linked), told(&renamed))
    };
    assert_eq!(named("/bin/ln", "/etc/shadow", None), (true, true));
    assert_eq!(named("/bin/ln", "/etc/passwd", None), (false, false));
    assert_eq!(named("/usr/sbin/useradd", "/etc/shadow", None), (false, false));
    let allowed = "files: {read: [{path: /etc/shadow, exe: /bin/ln}]}";
    assert_eq!(named("/bin/ln", "/etc/shadow", Some(allowed)), (false, false));
}
