//! Names that containers were answered, from records to alerts.

use super::contacts::two_containers;
use super::*;
use agent_common::event::DnsEvent;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};

/// What a name server sent the web container.
fn received(message: &[u8], second: u64) -> Input {
    let mut event = DnsEvent::new_zeroed();
    event.header = header(EventKind::DNS, second);
    event.server = crate::detect::testing::end("10.96.0.10", 53);
    (event.protocol, event.direction) = (17, DnsEvent::RECEIVED);
    event.message = string::<DnsEvent>(message.len());
    with_strings(event, |event| &mut event.header, message)
}

fn answers(name: &str, address: [u8; 4], second: u64) -> Input {
    let name = Name::from_ascii(name).unwrap();
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(name.clone(), RecordType::A));
    let address = A(address.into());
    message.add_answer(Record::from_rdata(name, 60, RData::A(address)));
    received(&message.to_vec().unwrap(), second)
}

/// Profiles of the web container's image.
fn profile(text: &str) -> Input {
    let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: web}\nmatch: {images: [nginx]}";
    let file = std::path::Path::new("web.yaml");
    let profile = crate::profile::parse(&format!("{head}\n{text}\n"), file).unwrap();
    let profiles = ProfileSet::new(vec![(file.to_owned(), profile)]).unwrap();
    Input::Profiles(Arc::new(profiles))
}

#[test]
fn an_alert_calls_the_peer_as_the_container_asked_for_it() {
    let mut run = two_containers();
    run.feed(profile("state: complete"));
    run.feed(answers("Updates.Example.org.", [203, 0, 113, 9], 2))
        .feed(connects_to("203.0.113.9", 443, 3))
        .feed(connects_to("203.0.113.10", 443, 3));
    assert_eq!(run.rules(), [("lateral.unexpected_connection", 0); 2]);
    let (named, unnamed) = (&run.alerts[0], &run.alerts[1]);
    assert_eq!(
        named.summary,
        "/usr/bin/app in web contacted 203.0.113.9:443/tcp (updates.example.org), which its profile does not name"
    );
    assert_eq!(named.evidence["peer_name"], "updates.example.org");
    assert!(!unnamed.evidence.contains_key("peer_name") && !unnamed.summary.contains('('));
}

#[test]
fn who_is_named_by_the_profile_may_have_any_address() {
    let mut run = two_containers();
    run.feed(profile(
        "state: complete\nconnect: [{dns: \"*.example.org\", port: 443}]",
    ));
    for (second, host) in [(2, 9), (4, 77)] {
        run.feed(answers("updates.example.org.", [203, 0, 113, host], second))
            .feed(connects_to(&format!("203.0.113.{host}"), 443, second + 1));
    }
    // One more name of an address takes nothing away.
    run.feed(answers("elsewhere.example.net.", [203, 0, 113, 9], 6))
        .feed(connects_to("203.0.113.9", 443, 7));
    assert_eq!(run.rules(), []);
    run.feed(connects_to("203.0.113.9", 80, 8))
        .feed(answers("elsewhere.example.net.", [203, 0, 113, 10], 8))
        .feed(connects_to("203.0.113.10", 443, 9));
    assert_eq!(run.rules(), [("lateral.unexpected_connection", 0); 2]);
}

#[test]
fn what_is_learned_of_a_service_outside_is_its_name() {
    let mut run = two_containers();
    let (session, _) = run.engine.learn(Selector::Container("web".to_owned())).unwrap();
    for (second, host) in [(2, 9), (4, 77)] {
        run.feed(answers("updates.example.org.", [203, 0, 113, host], second))
            .feed(connects_to(&format!("203.0.113.{host}"), 443, second + 1));
    }
    let profile = run.engine.learned(session).unwrap();
    let names: Vec<String> = profile
        .connect
        .iter()
        .filter_map(|entry| Some(entry.dns.as_ref()?.to_string()))
        .collect();
    assert_eq!(names, ["updates.example.org"]);
}

#[test]
fn names_are_forgotten_with_their_container_and_are_no_other_s() {
    let mut run = two_containers();
    run.feed(answers("updates.example.org.", [203, 0, 113, 9], 2));
    assert_eq!(run.engine.pressure().names, 1);
    let neighbour = SlotKey {
        slot: 4,
        generation: 1,
    };
    let address = "203.0.113.9".parse().unwrap();
    assert!(run.engine.names.of(neighbour, address).is_empty());
    run.feed(lifecycle(ContainerOp::GONE, 3));
    assert_eq!(run.engine.pressure().names, 0);
}

#[test]
fn what_is_no_message_is_counted_and_says_nothing_of_the_sensor() {
    let mut run = two_containers();
    run.feed(received(b"SSH-2.0-OpenSSH_9.6", 2));
    let stats = run.engine.stats();
    assert_eq!(stats.undecodable["unreadable"], 1);
    assert_eq!(stats.received, stats.handled_total() + stats.undecodable_total());
    assert_eq!(run.rules(), []);
}
