mod sockets;

use crate::detect::Severity;
use crate::detect::testing::{Scene, end, listen, scene};
use crate::event::{Net, Payload, RecordFlags, SocketAddress};

fn first(scene: &mut Scene, payload: Payload) -> Option<(&'static str, Severity)> {
    scene
        .inspect(payload)
        .first()
        .map(|finding| (finding.rule.id, finding.severity))
}

fn udp(port: u16, address: &str) -> Payload {
    Payload::Bind(Net {
        local: end(address, port),
        remote: SocketAddress::default(),
        protocol: 17,
        socket_type: 2,
        backlog: 0,
    })
}

#[test]
fn the_ordinary_work_of_services_is_silent() {
    for (image, exe, port) in [
        ("nginx:1.25", "/usr/sbin/nginx", 80),
        ("redis:7", "/usr/local/bin/redis-server", 6379),
        ("postgres:16", "/usr/lib/postgresql/16/bin/postgres", 5432),
        ("httpd", "/usr/local/apache2/bin/httpd", 80),
        ("haproxy", "/usr/sbin/haproxy", 8404),
    ] {
        assert_eq!(
            first(
                &mut scene(image, exe).below(&["/bin/sh"]),
                listen("0.0.0.0", port)
            ),
            None,
            "{image}"
        );
        assert_eq!(first(&mut scene(image, exe), listen("::", port)), None, "{image}");
    }
    let mut declared = scene("acme/app", "/usr/bin/node").below(&["/bin/sh", "/usr/bin/node"]);
    declared.known.exposed_ports = vec!["3000/tcp".into()];
    assert_eq!(first(&mut declared, listen("0.0.0.0", 3000)), None, "npm start");
}

#[test]
fn an_unknown_listener_without_profile_is_information() {
    let mut scene = scene("acme/app", "/app/server");
    assert_eq!(
        first(&mut scene, listen("0.0.0.0", 9000)),
        Some(("listener.unexpected", Severity::Info))
    );
    assert_eq!(
        first(&mut scene.attached(), listen("0.0.0.0", 9000)),
        Some(("listener.unexpected", Severity::Medium))
    );
}

#[test]
fn a_listener_that_the_image_found_open_was_judged_before() {
    let mut scene = scene("acme/app", "/usr/sbin/nginx").attached();
    scene.flags = RecordFlags(RecordFlags::INHERITED);
    assert_eq!(first(&mut scene, listen("0.0.0.0", 4444)), None);
    scene.flags = RecordFlags(0);
    assert!(first(&mut scene, listen("0.0.0.0", 4444)).is_some());
}

#[test]
fn a_shell_that_holds_a_service_s_listener_is_found() {
    let held = |mut scene: Scene| {
        scene.flags = RecordFlags(RecordFlags::INHERITED);
        first(&mut scene, listen("0.0.0.0", 7171))
    };
    let found = Some(("listener.inherited", Severity::High));
    assert_eq!(held(scene("acme/app", "/usr/bin/bash")), found);
    assert_eq!(held(scene("acme/app", "/usr/bin/socat")), found);
    let mut applet = scene("alpine", "/bin/busybox");
    applet.exe.args = "sh\0-c\0read x <&9\0".into();
    assert_eq!(held(applet), found);
    let below = || scene("acme/app", "/usr/bin/bash").below(&["/app/server"]);
    let learned = "exec: [{path: /usr/bin/bash, parents: [/app/server]}]";
    assert_eq!(
        held(below().with_profile(learned)),
        None,
        "its service leaves it open"
    );
    let other = "exec: [{path: /usr/bin/bash, parents: [/usr/sbin/cron]}]";
    assert_eq!(held(below().with_profile(other)), found);
}

#[test]
fn clients_of_udp_are_no_listeners() {
    let mut scene = scene("acme/app", "/app/server");
    for (port, address) in [(0, "0.0.0.0"), (45_000, "0.0.0.0"), (5353, "127.0.0.1")] {
        assert_eq!(first(&mut scene, udp(port, address)), None, "{port}");
    }
    assert_eq!(
        first(&mut scene, udp(5353, "0.0.0.0")),
        Some(("listener.unexpected", Severity::Info))
    );
    let Payload::Bind(tcp) = udp(8080, "0.0.0.0") else {
        unreachable!()
    };
    assert_eq!(
        first(&mut scene, Payload::Bind(Net { protocol: 6, ..tcp })),
        None,
        "a TCP bind is not yet a listener"
    );
}

