use crate::container::{Labels, Pod};
use crate::detect::{Class, Severity};
use crate::event::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the schema in each alert.
pub const SCHEMA: &str = "vigia.alert/v1";

/// UUIDv7: stands for the behaviour, the same in every revision.
pub type AlertId = uuid::Uuid;

/// An alert as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    pub schema: String,
    #[schemars(with = "String")]
    pub id: AlertId,
    /// RFC 3339 with nanoseconds, UTC.
    #[schemars(with = "String")]
    pub time: Timestamp,
    pub class: Class,
    pub rule: String,
    pub severity: Severity,
    pub action: Action,
    /// Grows when the alert is sent again: with what is worse or new, and at last with its `repeat`.
    pub revision: u32,
    /// Other rules that matched the same record, or steps of the same deed.
    pub also: Vec<String>,
    pub summary: String,
    /// ATT&CK technique ids.
    pub attack: Vec<String>,
    /// Records of the container were lost around the event: there may be more than is shown.
    pub lossy: bool,
    /// `pending`, `resolved` or `unavailable`.
    pub metadata: String,
    /// Null for what concerns the host or the agent itself, and for a container that nobody knows any more.
    pub container: Option<AlertContainer>,
    pub profile: Option<AlertProfile>,
    pub process: Option<AlertProcess>,
    /// `kind` and what belongs to it.
    pub evidence: serde_json::Map<String, serde_json::Value>,
    pub repeat: Repeat,
    pub node: String,
}

/// What the agent did about it; of repeats the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Alerted,
    Denied,
    Killed,
}

/// The container of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertContainer {
    pub id: String,
    pub name: Option<String>,
    pub runtime: Option<String>,
    pub image: AlertImage,
    pub pod: Option<Pod>,
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Labels,
    /// Labels that are not shown: they were too many or too long.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub labels_omitted: u32,
    pub privileged: bool,
}

/// The image of an alert's container. All null while metadata is pending or unavailable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertImage {
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Config digest.
    pub id: Option<String>,
    /// Manifest digest.
    pub digest: Option<String>,
}

/// The profile that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertProfile {
    /// Null when there is none.
    pub name: Option<String>,
    /// `none`, `learning`, `partial`, `complete`.
    pub state: String,
    /// Mode for the alert's class: `learn`, `monitor`, `enforce`.
    pub mode: String,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertProcess {
    /// In the container's pid namespace.
    pub pid: u32,
    pub host_pid: u32,
    #[schemars(with = "String")]
    pub start: Timestamp,
    pub exe: String,
    pub args: Vec<String>,
    pub cwd: String,
    pub uid: u32,
    /// Parent first.
    pub ancestors: Vec<Ancestor>,
    /// The chain is not complete.
    pub ancestors_truncated: bool,
    /// False: the executable is not in the image; null: cannot be told.
    pub in_image: Option<bool>,
    /// `exe`, `args` or `cwd` were cut.
    pub truncated: bool,
}

/// A link of the ancestry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ancestor {
    pub host_pid: u32,
    pub exe: String,
    /// Empty for processes of the host: their arguments may hold secrets.
    pub args: Vec<String>,
    /// Outside the container: the shim, the runtime.
    pub host: bool,
}

/// How often the behaviour occurred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repeat {
    pub count: u64,
    #[schemars(with = "String")]
    pub first: Timestamp,
    #[schemars(with = "String")]
    pub last: Timestamp,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
