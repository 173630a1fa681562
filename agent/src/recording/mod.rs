//! Recordings: everything that is not deterministic about a run, so that a replay gives the same alerts.
//!
//! A file is a header (magic, version), then frames: kind, length, CRC-32, bytes. The first frame is the
//! [`Start`]; then come the engine's inputs in order, each followed by the answers that the kernel's maps
//! gave while it was handled. A damaged or cut file ends at the damage and says so.
//!
//! Recordings are as confidential as alerts: they hold paths, arguments and names of containers. Of processes
//! outside containers they hold the executable only. The profiles and rules in force are part of them; who replays may choose
//! other profiles.

mod reader;
mod replay;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Reader, ReplayKernel};
pub use replay::{RecordedProfiles, Replayed, replay};
pub use writer::{RecordingKernel, Writer};

use crate::engine::{Input, Occurrences};
use crate::host::HostFacts;
use agent_common::lineage::LineageEntry;
use agent_common::slot::SlotState;
use serde::{Deserialize, Serialize};
use std::io;

/// First bytes of a recording.
const MAGIC: [u8; 8] = *b"VIGIAREC";
/// Version of the format: grows when a frame changes its meaning; readers refuse other versions.
const VERSION: u16 = 1;
/// Largest frame, bytes: all profiles of a node; a record or a runtime's description is far smaller.
const MAX_FRAME: usize = 1 << 24;

/// What a replay must know before the first input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub host: HostFacts,
    /// ABI version of the records.
    pub abi: u32,
}

/// A frame, decoded.
#[derive(Debug)]
enum Frame {
    Start(Box<Start>),
    Input(Input),
    Lineage(Option<Box<LineageEntry>>),
    Repeats(Option<Occurrences>),
    Slot(Option<Box<SlotState>>),
}

/// Numbers of the frame kinds. Never reused.
mod kind {
    pub(super) const START: u8 = 1;
    pub(super) const RECORD: u8 = 2;
    pub(super) const RUNTIME: u8 = 3;
    pub(super) const TICK: u8 = 4;
    pub(super) const LINEAGE: u8 = 5;
    pub(super) const REPEATS: u8 = 6;
    pub(super) const SLOT: u8 = 7;
    pub(super) const SENSOR: u8 = 8;
    pub(super) const RUNNING: u8 = 9;
    pub(super) const HOST: u8 = 10;
    pub(super) const END: u8 = 11;
    pub(super) const ENDED: u8 = 12;
    pub(super) const PROFILES: u8 = 13;
    pub(super) const RULES: u8 = 14;
}

/// Why a recording cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("recording {path}: {source}")]
    Io { path: String, source: io::Error },
    #[error("{0} is no recording: its first bytes are not `VIGIAREC`")]
    NotARecording(String),
    #[error(
        "recording has format version {0}; this agent reads version {VERSION}. Replay it with the agent that wrote it"
    )]
    Version(u16),
    #[error("recording is damaged at byte {offset}: {reason}; everything before it was read")]
    Damaged { offset: u64, reason: &'static str },
    #[error(
        "recording holds records of ABI {0}; this agent reads those of ABI {oldest} to {abi}",
        oldest = agent_common::OLDEST_RECORDS,
        abi = agent_common::ABI_VERSION
    )]
    Abi(u32),
}
