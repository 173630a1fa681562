//! What each program costs, and how often it was skipped, as the kernel counts it.

use super::error::KernelError;
use aya::Ebpf;
use aya::programs::Program;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Figures of one program since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramStats {
    pub program: String,
    /// Time spent in it, ns. Grows only while statistics are on (`kernel.bpf_stats_enabled`, or [`enable`]).
    pub run_ns: u64,
    /// Runs in that time.
    pub runs: u64,
    /// Runs that the kernel skipped because the program was running on the same CPU already: events that nobody saw, a
    /// loss. Counted always.
    pub recursion_misses: u64,
    /// Instructions that the verifier went through, loops and branches included. `None`: the kernel is older than 5.16.
    pub verified_instructions: Option<u32>,
    /// Machine code made of it; 0: it is interpreted.
    pub machine_code_bytes: u32,
    /// Memory that it takes, its maps apart.
    pub memory_bytes: u64,
}

/// Keeps the kernel's statistics on for as long as it lives. They cost every program of the host some time.
#[derive(Debug)]
pub struct StatisticsOn(
    #[expect(dead_code, reason = "statistics are on while the descriptor is open")] OwnedFd,
);

/// Switches the kernel's run-time statistics on; they stay on until what is returned is dropped.
///
/// # Errors
/// When the kernel refuses (older than 5.8, or missing privileges).
pub fn enable() -> Result<StatisticsOn, KernelError> {
    let descriptor = aya::sys::enable_stats(aya::sys::Stats::RunTime)
        .map_err(|error| KernelError::Statistics(error.io_error))?;
    Ok(StatisticsOn(descriptor))
}

/// Of every loaded program, by name.
pub(super) fn read(ebpf: &Ebpf) -> Vec<ProgramStats> {
    let programs = ebpf.programs();
    let mut found: Vec<_> = programs
        .filter_map(|(name, program)| figures(name, program))
        .collect();
    found.sort_by(|a, b| a.program.cmp(&b.program));
    found
}

/// As procfs shows its descriptor: aya does not hand out recursion misses.
fn figures(name: &str, program: &Program) -> Option<ProgramStats> {
    let number = program.fd().ok()?.as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    let info = program.info().ok()?;
    Some(ProgramStats {
        program: name.to_owned(),
        run_ns: value(&text, "run_time_ns"),
        runs: value(&text, "run_cnt"),
        recursion_misses: value(&text, "recursion_misses"),
        verified_instructions: info.verified_instruction_count(),
        machine_code_bytes: info.size_jitted(),
        memory_bytes: value(&text, "memlock"),
    })
}

/// Of a line `name:\tvalue`; what an older kernel does not show is 0.
fn value(text: &str, name: &str) -> u64 {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let found = fields.find(|(field, _)| *field == name);
    found
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name() {
        let text = "pos:\t0\nprog_type:\t26\nmemlock:\t4096\nrun_time_ns:\t1500\nrun_cnt:\t3\nrecursion_misses:\t2\n";
        let read = ["memlock", "run_time_ns", "run_cnt", "recursion_misses"].map(|name| value(text, name));
        assert_eq!(read, [4096, 1500, 3, 2]);
    }

    #[test]
    fn what_a_kernel_does_not_show_is_zero() {
        assert_eq!(value("prog_type:\t26\n", "recursion_misses"), 0);
    }
}
