use crate::container::MountPoint;
use crate::detect::testing::{Scene, image_file, scene};
use crate::detect::{Finding, Severity};
use crate::event::{FileFlags, FileObject, Payload, RecordFlags};
use crate::process::ExecSession;

fn exec(mut scene: Scene, file: FileObject) -> Vec<(&'static str, Severity)> {
    scene.exe.file = file;
    let payload = Payload::Exec(scene.exec());
    scene
        .inspect(payload)
        .iter()
        .map(|finding| (finding.rule.id, finding.severity))
        .collect()
}

fn flagged(flags: u16) -> FileObject {
    FileObject {
        flags,
        ..image_file()
    }
}

const UPPER: u16 = FileFlags::OVERLAY | FileFlags::UPPER;
const TMPFS: FileObject = FileObject {
    ino: 1,
    dev: 2,
    magic: 0x0102_1994,
    nlink: 1,
    rdev: 0,
    mode: 0o100_755,
    flags: 0,
    uid: 0,
};

#[test]
fn what_is_in_the_image_is_no_drift() {
    for exe in ["/usr/sbin/nginx", "/bin/sh", "/app/run"] {
        assert!(exec(scene("acme/app", exe), image_file()).is_empty());
    }
}

#[test]
fn dropped_programs() {
    let critical = |rule| (rule, Severity::Critical);
    let temporary = ("drift.exec_from_tmp", Severity::High);
    for exe in ["/usr/bin/x", "/usr/sbin/nginx", "/opt/q"] {
        assert_eq!(
            exec(scene("a", exe), flagged(UPPER)),
            [critical("drift.exec_from_upper")],
            "{exe}"
        );
    }
    assert_eq!(
        exec(scene("a", "/tmp/x"), flagged(UPPER)),
        [critical("drift.exec_from_upper"), temporary]
    );
    for exe in ["/dev/shm/x", "/mnt/scratch/x", "/tmp/x"] {
        assert_eq!(
            exec(scene("a", exe), TMPFS),
            [critical("drift.exec_from_tmp")],
            "{exe}"
        );
    }
    assert_eq!(exec(scene("a", "/run/x"), TMPFS), [temporary]);
    assert_eq!(exec(scene("a", "/tmpfiles/x"), image_file()), []);
}

#[test]
fn programs_without_a_file() {
    let memfd = FileObject {
        nlink: 0,
        ..flagged(FileFlags::MEMFD)
    };
    assert_eq!(
        exec(scene("a", "memfd:x"), memfd),
        [("drift.exec_from_memory", Severity::Critical)]
    );
    assert_eq!(
        exec(scene("a", "/tmp/x"), FileObject { nlink: 0, ..TMPFS }),
        [("drift.exec_unlinked", Severity::Critical)]
    );
    assert_eq!(
        exec(scene("a", "/x"), flagged(UPPER | FileFlags::UNLINKED)),
        [("drift.exec_unlinked", Severity::Critical)]
    );
    assert_eq!(
        exec(
            scene("a", "/x"),
            flagged(FileFlags::OVERLAY | FileFlags::UNLINKED)
        ),
        [("drift.exec_unlinked", Severity::High)],
        "replaced by an update"
    );
}

/// A script of which `exe` is the interpreter.
fn scripted(mut scene: Scene, script: &str) -> Vec<Finding> {
    scene.exe.args = format!("/bin/sh\0{script}\0--now").as_str().into();
    let mut exec = scene.exec();
    exec.filename = script.into();
    exec.cwd = "/dev/shm".into();
    scene.inspect(Payload::Exec(exec))
}

#[test]
fn dropped_scripts_are_judged_by_their_name() {
    for script in [
        "/tmp/x.sh",
        "/dev/shm/.x",
        "./x",
        "/opt/../var/tmp/x",
        "/run/x",
        "/dev/fd/7",
    ] {
        let findings = scripted(scene("a", "/usr/bin/dash"), script);
        let found: Vec<_> = findings
            .iter()
            .map(|finding| (finding.rule.id, finding.severity))
            .collect();
        assert_eq!(found, [("drift.exec_from_tmp", Severity::High)], "{script}");
        assert_eq!(findings[0].evidence["script_trust"], "arguments");
    }
    let built = scene("a", "/bin/sh").below(&["/usr/bin/npm"]);
    assert_eq!(scripted(built, "/tmp/x.sh")[0].severity, Severity::Medium);
    let mut mounted = scene("a", "/bin/sh");
    mounted.known.mounts = vec![MountPoint {
        source: "/home/x".into(),
        destination: "/src".into(),
        writable: true,
        bind: true,
    }];
    assert_eq!(
        scripted(mounted, "/src/x.sh")[0].rule.id,
        "drift.exec_from_volume"
    );
}

