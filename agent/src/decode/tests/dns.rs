//! Messages of DNS, well formed and not.

use super::*;
use crate::event::{Dns, DnsDirection, DomainName, QuestionType, ResponseCode};
use agent_common::event::DnsEvent;
use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record as Answer, RecordType};
use proptest::prelude::*;

/// A record that hands on a message.
pub(super) fn sample(message: &[u8], truncated: u16) -> Sample {
    let fixed = size_of::<DnsEvent>();
    let mut event = DnsEvent::new_zeroed();
    event.direction = DnsEvent::RECEIVED;
    event.message = StrRef {
        off: u16::try_from(fixed).unwrap(),
        len: u16::try_from(message.len()).unwrap() | truncated,
    };
    super::sample(EventKind::DNS, &event, message)
}

fn read(message: &[u8]) -> Result<Dns, DecodeError> {
    read_cut(message, 0)
}

fn read_cut(message: &[u8], truncated: u16) -> Result<Dns, DecodeError> {
    match decode(&sample(message, truncated).bytes)?.payload {
        Payload::Dns(dns) => Ok(dns),
        other => panic!("{other:?}"),
    }
}

fn unreadable() -> DecodeError {
    DecodeError::Unreadable { kind: EventKind::DNS }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn response(asked: &str, kind: RecordType, answers: Vec<(&str, RData)>) -> Message {
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(name(asked), kind));
    for (owner, data) in answers {
        message.add_answer(Answer::from_rdata(name(owner), 300, data));
    }
    message
}

/// What is asked for is an alias, and has two addresses.
pub(super) fn aliased() -> Vec<u8> {
    let edge = "edge7.CDN.example.net.";
    let answers = vec![
        ("Updates.example.org.", RData::CNAME(CNAME(name(edge)))),
        (edge, RData::A(A::new(203, 0, 113, 9))),
        (edge, RData::A(A::new(203, 0, 113, 10))),
    ];
    let message = response("Updates.example.org.", RecordType::A, answers);
    message.to_vec().unwrap()
}

#[test]
fn an_answer_has_its_question_aliases_and_addresses() {
    let dns = read(&aliased()).unwrap();
    let question = dns.question.as_ref().unwrap();
    assert_eq!(question.name.as_str(), "updates.example.org");
    assert_eq!(question.kind, QuestionType::A);
    assert_eq!(dns.answered(), Some(question));
    assert_eq!(
        (dns.asked(), dns.code, dns.cut),
        (None, ResponseCode::NO_ERROR, false)
    );
    let addresses: Vec<_> = dns
        .addresses
        .iter()
        .map(|record| (record.address.to_string(), record.ttl_secs))
        .collect();
    assert_eq!(
        addresses,
        [("203.0.113.9".to_owned(), 300), ("203.0.113.10".to_owned(), 300)]
    );
    assert_eq!(dns.canonical_names, [DomainName::from("edge7.cdn.example.net")]);
    assert_eq!(dns.direction, DnsDirection::RECEIVED);
}

#[test]
fn ipv6_that_stands_for_ipv4_is_what_is_contacted() {
    let answers = ["64:ff9b::cb00:7109", "2001:db8::7"]
        .map(|address| ("db.", RData::AAAA(AAAA(address.parse().unwrap()))));
    let message = response("db.", RecordType::AAAA, answers.into());
    let dns = read(&message.to_vec().unwrap()).unwrap();
    let addresses: Vec<String> = dns
        .addresses
        .iter()
        .map(|record| record.address.to_string())
        .collect();
    assert_eq!(addresses, ["203.0.113.9", "2001:db8::7"]);
}

#[test]
fn a_name_that_does_not_exist_has_a_zone_and_texts_are_counted() {
    let mut message = response("nobody.example.org.", RecordType::TXT, Vec::new());
    message.metadata.response_code = hickory_proto::op::ResponseCode::NXDomain;
    let (server, mail) = (name("ns.example.org."), name("root.example.org."));
    let soa = SOA::new(server, mail, 1, 2, 3, 4, 5);
    message.add_authority(Answer::from_rdata(name("Example.org."), 60, RData::SOA(soa)));
    let dns = read(&message.to_vec().unwrap()).unwrap();
    assert_eq!(dns.code, ResponseCode::NX_DOMAIN);
    assert_eq!(dns.zone, Some("example.org".into()));
    let text = RData::TXT(TXT::new(vec!["x".repeat(200), "y".repeat(100)]));
    let message = response("t.example.org.", RecordType::TXT, vec![("t.example.org.", text)]);
    let dns = read(&message.to_vec().unwrap()).unwrap();
    assert_eq!((dns.opaque_bytes, dns.zone, dns.cut), (302, None, false));
}

