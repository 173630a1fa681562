use super::*;
use agent_common::behaviour::BehaviourKey;
use agent_common::event::{ContainerOp, RecordFlags};
use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

const KINDS: std::ops::RangeInclusive<u16> = 1..=15;

fn header(kind: EventKind, len: usize) -> EventHeader {
    let mut header = EventHeader::new_zeroed();
    header.kind = kind;
    header.len = u16::try_from(len).unwrap();
    header.slot = 7;
    header.flags = RecordFlags(RecordFlags::DEVIATION);
    header.behaviour = BehaviourKey {
        slot: 7,
        ..BehaviourKey::new_zeroed()
    };
    header
}

fn container_record(id: &[u8]) -> Vec<u8> {
    let fixed = size_of::<ContainerEvent>();
    let event = ContainerEvent {
        header: header(EventKind::CONTAINER, fixed + id.len()),
        op: ContainerOp::CREATED,
        slot_flags: 0,
        id: StrRef {
            off: u16::try_from(fixed).unwrap(),
            len: u16::try_from(id.len()).unwrap(),
        },
        cgroup: StrRef::default(),
    };
    [event.as_bytes(), id].concat()
}

#[test]
fn strings_are_read_from_the_tail() {
    let event = decode(&container_record(b"web1")).unwrap();
    let Payload::Container(lifecycle) = event.payload else {
        panic!("{event:?}")
    };
    assert_eq!(lifecycle.id, KernelString::from("web1"));
    assert_eq!(lifecycle.op, ContainerOp::CREATED);
}

#[test]
fn every_truncation_is_an_error() {
    let record = container_record(b"web1");
    for len in 0..record.len() {
        assert!(decode(&record[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn bytes_after_the_record_are_ignored() {
    let mut record = container_record(b"web1");
    record.extend_from_slice(b"next record");
    assert!(decode(&record).is_ok());
}

#[test]
fn a_string_that_ends_past_the_record_is_an_error() {
    let mut event = ContainerEvent::read_from_prefix(&container_record(b"web1"))
        .unwrap()
        .0;
    event.id.len += 1;
    let record = [event.as_bytes(), b"web1-and-more"].concat();
    assert_eq!(
        decode(&record),
        Err(DecodeError::StringOutOfRange {
            kind: EventKind::CONTAINER
        })
    );
}

#[test]
fn unknown_kind_is_an_error_not_ub() {
    let record = header(EventKind(999), size_of::<EventHeader>());
    assert_eq!(
        decode(record.as_bytes()),
        Err(DecodeError::UnknownKind(EventKind(999)))
    );
}

#[test]
fn a_header_that_claims_less_than_itself_is_an_error() {
    let record = header(EventKind::EXEC, 8);
    assert!(matches!(
        decode(record.as_bytes()),
        Err(DecodeError::Length { said: 8, .. })
    ));
}

#[test]
fn an_unaligned_record_decodes_the_same() {
    let record = container_record(b"web1");
    let shifted = [&[0][..], &record].concat();
    assert_eq!(decode(&shifted[1..]), decode(&record));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        std::hint::black_box(decode(&bytes)).ok();
    }

    #[test]
    fn random_payloads_of_known_kinds_never_panic(
        kind in KINDS, mut bytes in proptest::collection::vec(any::<u8>(), 152..600)
    ) {
        let head = header(EventKind(kind), bytes.len());
        bytes[..size_of::<EventHeader>()].copy_from_slice(head.as_bytes());
        std::hint::black_box(decode(&bytes)).ok();
    }
}
