//! What a run found, and what of it misses its target.

use super::figures::{Spread, against_itself};
use super::kernel_time::{KernelTime, KernelTimes, Spent};
use super::round::Rounds;
use super::subject::Subject;
use super::table;
use super::workload::Workload;
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt;

/// A ratio is met within this of what the run says of nothing at all.
const NOISE: f64 = 0.07;
/// For the maps with 500 containers and 100 profiles; what a run has is less.
const MAP_BYTES: u64 = 32 << 20;

pub(crate) struct Report<'a> {
    pub(super) rows: Vec<Row<'a>>,
    pub(super) rounds: &'a Rounds,
    pub(super) times: &'a KernelTimes,
}

/// Of one workload.
pub(super) struct Row<'a> {
    pub(super) workload: &'a Workload,
    pub(super) kernel_time: &'a KernelTime,
    /// With nothing beside it, nanoseconds of processor time; None: no rounds were made.
    pub(super) base_ns: Option<f64>,
    /// Of rounds with nothing beside it, among themselves.
    pub(super) control: Option<Spread>,
    pub(super) beside: Vec<Beside>,
    /// p50 and p99 in nanoseconds with nothing beside it.
    pub(super) latency: Option<[f64; 2]>,
}

/// Of a workload with the agent, or another tool, beside it.
pub(super) struct Beside {
    pub(super) subject: Subject,
    pub(super) ratio: Option<Spread>,
    pub(super) latency: Option<[f64; 2]>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(
        workloads: &[&'a Workload],
        subjects: &[Subject],
        times: &'a KernelTimes,
        rounds: &'a Rounds,
    ) -> Self {
        let rows = workloads.iter().zip(&times.workloads).enumerate();
        let rows = rows
            .map(|(column, (workload, kernel_time))| Row {
                workload,
                kernel_time,
                base_ns: Spread::of(without(rounds, column)).map(|spread| spread.median),
                control: Spread::of(against_itself(&without(rounds, column))),
                beside: subjects
                    .iter()
                    .map(|subject| Beside::new(*subject, rounds, column))
                    .collect(),
                latency: latency(rounds, None, column),
            })
            .collect();
        Self { rows, rounds, times }
    }

    /// What exceeds its target, and by what.
    pub(crate) fn missed(&self) -> Vec<String> {
        let mut missed: Vec<String> = self.rows.iter().flat_map(Row::missed).collect();
        if self.times.map_bytes > MAP_BYTES {
            missed.push(format!(
                "maps {} MiB > {}",
                self.times.map_bytes >> 20,
                MAP_BYTES >> 20
            ));
        }
        missed
    }

    /// # Errors
    /// None that is known.
    pub(crate) fn to_json(&self) -> Result<String> {
        let rounds = self.rounds.with.iter().map(|round| {
            let usage = round.usage;
            json!({
                "of": round.subject.name(),
                "cpu_percent": usage.percent,
                "resident_bytes": usage.resident_bytes,
                "lost": usage.lost,
            })
        });
        Ok(serde_json::to_string_pretty(&json!({
            "workloads": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "rounds": rounds.collect::<Vec<_>>(),
            "empty_program_ns": self.times.floor,
            "map_bytes": self.times.map_bytes,
            "missed": self.missed(),
        }))?)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(f, self)
    }
}

fn without(rounds: &Rounds, column: usize) -> Vec<f64> {
    rounds.without.iter().map(|costs| costs[column].ns).collect()
}

fn latency(rounds: &Rounds, subject: Option<Subject>, column: usize) -> Option<[f64; 2]> {
    let [p50, p99] = rounds.latencies(subject, column).map(Spread::of);
    Some([p50?.median, p99?.median])
}

impl Beside {
    fn new(subject: Subject, rounds: &Rounds, column: usize) -> Self {
        Self {
            subject,
            ratio: Spread::of(rounds.ratios(subject, column)),
            latency: latency(rounds, Some(subject), column),
        }
    }

    fn to_json(&self) -> Value {
        json!({"of": self.subject.name(), "ratio": spread(self.ratio), "latency_ns": self.latency})
    }
}

impl Row<'_> {
    pub(super) fn of(&self, subject: Subject) -> Option<&Beside> {
        self.beside.iter().find(|beside| beside.subject == subject)
    }

    fn missed(&self) -> Vec<String> {
        let target = self.workload.target;
        let noise = self.control.map_or(0.0, |control| control.median + NOISE);
        let ratio = self.of(Subject::Agent).and_then(|beside| beside.ratio);
        let compared = [
            (
                "ratio",
                ratio.map(|ratio| ratio.median),
                target.ratio.map(|limit| limit.max(noise)),
            ),
            (
                "ns in a container",
                Some(self.kernel_time.container.ns),
                target.container_ns,
            ),
            ("ns on the host", Some(self.kernel_time.host.ns), target.host_ns),
        ];
        let is_missed = |(what, measured, limit): (&str, Option<f64>, Option<f64>)| {
            let (measured, limit) = (measured?, limit?);
            let (name, said, wanted) = (self.workload.name, table::short(measured), table::short(limit));
            (measured > limit).then(|| format!("{name} {what} {said} > {wanted}"))
        };
        compared.into_iter().filter_map(is_missed).collect()
    }

    fn to_json(&self) -> Value {
        let spent = |spent: &Spent| {
            let programs = spent.programs.iter();
            let programs = programs.map(|(name, run)| json!({"name": name, "ns": run.ns, "runs": run.runs}));
            json!({"ns": spent.ns, "runs": spent.runs, "programs": programs.collect::<Vec<_>>()})
        };
        json!({
            "name": self.workload.name,
            "operation": self.workload.operation,
            "base_ns": self.base_ns,
            "latency_ns": self.latency,
            "control": spread(self.control),
            "beside": self.beside.iter().map(Beside::to_json).collect::<Vec<_>>(),
            "container": spent(&self.kernel_time.container),
            "host": spent(&self.kernel_time.host),
        })
    }
}

fn spread(spread: Option<Spread>) -> Value {
    spread.map_or(
        Value::Null,
        |spread| json!({"median": spread.median, "smallest": spread.smallest, "largest": spread.largest}),
    )
}
