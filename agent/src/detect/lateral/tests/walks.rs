//! Zones, services and networks that somebody goes through by questions for names.

use super::*;
use crate::detect::Class;
use crate::detect::testing::{answer, question};
use crate::event::{Dns, QuestionType, ResponseCode};
use std::net::IpAddr;

const RULE: &str = "lateral.zone_walk";

/// How many of these messages, so many in a second, were handled when the rule told of them.
fn told_at(mut scene: Scene, rate: u64, messages: impl Iterator<Item = Dns>) -> Option<usize> {
    messages.enumerate().find_map(|(number, message)| {
        scene.now_ns += SECOND / rate;
        let rules = scene.rules(Payload::Dns(message));
        rules.contains(&RULE).then_some(number + 1)
    })
}

fn told(messages: impl Iterator<Item = Dns>) -> Option<usize> {
    told_at(app(), 10, messages)
}

fn asks(name: &str, kind: QuestionType) -> bool {
    told([question(name, kind)].into_iter()).is_some()
}

fn pointer(address: &str) -> Dns {
    let address: IpAddr = address.parse().unwrap();
    let name = match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let digits = v6.octets().iter().rev().fold(String::new(), |name, octet| {
                format!("{name}{:x}.{:x}.", octet % 16, octet / 16)
            });
            format!("{digits}ip6.arpa")
        }
    };
    question(&name, QuestionType::PTR)
}

fn absent(name: &str, zone: Option<&str>) -> Dns {
    Dns {
        code: ResponseCode::NX_DOMAIN,
        zone: zone.map(Into::into),
        ..answer(name, QuestionType::A, &[])
    }
}

#[test]
fn one_question_for_everything_is_a_walk_whoever_asks() {
    for (name, kind) in [
        ("test", QuestionType::AXFR),
        ("shop.internal", QuestionType::IXFR),
        ("any.any.svc.cluster.local", QuestionType::SRV),
        ("any.any.any.svc.cluster.local", QuestionType::A),
        ("*.*.svc.cluster.local", QuestionType::A),
        ("svc.cluster.local", QuestionType::SRV),
        ("default.svc.cluster.local", QuestionType::SRV),
        ("kube-system.svc.cluster.local", QuestionType::SRV),
    ] {
        assert!(asks(name, kind), "{name}");
    }
}

#[test]
fn clients_of_services_do_not_walk() {
    for (name, kind) in [
        ("_http._tcp.web.shop.svc.cluster.local", QuestionType::SRV),
        ("_client._tcp.kafka.shop.svc.cluster.local", QuestionType::SRV),
        ("_etcd-server-ssl._tcp.example.org", QuestionType::SRV),
        // What is searched in for one name.
        ("kafka.shop.svc.cluster.local", QuestionType::SRV),
        ("kafka.svc.cluster.local", QuestionType::SRV),
        ("db.service.consul", QuestionType::SRV),
        ("db.service.consul.shop.svc.cluster.local", QuestionType::SRV),
        ("web-0.web.shop.svc.cluster.local", QuestionType::A),
        ("svc.cluster.local", QuestionType::A),
        ("example.org", QuestionType::TXT),
    ] {
        assert!(!asks(name, kind), "{name}");
    }
    let answered = answer("test", QuestionType::AXFR, &[]);
    assert!(told([answered].into_iter()).is_none(), "asked for by nobody");
}

#[test]
fn what_a_tool_is_told_and_what_it_asks_is_one_deed() {
    let mut scene = scene("acme/app", "/usr/bin/dig").below(&["/bin/bash", "/bin/sh"]);
    let executed = scene.executed(&["dig", "@10.222.0.10", "test", "AXFR"]);
    let mut found = scene.inspect(executed);
    found.extend(scene.inspect(Payload::Dns(question("test", QuestionType::AXFR))));
    found.retain(|finding| finding.rule.id == RULE);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0].deed, &found[0].object),
        (&found[1].deed, &found[1].object)
    );
    assert_eq!(
        found[1].summary,
        "/usr/bin/dig in web asks for the whole zone test"
    );
    // The container was made for it, or its profile has it so.
    let mut own = super::scene("acme/zones", "/usr/bin/dig");
    let transfer = || Payload::Dns(question("test", QuestionType::AXFR));
    assert!(own.rules_of(Class::Lateral, transfer()).is_empty());
    let mut learned = scene.with_profile("exec: [{path: /usr/bin/dig}]");
    assert!(learned.rules_of(Class::Lateral, transfer()).is_empty());
    let mut python = app().with_profile("exec: [{path: /usr/bin/python3}]");
    assert_eq!(python.rules_of(Class::Lateral, transfer()), ["zone_walk"]);
}

#[test]
fn who_asks_for_the_names_of_neighbours_goes_through_their_network() {
    let network = |count: u32| (1..=count).map(|host| pointer(&format!("10.0.3.{host}")));
    assert_eq!((told(network(63)), told(network(254))), (None, Some(64)));
    let down = (1..255_u32)
        .rev()
        .map(|host| pointer(&format!("192.168.7.{host}")));
    assert_eq!(told(down), Some(64));
    let threads = (1..100_u32).flat_map(|host| [host, host + 128]);
    let turns = threads.map(|host| pointer(&format!("192.168.7.{host}")));
    assert_eq!(told(turns), Some(64), "two take turns");
    let own = (1..100_u32).map(|host| pointer(&format!("fd00::{host:x}")));
    assert_eq!(told(own), Some(64));
    assert_eq!(told_at(app(), 2, network(254)), Some(64));
    let slow = network(254).flat_map(|one| [one, pointer("203.0.113.1"), pointer("203.0.113.2")]);
    assert_eq!(told_at(app(), 1, slow), None, "twenty in a minute");
}

