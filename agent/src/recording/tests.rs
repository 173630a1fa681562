use super::*;
use crate::container::SlotReader;
use crate::engine::{KernelView, RunningContainer};
use crate::event::{BootTime, ContainerId, ExecId, SlotKey};
use crate::process::LineageReader;
use crate::profile::{ProfileSet, parse};
use crate::user_rules::{RuleSource, UserRuleSet};
use agent_common::behaviour::BehaviourKey;
use agent_common::lineage::LineageHead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zerocopy::FromZeros;

/// Maps that know one process and one behaviour.
struct Maps;

impl LineageReader for Maps {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        (exec_id.0 != 8).then(|| LineageEntry {
            head: LineageHead {
                tgid: 41,
                slot: u32::from(exec_id.0 == 7),
                args_len: 6,
                ..LineageHead::new_zeroed()
            },
            args: {
                let mut args = [0; agent_common::limits::LINEAGE_ARGS];
                args[..6].copy_from_slice(b"secret");
                args
            },
            ..LineageEntry::new_zeroed()
        })
    }
}

const COUNTED: Occurrences = Occurrences {
    count: 3,
    last: BootTime(7),
};

impl KernelView for Maps {
    fn forget(&mut self, _: &BehaviourKey) -> Option<Occurrences> {
        Some(COUNTED)
    }
}

impl SlotReader for Maps {
    fn slot(&mut self, _: u32) -> Option<SlotState> {
        None
    }
}

fn start() -> Start {
    Start {
        abi: agent_common::ABI_VERSION,
        ..Start::default()
    }
}

fn profiles() -> Arc<ProfileSet> {
    let text = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: web}\n\
                match: {images: [web]}\nstate: complete\nlisten: [{port: 80}]\n";
    let profile = parse(text, Path::new("web.yaml")).unwrap();
    Arc::new(ProfileSet::new(vec![("web.yaml".into(), profile)]).unwrap())
}

fn rules() -> Arc<UserRuleSet> {
    let text = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: shop}\nrules:\n- {id: user.shell, on: [exec], \
                condition: event.exe == '/bin/sh', class: drift, severity: low, title: A shell}\n";
    let source = RuleSource {
        file: "shop.yaml".into(),
        text: text.to_owned(),
    };
    Arc::new(UserRuleSet::compile(vec![source]).unwrap())
}

fn inputs() -> [Input; 9] {
    let removed = crate::container::RuntimeEvent::Removed {
        id: ContainerId::from("web1"),
    };
    [
        Input::Record(vec![1, 2, 3]),
        Input::Runtime(removed),
        Input::Running(RunningContainer {
            key: SlotKey {
                slot: 3,
                generation: 1,
            },
            created: BootTime(7),
            flags: 1,
            id: "web1".to_owned(),
        }),
        Input::Ended(SlotKey {
            slot: 3,
            generation: 1,
        }),
        Input::Host(Box::default()),
        Input::Profiles(profiles()),
        Input::Rules(rules()),
        Input::Tick(BootTime(9)),
        Input::End,
    ]
}

fn recorded(dir: &Path, max_bytes: u64) -> (PathBuf, u64) {
    let path = dir.join("run.vigia");
    let mut writer = Writer::create(&path, max_bytes, &start()).unwrap();
    for input in &inputs() {
        writer.input(input);
        let mut kernel = RecordingKernel {
            kernel: &mut Maps,
            writer: &mut writer,
        };
        kernel.read(ExecId(7));
        kernel.read(ExecId(8));
        kernel.forget(&BehaviourKey::new_zeroed());
        kernel.slot(1);
    }
    (path, writer.finish().unwrap())
}

#[test]
fn a_replay_gets_the_inputs_and_the_answers_of_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let (path, skipped) = recorded(dir.path(), 1 << 20);
    assert_eq!(skipped, 0);
    let mut reader = Reader::open(&path).unwrap();
    assert_eq!(*reader.start(), start());
    for expected in inputs() {
        let (input, mut kernel) = reader.next_input().unwrap().unwrap();
        assert_eq!(input, expected);
        assert_eq!(kernel.read(ExecId(7)).unwrap().head.tgid, 41);
        assert!(kernel.read(ExecId(8)).is_none());
        assert_eq!(kernel.forget(&BehaviourKey::new_zeroed()), Some(COUNTED));
        assert!(kernel.slot(1).is_none());
    }
    assert!(reader.next_input().unwrap().is_none());
}

#[test]
fn a_cut_recording_gives_what_precedes_the_cut_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = recorded(dir.path(), 1 << 20);
    let whole = std::fs::read(&path).unwrap();
    for len in 0..whole.len() {
        let read = Reader::new(&whole[..len], "cut").and_then(|mut reader| {
            while reader.next_input()?.is_some() {}
            Ok(())
        });
        // A cut between two frames is a shorter recording.
        if let Err(error) = read {
            assert!(
                matches!(
                    error,
                    RecordingError::Damaged { .. } | RecordingError::NotARecording(_)
                ),
                "{error}"
            );
        }
    }
}

#[test]
fn a_flipped_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = recorded(dir.path(), 1 << 20);
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        let read = Reader::new(&bytes[..], "flipped").and_then(|mut reader| {
            while reader.next_input()?.is_some() {}
            Ok(())
        });
        assert!(read.is_err(), "byte {at}");
    }
}

#[test]
fn a_full_recording_counts_what_it_left_out_and_replays() {
    let dir = tempfile::tempdir().unwrap();
    let (path, skipped) = recorded(dir.path(), 1_500);
    assert!(skipped > 0);
    let mut reader = Reader::open(&path).unwrap();
    while reader.next_input().unwrap().is_some() {}
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = recorded(dir.path(), 1 << 20);
    assert!(matches!(
        Writer::create(&path, 1 << 20, &start()),
        Err(RecordingError::Io { .. })
    ));
}

#[test]
fn another_file_is_named_as_no_recording() {
    assert!(matches!(
        Reader::new(&b"apiVersion: vigia.dev"[..], "x"),
        Err(RecordingError::NotARecording(_))
    ));
}

#[test]
fn arguments_of_host_processes_are_not_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.vigia");
    let mut writer = Writer::create(&path, 1 << 20, &start()).unwrap();
    writer.input(&Input::End);
    let mut kernel = RecordingKernel {
        kernel: &mut Maps,
        writer: &mut writer,
    };
    let entry = kernel.read(ExecId(9)).unwrap();
    assert_eq!(
        (entry.head.tgid, entry.head.args_len),
        (41, 0),
        "nor seen by the run"
    );
    writer.finish().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
}
