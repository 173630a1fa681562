use super::{Frame, MAGIC, MAX_FRAME, RecordingError, Start, VERSION, kind};
use crate::container::SlotReader;
use crate::engine::{Input, KernelView, Occurrences};
use crate::event::{BootTime, ExecId};
use crate::process::LineageReader;
use crate::profile::{Profile, ProfileSet};
use crate::user_rules::UserRuleSet;
use agent_common::behaviour::BehaviourKey;
use agent_common::lineage::LineageEntry;
use agent_common::slot::SlotState;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zerocopy::FromBytes;

/// Reads a recording frame by frame.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    offset: u64,
    start: Start,
    /// The input that ended the answers of the one before.
    next_input: Option<Input>,
}

impl Reader<BufReader<File>> {
    /// Opens a recording.
    ///
    /// # Errors
    /// When it cannot be read, is none, or is of another version.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| RecordingError::Io {
            path: name.clone(),
            source,
        })?;
        Self::new(BufReader::new(file), &name)
    }
}

impl<R: Read> Reader<R> {
    /// Reads the header and the start from `source`; `name` is for messages.
    ///
    /// # Errors
    /// When it is no recording, or of another version.
    pub fn new(mut source: R, name: &str) -> Result<Self, RecordingError> {
        let mut head = [0; 10];
        source
            .read_exact(&mut head)
            .map_err(|_| RecordingError::NotARecording(name.to_owned()))?;
        if head[..8] != MAGIC {
            return Err(RecordingError::NotARecording(name.to_owned()));
        }
        let version = u16::from_le_bytes([head[8], head[9]]);
        if version != VERSION {
            return Err(RecordingError::Version(version));
        }
        let mut reader = Self {
            source,
            offset: head.len() as u64,
            start: Start::default(),
            next_input: None,
        };
        let Some(Frame::Start(start)) = reader.frame()? else {
            return Err(reader.damaged("the first frame is not the start"));
        };
        if !(agent_common::OLDEST_RECORDS..=agent_common::ABI_VERSION).contains(&start.abi) {
            return Err(RecordingError::Abi(start.abi));
        }
        reader.start = *start;
        reader.next_input = match reader.frame()? {
            Some(Frame::Input(input)) => Some(input),
            None => None,
            Some(_) => return Err(reader.damaged("an answer before the first input")),
        };
        Ok(reader)
    }

    /// What was known at the start.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.start
    }

    /// The next input with the kernel's answers to it; `None` at the end.
    ///
    /// # Errors
    /// [`RecordingError::Damaged`]: nothing after it can be read.
    pub fn next_input(&mut self) -> Result<Option<(Input, ReplayKernel)>, RecordingError> {
        let Some(input) = self.next_input.take() else {
            return Ok(None);
        };
        let mut kernel = ReplayKernel::default();
        loop {
            match self.frame()? {
                Some(Frame::Input(next)) => self.next_input = Some(next),
                Some(Frame::Start(_)) => return Err(self.damaged("a second start")),
                Some(answer) => {
                    kernel.answers.push_back(answer);
                    continue;
                }
                None => {}
            }
            return Ok(Some((input, kernel)));
        }
    }

    fn damaged(&self, reason: &'static str) -> RecordingError {
        RecordingError::Damaged {
            offset: self.offset,
            reason,
        }
    }

    fn frame(&mut self) -> Result<Option<Frame>, RecordingError> {
        let mut head = [0; 9];
        match self.source.read(&mut head[..1]) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return self.frame(),
            Err(_) => return Err(self.damaged("cannot be read")),
        }
        self.source
            .read_exact(&mut head[1..])
            .map_err(|_| self.damaged("the last frame is cut"))?;
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = head;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if len > MAX_FRAME {
            return Err(self.damaged("a frame of impossible length"));
        }
        let mut bytes = vec![0; len];
        self.source
            .read_exact(&mut bytes)
            .map_err(|_| self.damaged("the last frame is cut"))?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[kind]);
        crc.update(&bytes);
        if crc.finalize() != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged("a checksum does not match"));
        }
        let frame = parse(kind, bytes).ok_or_else(|| self.damaged("a frame has an unexpected shape"))?;
        self.offset += (head.len() + len) as u64;
        Ok(Some(frame))
    }
}

