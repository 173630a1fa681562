//! What `agent status` shows.

use super::GraphStatus;
use crate::sink::SinkStats;
use crate::spool::Spool;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Schema of [`StatusReport`].
const SCHEMA: &str = "vigia.status/v1";

/// State of the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatusReport {
    pub schema: String,
    pub version: String,
    pub pid: u32,
    pub node: String,
    pub uptime_seconds: u64,
    /// The kernel programs are attached, and nobody changed them.
    pub ready: bool,
    pub capabilities: Vec<CapabilityStatus>,
    /// Books of the kernel half, by kind.
    pub events: BTreeMap<String, KindCounters>,
    /// Errors inside kernel programs, by cause; only those that occurred.
    pub kernel_errors: BTreeMap<String, u64>,
    /// The daemon's side of the books.
    pub records: RecordCounters,
    pub containers: Vec<ContainerStatus>,
    /// Container runtimes that are asked, or were.
    pub runtimes: BTreeMap<String, RuntimeStatus>,
    /// Who contacts whom: `agent graph` shows it.
    pub graph: GraphStatus,
    /// Profiles by state.
    pub profiles: BTreeMap<String, u64>,
    /// Rules that users wrote.
    pub user_rules: UserRulesStatus,
    /// Profiles in the kernel.
    pub policies: PolicyStatus,
    pub alerts: u64,
    pub sinks: Vec<SinkStatus>,
    pub spool: SpoolStatus,
    pub queues: BTreeMap<String, QueueStatus>,
    /// The kernel's maps that grow and shrink with containers.
    pub maps: BTreeMap<String, TableStatus>,
    /// The daemon's tables that do.
    pub tables: BTreeMap<String, TableStatus>,
    pub watchers: usize,
    /// What does not work, one sentence each.
    pub problems: Vec<String>,
}

impl Default for StatusReport {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            node: String::new(),
            uptime_seconds: 0,
            ready: false,
            capabilities: Vec::new(),
            events: BTreeMap::new(),
            kernel_errors: BTreeMap::new(),
            records: RecordCounters::default(),
            containers: Vec::new(),
            runtimes: BTreeMap::new(),
            graph: GraphStatus::default(),
            profiles: BTreeMap::new(),
            user_rules: UserRulesStatus::default(),
            policies: PolicyStatus::default(),
            alerts: 0,
            sinks: Vec::new(),
            spool: SpoolStatus::default(),
            queues: BTreeMap::new(),
            maps: BTreeMap::new(),
            tables: BTreeMap::new(),
            watchers: 0,
            problems: Vec::new(),
        }
    }
}

impl StatusReport {
    /// The state in one line: what is wrong first, then the figures that matter.
    #[must_use]
    pub fn headline(&self) -> String {
        let state = match self.problems.as_slice() {
            [] if self.ready => "OK".to_owned(),
            [] => "DEGRADED: not ready".to_owned(),
            [problem] => format!("DEGRADED: {problem}"),
            [problem, others @ ..] => format!("DEGRADED: {problem} (and {} more)", others.len()),
        };
        let seen: u64 = self.events.values().map(|kind| kind.seen).sum();
        // Each sink has to take every alert: the one that is behind says how many wait.
        let pending = self.sinks.iter().map(|sink| sink.pending).max().unwrap_or(0);
        let (containers, alerts) = (self.containers.len(), self.alerts);
        format!("{state}; containers {containers}, events {seen}, alerts {alerts}, pending {pending}")
    }
}

/// What serves a capability of the sensor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapabilityStatus {
    pub capability: String,
    /// `lsm`, `fentry`, `tracepoint`, or `none`.
    pub backend: String,
    /// `resolved`, `racy`, `arguments`, `blind`.
    pub trust: String,
    /// Why not a better backend; empty: there is none.
    pub reason: String,
}

/// Rules that users wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserRulesStatus {
    /// In force.
    pub rules: u64,
    /// Those whose condition could not be evaluated.
    pub failing: BTreeMap<String, FailingRule>,
}

/// A rule that says nothing of some events because its condition fails on them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailingRule {
    /// Events on which it failed.
    pub events: u64,
    /// Why, the last time.
    pub reason: String,
}

