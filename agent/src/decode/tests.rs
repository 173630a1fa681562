mod dns;

use super::*;
use agent_common::behaviour::BehaviourKey;
use agent_common::event::{
    AttemptEvent, AttributeEvent, BpfEvent, CapableEvent, ContainerEvent, ContainerOp, CredentialsEvent,
    DirectoryEvent, ExecEvent, FileOpenEvent, MmapEvent, ModuleEvent, MountEvent, NameEvent, PtraceEvent,
    RecordFlags, SetnsEvent, SignalEvent, SyscallEvent, UnixConnectEvent,
};
use proptest::prelude::*;
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// Where a record of this type refers to a string.
type StringField<T> = fn(&mut T) -> &mut StrRef;

const KINDS: std::ops::RangeInclusive<u16> = 1..=32;

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

/// A record of this kind whose strings, `text-0` and so on, follow one another to its end.
fn record<T>(kind: EventKind, strings: &[StringField<T>]) -> Sample
where
    T: FromZeros + IntoBytes + Immutable,
{
    let fixed = size_of::<T>();
    let (mut event, mut tail) = (T::new_zeroed(), Vec::new());
    for (number, string) in strings.iter().enumerate() {
        let text = format!("text-{number}").into_bytes();
        *string(&mut event) = StrRef {
            off: u16::try_from(fixed + tail.len()).unwrap(),
            len: u16::try_from(text.len()).unwrap(),
        };
        tail.extend(text);
    }
    sample(kind, &event, &tail)
}

/// A record of this kind with its tail.
fn sample<T: IntoBytes + Immutable>(kind: EventKind, event: &T, tail: &[u8]) -> Sample {
    let mut bytes = [event.as_bytes(), tail].concat();
    let head = header(kind, bytes.len());
    bytes[..size_of::<EventHeader>()].copy_from_slice(head.as_bytes());
    let fixed = size_of::<T>();
    Sample { kind, fixed, bytes }
}

struct Sample {
    kind: EventKind,
    /// Length of what precedes the strings.
    fixed: usize,
    bytes: Vec<u8>,
}

/// One record of each kind.
fn samples() -> Vec<Sample> {
    let net = |kind| record::<NetEvent>(kind, &[]);
    let name = |kind| record::<NameEvent>(kind, &[|e| &mut e.path, |e| &mut e.new_path, |e| &mut e.fs_path]);
    let directory = |kind| record::<DirectoryEvent>(kind, &[|e| &mut e.path, |e| &mut e.fs_path]);
    vec![
        record::<ExecEvent>(
            EventKind::EXEC,
            &[
                |e| &mut e.path,
                |e| &mut e.filename,
                |e| &mut e.args,
                |e| &mut e.cwd,
            ],
        ),
        record::<FileOpenEvent>(EventKind::FILE_OPEN, &[|e| &mut e.path, |e| &mut e.fs_path]),
        net(EventKind::BIND),
        net(EventKind::LISTEN),
        net(EventKind::CONNECT),
        net(EventKind::SEND),
        record::<UnixConnectEvent>(EventKind::UNIX_CONNECT, &[|e| &mut e.path]),
        record::<MountEvent>(
            EventKind::MOUNT,
            &[|e| &mut e.source, |e| &mut e.target, |e| &mut e.fstype],
        ),
        record::<PtraceEvent>(EventKind::PTRACE, &[]),
        record::<SetnsEvent>(EventKind::SETNS, &[]),
        record::<ModuleEvent>(EventKind::MODULE, &[|e| &mut e.path]),
        record::<BpfEvent>(EventKind::BPF, &[]),
        name(EventKind::UNLINK),
        name(EventKind::RENAME),
        record::<ContainerEvent>(EventKind::CONTAINER, &[|e| &mut e.id, |e| &mut e.cgroup]),
        directory(EventKind::CHROOT),
        directory(EventKind::CHDIR),
        name(EventKind::MKNOD),
        name(EventKind::LINK),
        name(EventKind::SYMLINK),
        record::<AttributeEvent>(
            EventKind::SETATTR,
            &[|e| &mut e.path, |e| &mut e.fs_path, |e| &mut e.name],
        ),
        record::<MmapEvent>(EventKind::MMAP, &[|e| &mut e.path, |e| &mut e.fs_path]),
        record::<SocketEvent>(EventKind::SOCKET, &[]),
        record::<CapableEvent>(EventKind::CAPABLE, &[]),
        record::<SignalEvent>(EventKind::SIGNAL, &[]),
        record::<CredentialsEvent>(EventKind::CREDENTIALS, &[]),
        record::<SyscallEvent>(EventKind::SYSCALL, &[|e| &mut e.text]),
        record::<ReceiveEvent>(EventKind::RECEIVE, &[]),
        record::<UnixConnectEvent>(EventKind::UNIX_BIND, &[|e| &mut e.path]),
        record::<AttemptEvent>(EventKind::EXEC_ATTEMPT, &[|e| &mut e.path, |e| &mut e.directory]),
        record::<SetnsEvent>(EventKind::UNSHARE, &[]),
        dns::sample(&dns::aliased(), 0),
    ]
}

#[test]
fn there_is_a_sample_of_every_known_kind_and_no_other_is_known() {
    let mut kinds: Vec<u16> = samples().iter().map(|sample| sample.kind.0).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, KINDS.collect::<Vec<_>>());
    for sample in samples() {
        let event = decode(&sample.bytes).unwrap();
        assert_eq!(event.header.kind, sample.kind);
    }
    for kind in (0..=u16::MAX).filter(|kind| !KINDS.contains(kind)) {
        let head = header(EventKind(kind), size_of::<EventHeader>());
        let unknown = Err(DecodeError::UnknownKind(EventKind(kind)));
        assert_eq!(decode(head.as_bytes()), unknown);
    }
}

#[test]
fn every_truncation_is_an_error() {
    for Sample { kind, bytes, .. } in samples() {
        for len in 0..bytes.len() {
            let error = decode(&bytes[..len]).unwrap_err();
            let expected = if len < size_of::<EventHeader>() {
                "no_header"
            } else {
                "length"
            };
            assert_eq!(error.reason(), expected, "kind {}, {len} bytes", kind.0);
        }
    }
}

#[test]
fn every_truncation_that_the_header_knows_of_is_an_error() {
    let head_len = size_of::<EventHeader>();
    for Sample { kind, fixed, bytes } in samples() {
        for len in head_len..bytes.len() {
            let mut cut = bytes.clone();
            cut[..head_len].copy_from_slice(header(kind, len).as_bytes());
            let expected = if len < fixed {
                DecodeError::TooShort { kind }
            } else {
                DecodeError::StringOutOfRange { kind }
            };
            // Whether what follows is another record's or nothing.
            assert_eq!(decode(&cut), Err(expected), "{len} bytes");
            assert_eq!(decode(&cut[..len]), Err(expected), "{len} bytes");
        }
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
    for Sample { kind, bytes, .. } in samples() {
        for shift in 1..8 {
            let shifted = [&[0; 8][..shift], &bytes].concat();
            let kind = kind.0;
            assert_eq!(
                decode(&shifted[shift..]),
                decode(&bytes),
                "kind {kind}, by {shift}"
            );
        }
    }
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