#[test]
fn scripts_of_the_image_and_shells_are_no_drift() {
    for script in [
        "/docker-entrypoint.sh",
        "/usr/local/bin/healthcheck.sh",
        "/tmpfiles/x.sh",
        "/run/s6/basedir/scripts/rc.init",
        "/run/service/nginx/run",
        "/bin/sh",
    ] {
        let findings = scripted(scene("a", "/bin/sh"), script);
        assert!(findings.is_empty(), "{findings:?}");
    }
    let mut shell = scene("a", "/bin/sh");
    shell.exe.args = "sh\0-c\0/tmp/x".into();
    assert_eq!(
        exec(shell, image_file()),
        [],
        "what it executes is an event of its own"
    );
}

#[test]
fn package_managers_and_builds_weigh_less() {
    let scene =
        scene("builder", "/var/lib/dpkg/info/x.postinst").below(&["/usr/bin/dpkg", "/usr/bin/apt-get"]);
    assert_eq!(
        exec(scene, flagged(UPPER)),
        [("drift.exec_from_upper", Severity::Medium)]
    );
}

#[test]
fn steps_of_an_image_s_build_weigh_less_still() {
    let step =
        |image: &str, above: &[&str]| exec(scene(image, "/usr/bin/x").below(above), flagged(UPPER))[0].1;
    let build = |above| step("sha256:0f1e", above);
    assert_eq!(build(&["/usr/bin/dpkg", "/bin/sh"]), Severity::Low);
    assert_eq!(build(&["/usr/bin/dpkg"]), Severity::Low, "a shell may become it");
    assert_eq!(build(&["/usr/bin/curl", "/bin/sh"]), Severity::Medium);
    assert_eq!(
        build(&["/usr/bin/dpkg", "/bin/sh", "/app/server"]),
        Severity::Medium,
        "an image without a name may serve"
    );
    assert_eq!(step("acme/app", &["/bin/sh"]), Severity::Critical);
    let mut entered = scene("sha256:0f1e", "/usr/bin/x").below(&["/usr/bin/dpkg", "/bin/sh"]);
    entered.exe.exec_session = ExecSession::Attached;
    assert_eq!(exec(entered, flagged(UPPER))[0].1, Severity::Medium);
    let mut installs = scene("sha256:0f1e", "/usr/bin/apt-get").below(&["/bin/sh"]);
    let payload = installs.executed(&["apt-get", "install", "x"]);
    assert_eq!(installs.inspect(payload)[0].severity, Severity::Low);
}

#[test]
fn volumes_only_when_they_are_writable() {
    let on_disk = FileObject {
        magic: 0xef53,
        ..flagged(FileFlags::BIND_MOUNT)
    };
    let with = |writable| {
        let mut scene = scene("a", "/src/run");
        scene.known.mounts = vec![MountPoint {
            source: "/home/x".into(),
            destination: "/src".into(),
            writable,
            bind: true,
        }];
        exec(scene, on_disk)
    };
    assert_eq!(with(true), [("drift.exec_from_volume", Severity::Low)]);
    assert_eq!(with(false), []);
    assert_eq!(
        exec(scene("a", "/usr/bin/x"), on_disk),
        [],
        "storage drivers without overlay"
    );
}

#[test]
fn the_profile_knows_programs_and_their_parents() {
    let profile = "exec: [{path: /usr/sbin/nginx}, {path: /bin/sh, parents: [/entrypoint]}]";
    let with = |exe: &str, parents: &[&str]| {
        exec(scene("a", exe).with_profile(profile).below(parents), image_file())
    };
    assert_eq!(with("/usr/sbin/nginx", &["/bin/sh"]), []);
    assert_eq!(with("/bin/sh", &["/entrypoint"]), []);
    assert_eq!(
        with("/bin/sh", &["/app/server"]),
        [("drift.exec_outside_profile", Severity::Medium)]
    );
    assert_eq!(
        with("/bin/sh", &["/usr/sbin/nginx"]),
        [
            ("drift.shell_from_service", Severity::Critical),
            ("drift.exec_outside_profile", Severity::Medium)
        ]
    );
    assert_eq!(
        with("/usr/bin/curl", &["/bin/sh"]),
        [("drift.exec_outside_profile", Severity::Medium)]
    );
    let session = scene("a", "/usr/bin/curl").attached().with_profile(profile);
    assert_eq!(
        exec(session, image_file()),
        [("drift.exec_outside_profile", Severity::Low)]
    );
}

#[test]
fn in_a_session_a_shell_is_known_where_somebody_saw_who_starts_it() {
    let with = |scene: Scene, parents: &[&str]| {
        let learned = "exec: [{path: /bin/sh, provenance: {source: learned}}]";
        exec(scene.with_profile(learned).below(parents), image_file())
    };
    let session = || scene("a", "/bin/sh").attached();
    assert_eq!(
        with(session(), &["/bin/bash"]),
        [("drift.exec_outside_profile", Severity::Low)]
    );
    assert_eq!(with(session(), &[]), [], "by the runtime");
    assert_eq!(with(scene("a", "/bin/sh"), &["/bin/bash"]), []);
}

