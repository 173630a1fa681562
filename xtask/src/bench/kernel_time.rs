//! Nanoseconds in the agent's kernel programs per operation of a workload, by the kernel's own statistics.

use super::arena::Arena;
use super::floor;
use super::workload::{FLOOR, Workload};
use crate::shell;
use agent_tests::agent::{AgentProcess, Options};
use anyhow::{Context, Result};
use aya::programs::loaded_programs;
use std::collections::BTreeMap;
use std::fs;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Of one workload; in a container, and outside of containers.
#[derive(Debug, Clone, Default)]
pub(crate) struct KernelTime {
    pub(crate) container: Spent,
    pub(crate) host: Spent,
}

/// Of one operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spent {
    pub(crate) ns: f64,
    /// Of kernel programs.
    pub(crate) runs: f64,
    /// By program, the dearest first; names as the kernel cuts them.
    pub(crate) programs: Vec<(String, Run)>,
}

/// Of one program, by operation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    pub(crate) ns: f64,
    pub(crate) runs: f64,
}

/// Of all workloads.
#[derive(Debug, Default)]
pub(crate) struct KernelTimes {
    pub(crate) workloads: Vec<KernelTime>,
    /// Of a run of a program that does nothing, nanoseconds.
    pub(crate) floor: f64,
    /// Of the agent's maps, as the kernel accounts for it.
    pub(crate) map_bytes: u64,
}

/// Starts an agent of its own; `arenas` are the container's and the host's.
pub(crate) fn measure(agent: &Options, workloads: &[&Workload], arenas: [&Arena; 2]) -> Result<KernelTimes> {
    let _statistics = Statistics::enable()?;
    let mut times = KernelTimes {
        floor: floor::measure(arenas[0], &FLOOR)?,
        ..KernelTimes::default()
    };
    let agent = AgentProcess::start(agent)?;
    for workload in workloads {
        shell::say(&format!("kernel time: {}", workload.name));
        let [container, host] = arenas.map(|arena| spent(agent.pid(), arena, workload));
        times.workloads.push(KernelTime {
            container: container?,
            host: host?,
        });
    }
    times.map_bytes = map_bytes(agent.pid())?;
    agent.stop()?;
    Ok(times)
}

/// In programs that the process holds. The first run is not counted: in it everything is new.
pub(crate) fn spent(process: u32, arena: &Arena, workload: &Workload) -> Result<Spent> {
    arena.run(workload)?;
    let before = totals(process)?;
    let cost = arena.run(workload)?;
    let after = totals(process)?;
    let operations = cost.operations as f64;
    let names: BTreeMap<u32, String> = loaded_programs()
        .flatten()
        .map(|program| (program.id(), String::from_utf8_lossy(program.name()).into_owned()))
        .collect();
    let mut programs: Vec<(String, Run)> = after
        .iter()
        .map(|(id, total)| {
            let (ns, runs) = before.get(id).copied().unwrap_or_default();
            let run = Run {
                ns: (total.0 - ns) / operations,
                runs: (total.1 - runs) / operations,
            };
            (names.get(id).cloned().unwrap_or_default(), run)
        })
        .filter(|(_, run)| run.runs > 0.0)
        .collect();
    programs.sort_by(|one, other| other.1.ns.total_cmp(&one.1.ns));
    Ok(Spent {
        ns: programs.iter().map(|(_, run)| run.ns).sum(),
        runs: programs.iter().map(|(_, run)| run.runs).sum(),
        programs,
    })
}

/// Nanoseconds in, and runs of, each program that the process holds, by its id.
fn totals(process: u32) -> Result<BTreeMap<u32, (f64, f64)>> {
    let known = descriptors(process)?.into_iter().filter_map(|text| {
        let [id, ns, runs] = ["prog_id", "run_time_ns", "run_cnt"].map(|name| field(&text, name));
        Some((u32::try_from(id?).ok()?, (ns? as f64, runs? as f64)))
    });
    Ok(known.collect())
}

fn map_bytes(process: u32) -> Result<u64> {
    let maps = descriptors(process)?.into_iter().filter_map(|text| {
        let [id, bytes] = ["map_id", "memlock"].map(|name| field(&text, name));
        Some((id?, bytes?))
    });
    Ok(maps.collect::<BTreeMap<_, _>>().values().sum())
}

/// What the kernel tells of each descriptor.
fn descriptors(process: u32) -> Result<Vec<String>> {
    let entries = fs::read_dir(format!("/proc/{process}/fdinfo"))?;
    // It may be closed by now.
    Ok(entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect())
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim_start_matches(':').trim().parse().ok()
}

/// The kernel counts the time of its programs while this lives.
struct Statistics {
    before: String,
}

impl Statistics {
    fn enable() -> Result<Self> {
        let before = fs::read_to_string(SWITCH).with_context(|| format!("cannot read {SWITCH}"))?;
        fs::write(SWITCH, "1").with_context(|| format!("cannot write {SWITCH}"))?;
        Ok(Self { before })
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = fs::write(SWITCH, self.before.trim()) {
            shell::say(&format!("{SWITCH} could not be set back: {error}"));
        }
    }
}