fn parse(kind: u8, bytes: Vec<u8>) -> Option<Frame> {
    Some(match kind {
        kind::START => Frame::Start(serde_json::from_slice(&bytes).ok()?),
        kind::RECORD => Frame::Input(Input::Record(bytes)),
        kind::RUNTIME => Frame::Input(Input::Runtime(serde_json::from_slice(&bytes).ok()?)),
        kind::SENSOR => Frame::Input(Input::Sensor(serde_json::from_slice(&bytes).ok()?)),
        kind::TICK => Frame::Input(Input::Tick(BootTime(number(&bytes)?))),
        kind::RUNNING => Frame::Input(Input::Running(serde_json::from_slice(&bytes).ok()?)),
        kind::ENDED => Frame::Input(Input::Ended(serde_json::from_slice(&bytes).ok()?)),
        kind::HOST => Frame::Input(Input::Host(serde_json::from_slice(&bytes).ok()?)),
        kind::PROFILES => Frame::Input(Input::Profiles(profiles(&bytes)?)),
        kind::RULES => Frame::Input(Input::Rules(rules(&bytes)?)),
        kind::END if bytes.is_empty() => Frame::Input(Input::End),
        kind::LINEAGE => Frame::Lineage(answer(&bytes, |bytes| {
            LineageEntry::read_from_bytes(bytes).ok().map(Box::new)
        })?),
        kind::REPEATS => Frame::Repeats(answer(&bytes, occurrences)?),
        kind::SLOT => Frame::Slot(answer(&bytes, |bytes| {
            SlotState::read_from_bytes(bytes).ok().map(Box::new)
        })?),
        _ => return None,
    })
}

fn profiles(bytes: &[u8]) -> Option<Arc<ProfileSet>> {
    let documents: Vec<Profile> = serde_json::from_slice(bytes).ok()?;
    let named = documents
        .into_iter()
        .map(|profile| (PathBuf::from("recording"), profile));
    Some(Arc::new(ProfileSet::new(named.collect()).ok()?))
}

fn rules(bytes: &[u8]) -> Option<Arc<UserRuleSet>> {
    let sources = serde_json::from_slice(bytes).ok()?;
    Some(Arc::new(UserRuleSet::compile(sources).ok()?))
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Count, and time of the last one, which recordings without it leave out.
fn occurrences(bytes: &[u8]) -> Option<Occurrences> {
    let (count, last) = bytes.split_at_checked(size_of::<u64>())?;
    Some(Occurrences {
        count: number(count)?,
        last: BootTime(if last.is_empty() { 0 } else { number(last)? }),
    })
}

/// No bytes: the answer was "nothing".
fn answer<T>(bytes: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if bytes.is_empty() {
        Some(None)
    } else {
        read(bytes).map(Some)
    }
}

/// Answers as the kernel's maps did while the input was handled.
#[derive(Debug, Default)]
pub struct ReplayKernel {
    answers: VecDeque<Frame>,
}

impl LineageReader for ReplayKernel {
    fn read(&mut self, _exec_id: ExecId) -> Option<LineageEntry> {
        match self.answers.pop_front()? {
            Frame::Lineage(entry) => entry.map(|entry| *entry),
            _ => None,
        }
    }
}

impl KernelView for ReplayKernel {
    fn forget(&mut self, _behaviour: &BehaviourKey) -> Option<Occurrences> {
        match self.answers.pop_front()? {
            Frame::Repeats(counted) => counted,
            _ => None,
        }
    }
}

impl SlotReader for ReplayKernel {
    fn slot(&mut self, _slot: u32) -> Option<SlotState> {
        match self.answers.pop_front()? {
            Frame::Slot(state) => state.map(|state| *state),
            _ => None,
        }
    }
}
