//! What the agent needed, and whether its books balance.

use crate::agent::AgentProcess;
use crate::measure::cpu_time;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Counters of the agent that say what it saw, and what may have been lost on the way.
const COUNTERS: [&str; 7] = [
    "vigia_events_seen_total",
    "vigia_events_sent_total",
    "vigia_events_lost_total",
    "vigia_events_undecodable_total",
    "vigia_kernel_errors_total",
    "vigia_accounting_mismatch_total",
    "vigia_queue_dropped_total",
];

/// At the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// By name, summed over labels.
    pub counters: BTreeMap<&'static str, f64>,
    /// Bytes.
    pub resident: u64,
    /// Bytes.
    pub resident_peak: u64,
    pub processor_seconds: f64,
    /// Of a core, while it ran.
    pub processor_percent: f64,
}

impl Figures {
    /// Of an agent that has run for so long.
    ///
    /// # Errors
    /// When it does not answer.
    pub(super) fn of(agent: &AgentProcess, ran: Duration) -> Result<Self> {
        let (_, metrics) = agent.get("/metrics")?;
        let sums = COUNTERS.into_iter().map(|name| Ok((name, sum(&metrics, name)?)));
        let used = cpu_time(agent.pid())?.as_secs_f64();
        Ok(Self {
            counters: sums.collect::<Result<_>>()?,
            resident: agent.resident_bytes()?,
            resident_peak: agent.peak_bytes()?,
            processor_seconds: used,
            processor_percent: used / ran.as_secs_f64() * 100.0,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{:<36}{:>14}", "the agent", "total");
        for (name, value) in &self.counters {
            text += &format!("\n{name:<36}{value:>14.0}");
        }
        text + &format!(
            "\n{} MiB resident, {} MiB at most; {:.1} s of processor time, {:.2} % of a core\n",
            self.resident >> 20,
            self.resident_peak >> 20,
            self.processor_seconds,
            self.processor_percent
        )
    }
}

/// The sum of all samples of a metric; 0: there is none.
fn sum(metrics: &str, name: &str) -> Result<f64> {
    let mut samples = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with([' ', '{']).then_some(rest)
    });
    samples.try_fold(0.0, |sum, sample| {
        let value = sample.rsplit(' ').next().unwrap_or_default();
        let value: f64 = value
            .parse()
            .with_context(|| format!("{name}: '{value}' is no number"))?;
        Ok(sum + value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_metric_are_summed_and_no_others() -> Result<()> {
        let metrics = "# HELP lost_total Some.\nlost_total{kind=\"exec\",reason=\"a b\"} 3\n\
                       lost_total{kind=\"net\"} 4\nlost_total_of_all 9\nseen_total 5\n";
        assert_eq!(sum(metrics, "lost_total")?, 7.0);
        assert_eq!(sum(metrics, "seen_total")?, 5.0);
        assert_eq!(sum(metrics, "absent_total")?, 0.0);
        assert!(sum("lost_total x\n", "lost_total").is_err());
        Ok(())
    }
}
