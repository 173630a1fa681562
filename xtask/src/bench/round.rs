//! Rounds with nothing, and with the agent or another tool, in turn.

use super::arena::{Arena, Latency};
use super::subject::{Running, Subject};
use super::workload::Workload;
use crate::shell;
use agent_tests::agent::Options;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Of each workload.
type Costs = Vec<Measured>;

/// Of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Nanoseconds of processor time.
    pub(crate) ns: f64,
    pub(crate) latency: Option<Latency>,
}

/// Round `n` of `with` lies between `without[n]` and `without[n + 1]`.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) without: Vec<Costs>,
    pub(crate) with: Vec<Round>,
}

/// One with something beside the workloads.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) subject: Subject,
    pub(crate) costs: Costs,
    pub(crate) usage: Usage,
}

/// What it took itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Of a core.
    pub(crate) percent: f64,
    pub(crate) resident_bytes: u64,
    /// Of events; None: it was not asked.
    pub(crate) lost: Option<f64>,
}

impl Rounds {
    pub(crate) fn run(
        agent: &Options,
        subjects: &[Subject],
        workloads: &[&Workload],
        arena: &Arena,
        rounds: usize,
    ) -> Result<Self> {
        shell::say("once, to warm up");
        costs(arena, workloads)?;
        let mut all = Self::default();
        all.without.push(costs(arena, workloads)?);
        for round in 1..=rounds {
            for subject in subjects {
                shell::say(&format!("round {round} of {rounds}: {}", subject.name()));
                all.with.push(with(*subject, agent, workloads, arena)?);
                all.without.push(costs(arena, workloads)?);
            }
        }
        Ok(all)
    }

    /// Each round of the subject against the two without anything beside it.
    pub(crate) fn ratios(&self, subject: Subject, workload: usize) -> Vec<f64> {
        let pairs = self.with.iter().zip(self.without.windows(2));
        pairs
            .filter(|(round, _)| round.subject == subject)
            .map(|(round, beside)| {
                round.costs[workload].ns / f64::midpoint(beside[0][workload].ns, beside[1][workload].ns)
            })
            .collect()
    }

    /// Of the subject's rounds; of those without anything when there is none.
    pub(crate) fn latencies(&self, subject: Option<Subject>, workload: usize) -> [Vec<f64>; 2] {
        let costs: Vec<&Costs> = match subject {
            None => self.without.iter().collect(),
            Some(subject) => {
                let rounds = self.with.iter().filter(|round| round.subject == subject);
                rounds.map(|round| &round.costs).collect()
            }
        };
        let pick = |pick: fn(Latency) -> Duration| {
            let known = costs.iter().filter_map(|costs| costs[workload].latency);
            known.map(|latency| pick(latency).as_secs_f64() * 1e9).collect()
        };
        [pick(|latency| latency.p50), pick(|latency| latency.p99)]
    }
}

fn costs(arena: &Arena, workloads: &[&Workload]) -> Result<Costs> {
    let cost = |workload: &&Workload| {
        let cost = arena.run(workload)?;
        Ok(Measured {
            ns: cost.per_operation(),
            latency: cost.latency,
        })
    };
    workloads.iter().map(cost).collect()
}

fn with(subject: Subject, agent: &Options, workloads: &[&Workload], arena: &Arena) -> Result<Round> {
    let running = subject.start(agent)?;
    let (begun, used) = (Instant::now(), running.cpu()?);
    let costs = costs(arena, workloads)?;
    let used = running.cpu()?.saturating_sub(used);
    let usage = Usage {
        percent: used.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0,
        resident_bytes: running.resident_bytes()?,
        lost: lost(&running)?,
    };
    running.stop()?;
    Ok(Round {
        subject,
        costs,
        usage,
    })
}

fn lost(running: &Running) -> Result<Option<f64>> {
    let Running::Agent(agent) = running else {
        return Ok(None);
    };
    let (_, text) = agent.get("/metrics")?;
    let samples = text
        .lines()
        .filter(|line| line.starts_with("vigia_events_lost_total"));
    Ok(Some(
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_compared_with_the_two_without_anything_beside_it() {
        let costs = |ns| vec![Measured { ns, latency: None }];
        let round = |subject, ns| Round {
            subject,
            costs: costs(ns),
            usage: Usage {
                percent: 0.0,
                resident_bytes: 0,
                lost: None,
            },
        };
        let rounds = Rounds {
            without: [1.0, 3.0, 5.0, 7.0].map(costs).to_vec(),
            with: vec![
                round(Subject::Agent, 3.0),
                round(Subject::Bpftrace, 8.0),
                round(Subject::Agent, 12.0),
            ],
        };
        assert_eq!(rounds.ratios(Subject::Agent, 0), [1.5, 2.0]);
        assert_eq!(rounds.ratios(Subject::Bpftrace, 0), [2.0]);
    }
}
