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

/// Of every loaded program, as procfs shows its descriptor: aya does not hand out recursion misses.
pub(super) fn read(ebpf: &Ebpf) -> Vec<ProgramStats> {
    let figures = |(name, program): (&str, &Program)| {
        let number = program.fd().ok()?.as_fd().as_raw_fd();
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        Some(parse(name, &text))
    };
    ebpf.programs().filter_map(figures).collect()
}

/// Lines `name:\tvalue`; what an older kernel does not show is 0.
fn parse(program: &str, text: &str) -> ProgramStats {
    let value = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(field, _)| *field == name);
        found
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0)
    };
    ProgramStats {
        program: program.to_owned(),
        run_ns: value("run_time_ns"),
        runs: value("run_cnt"),
        recursion_misses: value("recursion_misses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name() {
        let text = "pos:\t0\nprog_type:\t26\nmemlock:\t4096\nrun_time_ns:\t1500\nrun_cnt:\t3\nrecursion_misses:\t2\n";
        let expected = ProgramStats {
            program: "sys_exit".to_owned(),
            run_ns: 1500,
            runs: 3,
            recursion_misses: 2,
        };
        assert_eq!(parse("sys_exit", text), expected);
    }

    #[test]
    fn what_a_kernel_does_not_show_is_zero() {
        assert_eq!(parse("sys_exit", "prog_type:\t26\n").recursion_misses, 0);
    }
}