#[test]
fn no_ssh_server_in_any_container() {
    let ssh = Some(("listener.sshd_in_container", Severity::High));
    let mut started = scene("postgres:16", "/usr/sbin/sshd").attached();
    let exec = Payload::Exec(started.exec());
    let findings = started.inspect(exec);
    let listening = started.inspect(listen("0.0.0.0", 22));
    assert_eq!(findings[0].rule.id, "listener.sshd_in_container");
    assert_eq!(
        findings[0].object, listening[0].object,
        "start and listener are one alert"
    );
    assert_eq!(
        first(
            &mut scene("acme/app", "/usr/bin/dropbear"),
            listen("0.0.0.0", 2222)
        ),
        ssh
    );
    assert_eq!(
        first(&mut scene("acme/app", "/tmp/renamed"), listen("0.0.0.0", 22)),
        ssh
    );
    let own = Some(("listener.sshd_in_container", Severity::Low));
    assert_eq!(
        first(
            &mut scene("linuxserver/openssh-server", "/usr/sbin/sshd"),
            listen("0.0.0.0", 2222)
        ),
        own
    );
    let mut allowed =
        scene("acme/git", "/usr/sbin/sshd").with_profile("listen: [{port: 22, exe: /usr/sbin/sshd}]");
    assert_eq!(
        first(&mut allowed, listen("0.0.0.0", 22)),
        None,
        "a person allowed it"
    );
    let learned = "listen: [{port: 22, provenance: {source: learned}}]";
    assert_eq!(
        first(
            &mut scene("acme/git", "/usr/sbin/sshd").with_profile(learned),
            listen("0.0.0.0", 22)
        ),
        own
    );
    assert_eq!(
        first(&mut scene("acme/app", "/usr/bin/ssh"), listen("127.0.0.1", 8080))
            .unwrap()
            .0,
        "listener.unexpected"
    );
}

#[test]
fn no_web_server_in_a_database() {
    let web = "listener.web_server_in_database";
    for (image, exe, port) in [
        ("postgres:16", "/usr/sbin/httpd", 80),
        ("postgres:16", "/usr/sbin/nginx", 9999),
        ("mysql", "/usr/bin/python3.11", 8080),
        ("redis:7", "/usr/bin/caddy", 443),
    ] {
        assert_eq!(
            first(&mut scene(image, exe), listen("0.0.0.0", port)),
            Some((web, Severity::High)),
            "{image} {exe}"
        );
    }
    let mut by_command = scene("acme/db:3", "/usr/sbin/httpd");
    by_command.known.command = vec!["docker-entrypoint.sh".into(), "postgres".into()];
    assert_eq!(
        first(&mut by_command, listen("::", 80)),
        Some((web, Severity::High))
    );
    let mut applet = scene("postgres:16", "/bin/busybox")
        .attached()
        .below(&["/bin/sh"]);
    applet.exe.args = "busybox\0httpd\0-p\x0080\0".into();
    assert_eq!(first(&mut applet, listen("::", 80)), Some((web, Severity::High)));
    assert_eq!(
        first(
            &mut scene("cockroachdb/cockroach", "/cockroach/cockroach"),
            listen("::", 8080)
        ),
        None
    );
}

#[test]
fn tools_of_shells_and_what_shells_start() {
    let rule = "listener.shell_spawned";
    assert_eq!(
        first(&mut scene("acme/app", "/usr/bin/nc"), listen("0.0.0.0", 4444)),
        Some((rule, Severity::Critical))
    );
    let mut busybox = scene("alpine", "/bin/busybox");
    busybox.exe.args = "nc\0-l\0-p\x004444\0".into();
    assert_eq!(
        first(&mut busybox, listen("::", 4444)),
        Some((rule, Severity::Critical))
    );
    assert_eq!(
        first(
            &mut scene("acme/app", "/usr/bin/socat"),
            listen("127.0.0.1", 4444)
        ),
        Some((rule, Severity::High))
    );
    let mut session = scene("acme/app", "/usr/bin/python3")
        .attached()
        .below(&["/bin/bash"]);
    assert_eq!(
        first(&mut session, listen("0.0.0.0", 8000)),
        Some((rule, Severity::High))
    );
    let mut web_shell = scene("php", "/usr/bin/python3").below(&["/bin/sh", "/usr/sbin/apache2", "/bin/sh"]);
    assert_eq!(
        first(&mut web_shell, listen("0.0.0.0", 8000)),
        Some((rule, Severity::High))
    );
    let mut entrypoint = scene("acme/app", "/usr/bin/python3").below(&["/bin/sh", "/usr/bin/tini"]);
    assert_eq!(
        first(&mut entrypoint, listen("0.0.0.0", 8000)),
        Some(("listener.unexpected", Severity::Info))
    );
}