#[test]
fn what_is_whole_of_a_message_that_was_cut_is_kept() {
    let message = aliased();
    let whole = read(&message).unwrap();
    let question = 12 + "_updates_example_org_".len() + 4;
    let mut seen = Vec::new();
    for len in 0..=message.len() {
        let read = read_cut(&message[..len], StrRef::TRUNCATED);
        if len < question {
            assert_eq!(read, Err(unreadable()), "{len} bytes");
            continue;
        }
        let dns = read.unwrap();
        assert!(dns.cut && dns.question == whole.question, "{len} bytes");
        let count = dns.addresses.len();
        assert_eq!(dns.addresses[..], whole.addresses[..count], "{len} bytes");
        seen.push(count);
    }
    assert!(
        seen.is_sorted() && seen.contains(&1) && seen.last() == Some(&2),
        "{seen:?}"
    );
    let unsaid = read(&message[..message.len() - 1]).unwrap();
    assert!(unsaid.cut, "it ends before it should");
}

#[test]
fn a_text_beyond_the_cut_counts_as_long_as_it_says() {
    let text = RData::TXT(TXT::new(vec!["x".repeat(200), "y".repeat(100)]));
    let message = response("t.example.org.", RecordType::TXT, vec![("t.example.org.", text)]);
    let bytes = message.to_vec().unwrap();
    let short = &bytes[..bytes.len() - 250];
    let opaque = |truncated| read_cut(short, truncated).map(|dns| (dns.opaque_bytes, dns.cut));
    assert_eq!(opaque(StrRef::TRUNCATED), Ok((302, true)));
    assert_eq!(opaque(0), Ok((0, true)), "its sender's claim");
    let address = aliased();
    let dns = read_cut(&address[..address.len() - 1], StrRef::TRUNCATED).unwrap();
    assert_eq!(dns.opaque_bytes, 0, "no text");
}

#[test]
fn what_is_no_message_is_an_error_of_its_own() {
    // A name that refers to itself, and one that goes on behind the message.
    let head: [u8; 12] = [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let circle = [&head[..], &[0xc0, 12, 0, 1, 0, 1]].concat();
    let endless = [&head[..], &[63, b'x']].concat();
    let forward = [&head[..], &[0xc0, 18, 0, 1, 0, 1, 1, b'x', 0]].concat();
    for bytes in [
        b"".as_slice(),
        b"SSH-2.0-OpenSSH_9.6",
        &[0; 11],
        &circle,
        &endless,
        &forward,
    ] {
        assert_eq!(read(bytes), Err(unreadable()), "{bytes:?}");
    }
    assert_eq!(unreadable().reason(), "unreadable");
    let empty = read(&[0; 12]).unwrap();
    assert_eq!(
        (empty.question, empty.is_response, empty.cut),
        (None, false, false)
    );
}

#[test]
fn records_of_a_wrong_form_end_the_message_and_other_types_do_not() {
    let head: [u8; 12] = [0, 7, 0x81, 0x80, 0, 1, 0, 3, 0, 0, 0, 0];
    let question = [1, b'x', 0, 0, 1, 0, 1];
    let record = |kind: u8, data: &[u8]| {
        let len = u8::try_from(data.len()).unwrap();
        [&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 9, 0, len][..], data].concat()
    };
    let message = |second: Vec<u8>| {
        let (first, third) = (record(1, &[10, 0, 0, 1]), record(1, &[10, 0, 0, 3]));
        [&head[..], &question, &first, &second, &third].concat()
    };
    let counted = |second: Vec<u8>| {
        let dns = read(&message(second)).unwrap();
        (dns.addresses.len(), dns.cut)
    };
    // An unknown type, EDNS's and SVCB's in a form that is none.
    for kind in [99, 41, 64] {
        assert_eq!(counted(record(kind, &[1, 2, 3])), (2, false), "type {kind}");
    }
    assert_eq!(counted(record(1, &[10, 0, 0])), (1, true));
    assert_eq!(counted(record(28, &[0; 4])), (1, true));
    // Aliases whose name ends before its data, and behind them.
    assert_eq!(counted(record(5, &[1, b'y', 0, 0])), (1, true));
    assert_eq!(counted(record(5, &[40, b'y'])), (1, true));
    assert_eq!(counted(record(5, &[0xc0, 12])), (2, false));
}

#[test]
fn names_that_a_name_is_an_alias_of_are_bounded() {
    let alias = || ("x.", RData::CNAME(CNAME(name("y."))));
    let message = response(
        "x.",
        RecordType::A,
        std::iter::repeat_with(alias).take(40).collect(),
    );
    let dns = read(&message.to_vec().unwrap()).unwrap();
    assert_eq!((dns.canonical_names.len(), dns.cut), (16, true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_messages_never_panic(message in proptest::collection::vec(any::<u8>(), 0..400)) {
        std::hint::black_box(read(&message)).ok();
    }

    #[test]
    fn damaged_messages_never_panic_and_names_stay_short(
        damage in proptest::collection::vec((0_usize..90, any::<u8>()), 1..8)
    ) {
        let mut message = aliased();
        for (at, byte) in damage {
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(dns) = read(&message) {
            for name in dns.question.iter().map(|question| &question.name).chain(&dns.canonical_names) {
                prop_assert!(name.as_str().len() <= 4 * 255);
                prop_assert!(name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