#[test]
fn who_asks_for_the_names_of_his_clients_does_not() {
    let public = (1..255_u32).map(|host| pointer(&format!("203.0.113.{host}")));
    let pods = (0..120_u32).map(|pod| pointer(&format!("10.{}.{}.{}", pod % 7, pod % 11, pod)));
    let clients = (0..80_u32).map(|client| pointer(&format!("10.0.3.{}", client * 3)));
    assert_eq!([told(public), told(pods), told(clients)], [None; 3]);
    // All of a network, as they come.
    let full = (0..256_u32).map(|step| pointer(&format!("10.0.3.{}", step * 97 % 256)));
    assert_eq!(told(full), None);
    let addresses = (1..255_u32).map(|host| question(&format!("host{host}.example.org"), QuestionType::A));
    assert_eq!(told(addresses), None, "no pointers");
}

#[test]
fn words_that_are_tried_in_one_zone_are_a_walk() {
    let words = |zone: Option<&'static str>, below: &'static str| {
        (1..=60_u32).map(move |word| absent(&format!("host{word}.{below}"), zone))
    };
    assert_eq!(told(words(Some("example.org"), "example.org")), Some(50));
    assert_eq!(told(words(None, "corp.example.org")), Some(50));
    assert_eq!(
        told(words(Some("cluster.local"), "web.svc.cluster.local")),
        Some(50)
    );
    let namespaces = (0..300_u32).map(|number| {
        let name = format!("redis{}.ns{}.svc.cluster.local", number / 5, number % 5);
        absent(&name, Some("cluster.local"))
    });
    assert_eq!(told(namespaces), Some(49 * 5 + 1), "each has its own words");
    assert_eq!(told(words(Some("example.org"), "example.org").take(49)), None);
    assert_eq!(told_at(app(), 1, words(None, "example.org")), Some(50));
    let slow = words(None, "example.org").flat_map(|one| [one.clone(), one]);
    assert_eq!(told_at(app(), 1, slow), None, "thirty different ones in a minute");
}

#[test]
fn names_that_do_not_exist_are_ordinary_where_resolvers_search() {
    const SEARCHED: [&str; 4] = [
        "shop.svc.cluster.local",
        "svc.cluster.local",
        "cluster.local",
        "corp.example.org",
    ];
    let zone = |below: &str| {
        Some(if below.ends_with("local") {
            "cluster.local"
        } else {
            "example.org"
        })
    };
    let searched = |name: String| {
        let one = move |below: &&str| absent(&format!("{name}.{below}"), zone(below));
        SEARCHED.iter().map(one).collect::<Vec<_>>()
    };
    for site in ["www.site", "site"] {
        let crawler = (0..200_u32).flat_map(|number| searched(format!("{site}{number}.com")));
        assert_eq!(told(crawler), None, "{site}");
    }
    for end in ["dev", "xyz", "lan", "io"] {
        let apexes = (0..200_u32).flat_map(|number| searched(format!("switch{number}.{end}")));
        assert_eq!(told(apexes), None, "{end}");
    }
    let unknown = (0..200_u32).flat_map(|number| searched(format!("foo{number}.kind{}", number % 5)));
    assert_eq!(told(unknown), None, "some of each");
    let services = (0..49_u32).flat_map(|service| searched(format!("service{service}")));
    assert_eq!(told(services), None, "each is one");
    let listed = |list: &'static str, zone: Option<&'static str>| {
        (0..200_u32).map(move |mail| absent(&format!("{mail}.2.0.192.{list}"), zone))
    };
    assert_eq!(told(listed("zen.example.org", Some("zen.example.org"))), None);
    let domains = (0..200_u32).map(|mail| absent(&format!("shop{mail}.com.multi.uribl.example"), None));
    let senders = (0..200_u32).map(|mail| absent(&format!("shop{mail}.com"), Some("com")));
    let digests = (0..200_u32).map(|mail| {
        let name = format!("{mail:040x}.ebl.example.org");
        absent(&name, Some("ebl.example.org"))
    });
    assert_eq!([told(domains), told(senders), told(digests)], [None; 3]);
}

#[test]
fn resolvers_and_names_of_the_profile_are_left_out() {
    let transfer = || [question("corp.example.org", QuestionType::AXFR)].into_iter();
    for image in ["ubuntu/bind9", "coredns/coredns", "acme/unbound"] {
        assert_eq!(
            told_at(scene(image, "/usr/sbin/named"), 10, transfer()),
            None,
            "{image}"
        );
    }
    let named = app().with_profile("connect: [{dns: corp.example.org, port: 53}]");
    assert_eq!(told_at(named, 10, transfer()), None);
    let other = app().with_profile("connect: [{dns: \"*.corp.example.org\", port: 53}]");
    assert_eq!(told_at(other, 10, transfer()), Some(1));
}