#[test]
fn the_profile_tells_what_is_wrong() {
    let profile =
        "state: complete\nlisten: [{port: 80, exe: /usr/sbin/nginx}, {port: ephemeral, exe: /usr/bin/java}]";
    let at = |exe: &str, port| {
        first(
            &mut scene("nginx", exe).with_profile(profile),
            listen("0.0.0.0", port),
        )
    };
    assert_eq!(at("/usr/sbin/nginx", 80), None);
    assert_eq!(at("/usr/bin/java", 40_000), None);
    assert_eq!(
        at("/usr/sbin/nginx", 8081),
        Some(("listener.unexpected_port", Severity::High))
    );
    assert_eq!(
        at("/tmp/evil", 80),
        Some(("listener.unexpected_executable", Severity::High))
    );
    assert_eq!(at("/tmp/evil", 81), Some(("listener.unexpected", Severity::High)));
    let partial = profile.replace("complete", "partial");
    let mut scene_partial = scene("nginx", "/tmp/evil").with_profile(&partial);
    assert_eq!(
        first(&mut scene_partial, listen("0.0.0.0", 81)),
        Some(("listener.unexpected", Severity::Medium))
    );
    assert_eq!(
        first(&mut scene_partial, listen("127.0.0.1", 81)),
        Some(("listener.unexpected", Severity::Low))
    );
    let learning = profile.replace("state: complete", "state: learning");
    assert_eq!(
        first(
            &mut scene("nginx", "/tmp/evil").with_profile(&learning),
            listen("0.0.0.0", 81)
        ),
        None
    );
}

#[test]
fn what_the_image_or_its_role_announces_is_usual_while_the_profile_is_partial() {
    let profile = |state: &str| format!("state: {state}\nlisten: [{{port: 8000, exe: /app/server}}]");
    let with = |state: &str| {
        let mut scene = scene("acme/app", "/app/server").with_profile(&profile(state));
        scene.known.exposed_ports = vec!["3000/tcp".into()];
        scene
    };
    assert_eq!(first(&mut with("partial"), listen("0.0.0.0", 3000)), None);
    let web = |image| scene(image, "/usr/sbin/nginx").with_profile(&profile("partial"));
    assert_eq!(first(&mut web("nginx"), listen("0.0.0.0", 80)), None);
    assert_eq!(
        first(&mut web("acme/app"), listen("0.0.0.0", 80)),
        Some(("listener.unexpected", Severity::Medium)),
        "neither declared nor the role's"
    );
    assert_eq!(
        first(&mut with("complete"), listen("0.0.0.0", 3000)),
        Some(("listener.unexpected_port", Severity::High)),
        "a complete profile is all there is"
    );
    assert_eq!(
        first(&mut with("partial").attached(), listen("0.0.0.0", 3000)),
        Some(("listener.unexpected_port", Severity::Medium)),
        "an exec session does not do what the image declares"
    );
    let mut taken = with("partial");
    taken.exe.exe = "/tmp/x".into();
    taken.known.exposed_ports = vec!["8000/tcp".into()];
    assert_eq!(
        first(&mut taken, listen("0.0.0.0", 8000)),
        Some(("listener.unexpected_executable", Severity::High))
    );
}

#[test]
fn a_product_has_its_own_ports_and_its_own_loopback() {
    let web = Some(("listener.web_server_in_database", Severity::High));
    let at = |image: &str, exe: &str, (address, port): (&str, u16)| {
        let mut scene = scene(image, exe);
        scene.known.exposed_ports = vec![format!("{port}/tcp")];
        first(&mut scene, listen(address, port))
    };
    let anywhere = |port| ("0.0.0.0", port);
    for (image, exe, port) in [
        ("rethinkdb:2.4", "/usr/bin/rethinkdb", 8080),
        ("influxdb:2", "/usr/bin/influxd", 8086),
        ("influxdb:1.8", "/usr/bin/influxd", 8088),
        ("clickhouse/clickhouse-server", "/usr/bin/clickhouse", 8123),
        ("clickhouse/clickhouse-server", "/usr/bin/clickhouse", 8443),
        ("couchdb:3", "/opt/couchdb/erts-14/bin/beam.smp", 5984),
        ("elasticsearch:8", "/usr/share/elasticsearch/jdk/bin/java", 9200),
    ] {
        assert_eq!(at(image, exe, anywhere(port)), None, "{image} {port}");
    }
    assert_eq!(at("influxdb:1.8", "/usr/bin/python3", anywhere(8088)), web);
    assert_eq!(at("rethinkdb:2.4", "/usr/bin/nginx", anywhere(8080)), web);
    assert_eq!(at("postgres:16", "/usr/bin/influxd", anywhere(8080)), web);
    assert_eq!(at("postgres:16", "/usr/bin/patroni", ("127.0.0.1", 8008)), None);
    assert_eq!(at("postgres:16", "/usr/bin/patroni", ("::1", 8008)), None);
    assert_eq!(
        at("postgres:16", "/usr/sbin/nginx", ("127.0.0.1", 8008)),
        web,
        "whose name says so"
    );
}
