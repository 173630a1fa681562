//! What the kernel is given of a profile, and what is left to the daemon.

use super::*;

fn tables(rest: &str) -> PolicyTables {
    let head =
        "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: x}\nmatch: {images: [x]}";
    let profile = parse(&format!("{head}\n{rest}\n"), Path::new("p.yaml")).unwrap();
    PolicyTables::of(&profile)
}

#[test]
fn what_the_kernel_cannot_match_is_left_to_the_daemon_and_counted() {
    let long = "x".repeat(600);
    let mine = [
        "exec: [{path: /bin/sh, parents: [/init, \"/usr/bin/*\"]}, {path: \"/usr/lib/**\"}]",
        "listen: [{port: 80, exe: \"**/nginx\"}, {port: any, address: 10.0.0.0/8}]",
        "connect: [{cidr: 10.0.0.0/8}, {port: 53, proto: udp}, {image: postgres}]",
        "files: {write: [{path: /var/log}, {path: \"/tmp/*\"}]}",
    ];
    for section in mine {
        assert_eq!(tables(section).left_to_daemon, 0, "{section}");
    }
    let daemons = [
        "exec: [{path: \"/usr/*/x\"}]".to_owned(),
        "exec: [{path: \"/bin/{a,b}\"}]".to_owned(),
        "exec: [{path: /bin/sh, args: [\"-c\"]}]".to_owned(),
        "connect: [{dns: example.org}, {cidr: 10.0.0.0/8}]".to_owned(),
        format!("exec: [{{path: /{long}}}]"),
        format!("files: {{write: [{{path: /{long}}}]}}"),
    ];
    for section in daemons {
        assert_eq!(tables(&section).left_to_daemon, 1, "{section}");
    }
}

#[test]
fn patterns_of_executables_beyond_what_a_set_holds_are_left_to_the_daemon() {
    let entries: Vec<String> = (0..70)
        .map(|n| format!("{{port: {}, exe: /bin/{n}}}", 1000 + n))
        .collect();
    let tables = tables(&format!("listen: [{}]", entries.join(", ")));
    assert_eq!((tables.left_to_daemon, tables.ports.len()), (7, 63));
}

#[test]
fn a_smaller_network_answers_for_those_around_it() {
    let tables = tables(
        "connect: [{cidr: 10.0.0.0/8, port: 80, exe: /a}, {cidr: 10.1.0.0/16, port: 80, exe: /b}, {cidr: 11.0.0.0/8, port: 80}]",
    );
    let of = |prefix: u32, first: u8, second: u8| {
        let is = |key: &&NetworkEntryKey| {
            (key.prefix, key.address[12], key.address[13]) == (96 + prefix, first, second)
        };
        tables.networks[tables.networks.keys().find(is).unwrap()]
    };
    assert_eq!((of(8, 10, 0), of(16, 10, 1)), (1, 3));
    assert_eq!(of(8, 11, 0), agent_common::policy::ANYBODY);
}

#[test]
fn capabilities_are_a_set_in_the_kernel_and_a_profile_without_them_says_nothing() {
    use agent_common::policy::Section;
    let judges = |tables: &PolicyTables| Section::CAPABILITIES.has(tables.info, Section::JUDGES);
    let some = tables("capabilities: [{name: CAP_CHOWN}, {name: net_raw}, {name: cap_bpf}]");
    assert_eq!((some.capabilities, judges(&some)), (1 | 1 << 13 | 1 << 39, true));
    let none = tables("capabilities: []");
    assert_eq!((none.capabilities, judges(&none)), (0, true));
    assert!(!judges(&tables("exec: [{path: /a}]")));
}

#[test]
fn an_image_stands_for_the_addresses_of_its_containers() {
    let tables = tables(
        "connect: [{image: \"postgres:*\", port: 5432, exe: /app}, {image: postgres, cidr: 10.0.0.0/8, port: 80}, \
         {cidr: 172.17.0.0/16, port: 5432, exe: /other}]",
    );
    let of = |address: &str, image: &str| {
        let entries = tables.of_peer(address.parse().unwrap(), &ImageName::parse(image).unwrap());
        let of_one = |(key, actors): (NetworkEntryKey, u64)| (key.port, key.prefix, actors);
        entries.into_iter().map(of_one).collect::<Vec<_>>()
    };
    let anybody = agent_common::policy::ANYBODY;
    assert_eq!(
        of("10.0.0.9", "docker.io/library/postgres:16"),
        [(80, 128, anybody), (5432, 128, 1)]
    );
    assert_eq!(
        of("172.17.0.9", "postgres:16"),
        [(5432, 128, 3)],
        "with what the network around it allows"
    );
    assert_eq!(of("172.17.0.9", "postgres-exporter"), []);
    let asked: Vec<u32> = tables.ports.keys().map(|key| key.port).collect();
    assert_eq!(asked, [80, 5432], "where a stranger may be one of them");
}

#[test]
fn only_complete_profiles_deny_and_only_what_they_describe() {
    use agent_common::policy::Section;
    let info = tables("mode: {drift: enforce, listener: enforce}\nexec: [{path: /a}]").info;
    let has = |section: Section, bits| section.has(info, bits);
    assert!(has(Section::EXEC, Section::JUDGES | Section::ENFORCES));
    assert!(!has(Section::WRITE, Section::JUDGES), "it names no files");
    assert!(has(Section::LISTEN, Section::ENFORCES), "it has no listeners");
    assert!(has(Section::CONNECT, Section::JUDGES) && !has(Section::CONNECT, Section::ENFORCES));
    let learning = tables("state: learning\nlisten: [{port: 80}]").info;
    assert!(!Section::LISTEN.has(learning, Section::JUDGES));
}