#[test]
fn what_another_rule_says_of_the_program_hides_no_drift() {
    let dropped = exec(scene("acme/app", "/usr/sbin/sshd"), flagged(UPPER));
    let rules: Vec<_> = dropped.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["drift.exec_from_upper", "listener.sshd_in_container"]);
    let temporary = exec(scene("acme/app", "/tmp/dropbear"), TMPFS);
    assert!(temporary.contains(&("drift.exec_from_tmp", Severity::Critical)));
    let own = exec(scene("acme/app", "/usr/sbin/sshd"), image_file());
    assert_eq!(own, [("listener.sshd_in_container", Severity::High)]);
}

#[test]
fn the_profile_knows_scripts_by_their_name_but_not_in_another_root() {
    let with = |script: &str, flags: u32| {
        let mut scene = scene("a", "/usr/bin/dash")
            .with_profile("exec: [{path: /docker-entrypoint.sh}]")
            .below(&[]);
        scene.flags = RecordFlags(flags);
        let findings = scripted(scene, script);
        findings.first().map(|finding| finding.rule.id)
    };
    assert_eq!(with("/docker-entrypoint.sh", 0), None);
    let outside = Some("drift.exec_outside_profile");
    assert_eq!(with("/other.sh", 0), outside);
    assert_eq!(with("/docker-entrypoint.sh", RecordFlags::CHROOTED), outside);
}

#[test]
fn a_program_in_another_root_is_none_that_the_profile_names() {
    let with = |flags: u32| {
        let mut scene = scene("a", "/usr/sbin/nginx")
            .with_profile("exec: [{path: /usr/sbin/nginx}]")
            .below(&[]);
        scene.flags = RecordFlags(flags);
        let exec = scene.exec();
        scene.rules(Payload::Exec(exec))
    };
    assert_eq!(with(0), Vec::<&str>::new());
    assert_eq!(with(RecordFlags::CHROOTED), ["drift.exec_outside_profile"]);
}

#[test]
fn what_the_profile_has_the_image_bring_and_execute_is_no_drift() {
    const EXECUTED: &str =
        "state: complete\nexec: [{path: /tmp/a1}, {path: /usr/bin/cx, parents: [/bin/dash]}]";
    let with = |exe: &str, yaml: &str| {
        let scene = scene("a", exe).with_profile(&format!("{EXECUTED}\n{yaml}"));
        exec(scene.below(&["/bin/dash"]), flagged(UPPER))
    };
    let critical = ("drift.exec_from_upper", Severity::Critical);
    for writes in [
        "",
        "files: {write: [{path: /tmp/}, {path: /usr/bin/, exe: /usr/bin/dpkg}]}",
    ] {
        assert_eq!(with("/tmp/a1", writes), [], "{writes}");
        assert_eq!(with("/usr/bin/cx", writes), [], "{writes}");
        assert!(with("/tmp/a2", writes).contains(&critical), "{writes}");
    }
    let elsewhere = "files: {write: [{path: /data}]}";
    assert_eq!(
        with("/usr/bin/cx", elsewhere),
        [critical],
        "the image's own program was replaced"
    );
    let memfd = scene("a", "memfd:x").with_profile("state: complete\nexec: [{path: 'memfd:x'}]");
    assert_eq!(
        exec(memfd, flagged(FileFlags::MEMFD)),
        [("drift.exec_from_memory", Severity::Critical)]
    );
}

#[test]
fn scripts_are_known_by_their_interpreter_and_where_the_image_writes() {
    let with = |script: &str, writes: &str| {
        let yaml =
            format!("state: complete\nexec: [{{path: /bin/sh}}]\nfiles: {{write: [{{path: {writes}}}]}}");
        let scene = scene("a", "/bin/sh").with_profile(&yaml);
        scripted(scene, script).first().map(|finding| finding.rule.id)
    };
    assert_eq!(with("/tmp/build/x.sh", "/tmp/build"), None);
    assert_eq!(with("/tmp/x.sh", "/tmp/build"), Some("drift.exec_from_tmp"));
    assert_eq!(with("/dev/fd/7", "/tmp"), Some("drift.exec_from_tmp"));
}

#[test]
fn what_says_what_was_done_names_the_alert_and_weighs_what_the_profile_makes_of_it() {
    let known = "state: complete\nexec: [{path: /app/server}]\nfiles: {write: [{path: /app/data/**}]}";
    let mut odd = scene("acme/app", "/bin/cp").with_profile(known);
    let hidden = crate::detect::testing::open(image_file(), "/tmp/.../x", "", 2);
    let findings = odd.inspect(hidden);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.rule.id, finding.severity))
        .collect();
    let named = ("tampering.hidden_name", Severity::Medium);
    assert_eq!(told, [named, ("drift.write_outside_profile", Severity::Medium)]);
}
