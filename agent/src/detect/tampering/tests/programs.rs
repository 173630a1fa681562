//! Programs that tamper by what they are, or by how often they are executed.

use super::*;

#[test]
fn programs_that_tamper_by_what_they_are() {
    assert_eq!(
        executed(by("/usr/bin/shred"), &["shred", "-u", "/x"]),
        ["wiping_tool"]
    );
    assert_eq!(executed(by("/bin/su"), &["su", "-"]), ["change_of_user"]);
    assert_eq!(
        executed(by("/sbin/ip"), &["ip", "route", "add", "1.2.3.0/24"]),
        ["network_configuration"]
    );
    assert_eq!(
        executed(by("/usr/sbin/iptables"), &["iptables", "-F"]),
        ["network_configuration"]
    );
    assert_eq!(
        executed(by("/bin/busybox"), &["route", "del", "default"]),
        ["network_configuration"]
    );
    assert!(executed(by("/sbin/ip"), &["ip", "addr"]).is_empty(), "shown");
    assert!(executed(by("/usr/sbin/iptables"), &["iptables", "-L"]).is_empty());
    let docker = scene("docker:dind", "/usr/sbin/iptables").below(&["/usr/local/bin/dockerd"]);
    assert!(executed(docker, &["iptables", "-A", "FORWARD"]).is_empty());
    let known = by("/bin/su").with_profile("state: complete\nexec: [{path: /bin/su}]");
    assert!(executed(known, &["su", "-"]).is_empty(), "the profile has it");
}

#[test]
fn programs_that_the_profile_does_not_know_are_told_as_without_one() {
    let beside = |exe: &str| by(exe).with_profile("state: complete\nexec: [{path: /app/server}]");
    let programs: [(&str, &[&str], &str); 4] = [
        ("/usr/bin/shred", &["shred", "-u", "/x"], "wiping_tool"),
        ("/bin/su", &["su", "-"], "change_of_user"),
        (
            "/sbin/ip",
            &["ip", "route", "add", "1.2.3.0/24"],
            "network_configuration",
        ),
        ("/usr/sbin/iptables", &["iptables", "-F"], "network_configuration"),
    ];
    for (exe, args, rule) in programs {
        assert_eq!(executed(beside(exe), args), [rule], "{exe}");
        let mut scene = beside(exe);
        let payload = scene.executed(args);
        let all = scene.rules(payload);
        let named = format!("tampering.{rule}");
        assert_eq!(
            all,
            [named.as_str(), "drift.exec_outside_profile"],
            "{exe}: it names the alert"
        );
    }
}

#[test]
fn one_program_executed_at_full_speed_is_a_flood() {
    let flood = |mut scene: Scene, flags: u32| {
        scene.flags = RecordFlags(flags);
        let exec = scene.exec();
        scene
            .rules(Payload::Exec(exec))
            .contains(&"tampering.event_flood")
    };
    const BURST: u32 = RecordFlags::REPEAT | RecordFlags::BURST;
    let looped = || by("/bin/true").below(&["/bin/sh"]);
    assert!(flood(looped(), BURST));
    assert!(
        !flood(looped(), RecordFlags::REPEAT),
        "of a container that is watched"
    );
    assert!(!flood(
        by("/usr/bin/cc1").below(&["/usr/bin/gcc", "/usr/bin/make"]),
        BURST
    ));
    let known = looped().with_profile("exec: [{path: /bin/true}]");
    assert!(!flood(known, BURST));
}