/// Profiles as the kernel has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyStatus {
    /// Of containers that run.
    pub profiles: u64,
    pub entries: u64,
    /// Entries that only the daemon can match: see docs/profiles.md.
    pub left_to_daemon: u64,
    /// Containers whose profile the kernel did not take.
    pub refused: u64,
    /// What is denied now.
    pub enforced: Vec<EnforcementStatus>,
}

/// How a section of profiles is enforced, or an escape denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnforcementStatus {
    /// `exec`, `write`, `read`, `listen`, `connect`, `capabilities`; `escape.…`.
    pub section: String,
    /// `lsm`, `cgroup`, `signal`.
    pub means: String,
    /// `denied`, `killed`.
    pub action: String,
    /// What it cannot keep anybody from; empty: nothing.
    pub gap: String,
}

/// `seen = repeated + sent + suppressed + lost`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KindCounters {
    pub seen: u64,
    pub repeated: u64,
    pub sent: u64,
    pub suppressed: BTreeMap<String, u64>,
    pub lost: BTreeMap<String, u64>,
}

/// The books of one container: invocations by kind, and what became of them all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerCounters {
    /// By kind; only those that occurred.
    pub seen: BTreeMap<String, u64>,
    pub repeated: u64,
    pub sent: u64,
    /// By reason; only those that occurred.
    pub suppressed: BTreeMap<String, u64>,
    /// By reason; only those that occurred.
    pub lost: BTreeMap<String, u64>,
}

/// `sent = received = handled + undecodable`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordCounters {
    pub received: u64,
    pub handled: u64,
    pub undecodable: BTreeMap<String, u64>,
    /// Equations that did not hold when the sensor was last quiescent, one sentence each.
    pub mismatches: Vec<String>,
}

impl KindCounters {
    /// Outcomes of all hook invocations: equals `seen` while no program runs.
    #[must_use]
    pub fn booked(&self) -> u64 {
        let reasons = self.suppressed.values().chain(self.lost.values());
        self.repeated + self.sent + reasons.sum::<u64>()
    }
}

/// A container as the daemon knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStatus {
    pub id: String,
    pub name: Option<String>,
    pub image: Option<String>,
    pub runtime: Option<String>,
    /// `pending`, `resolved`, `unavailable`.
    pub metadata: String,
    /// `none`, `learning`, `partial`, `complete`.
    pub profile_state: String,
    /// `None`: the kernel has no books of it any more.
    pub events: Option<ContainerCounters>,
}

/// A container runtime.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeStatus {
    /// Events and lines of lists that were not taken: too many at once, or without a usable id.
    pub missed: u64,
}

/// A sink and what it still has to take.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    pub name: String,
    pub delivered: u64,
    pub retries: u64,
    pub rejected: u64,
    pub filtered: u64,
    pub pending: u64,
    pub oldest_undelivered_seconds: f64,
}

impl SinkStatus {
    /// As it is now.
    #[must_use]
    pub fn of(name: &str, stats: &SinkStats, spool: &Spool) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_unix_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        Self {
            name: name.to_owned(),
            delivered: stats.delivered_total(),
            retries: stats.retries_total(),
            rejected: stats.rejected_total(),
            filtered: stats.filtered_total(),
            pending: spool.pending(name),
            oldest_undelivered_seconds: stats.oldest_undelivered_seconds(now_unix_ms),
        }
    }
}

/// The buffer between detection and sinks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpoolStatus {
    pub bytes: u64,
    pub segments: u64,
    pub appended: u64,
    pub dropped: u64,
    pub damaged_bytes: u64,
    pub errors: u64,
    /// The disk refuses; alerts are kept in memory.
    pub degraded: bool,
}

impl SpoolStatus {
    /// As it is now.
    #[must_use]
    pub fn of(spool: &Spool) -> Self {
        let stats = spool.stats();
        let (bytes, segments) = stats.disk();
        Self {
            bytes,
            segments,
            appended: stats.appended_total(),
            dropped: stats.dropped_total().map(|(_, count)| count).sum(),
            damaged_bytes: stats.damaged_total().0,
            errors: stats.errors_total(),
            degraded: stats.degraded(),
        }
    }
}

/// How full a map or table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableStatus {
    pub entries: u64,
    pub capacity: u64,
}

/// A bounded queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueStatus {
    pub depth: u64,
    pub capacity: u64,
    pub dropped: u64,
}
