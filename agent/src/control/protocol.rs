//! One JSON object per line. The client sends one request; the daemon answers with one [`Answer`], after which a
//! watch goes on with lines of `vigia.event/v1`, `vigia.alert/v1` and `vigia.missed/v1`.

use super::{Filter, GraphReport, RefusalCode, StatusReport};
use serde::{Deserialize, Serialize};

/// Version of the protocol. Additive changes keep it.
pub const VERSION: u32 = 1;
/// Longest request, bytes.
pub const MAX_REQUEST_BYTES: u64 = 16 << 10;
/// Longest line that the daemon sends, bytes: a full graph with the longest names.
pub const MAX_LINE_BYTES: u64 = 8 << 20;

/// A request with the version it is written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub version: u32,
    #[serde(flatten)]
    pub request: Request,
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Request {
    Status,
    Graph,
    Watch { filter: Filter },
    Learn { target: LearnTarget, seconds: u64 },
    Reload,
}

/// What to learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LearnTarget {
    /// Name or id, or the beginning of an id.
    Container(String),
    /// Reference, id or digest.
    Image(String),
}

/// What the daemon answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status { report: Box<StatusReport> },
    Graph { report: Box<GraphReport> },
    Watching,
    Profile { yaml: String },
    Reloaded(Reloaded),
    Refused { code: RefusalCode, message: String },
}

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reloaded {
    /// Profiles that are in force now.
    pub profiles: usize,
    /// Rules of users that are in force now.
    pub rules: usize,
    /// What is not as before, such as ``sink `disk` added``.
    pub changed: Vec<String>,
    /// Keys whose new values are in force only after a restart.
    pub restart: Vec<String>,
}

/// Schema of [`Missed`] lines.
pub const MISSED_SCHEMA: &str = "vigia.missed/v1";

/// Lines that a watcher did not read in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    pub schema: String,
    /// Since the last such line.
    pub missed: u64,
}

impl Missed {
    /// A count to tell.
    #[must_use]
    pub fn new(missed: u64) -> Self {
        Self {
            schema: MISSED_SCHEMA.to_owned(),
            missed,
        }
    }
}
