//! Micro workloads for `cargo xtask bench`: one system call pattern, over and over, for a time. A program of its own, so that what it
//! costs to have it in memory is not measured with it.
//!
//! `vigia-workload OPERATION SECONDS FOLDER` prints how many operations it did, and of those that it timed the p50 and the p99 in nanoseconds.
#![expect(clippy::print_stdout, reason = "a command-line tool")]

mod operation;

use anyhow::{Context, Result, bail};
use operation::Operation;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two looks at the clock.
const BATCH: u64 = 64;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().context("OPERATION is missing")?;
    if name == operation::ECHO {
        return operation::echo();
    }
    let seconds: f64 = arguments.next().context("SECONDS is missing")?.parse()?;
    let folder = PathBuf::from(arguments.next().context("FOLDER is missing")?);
    let Some(mut operation) = Operation::new(&name, &folder)? else {
        bail!("no such operation: {name}");
    };
    let deadline = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut done, mut samples) = (0, Vec::new());
    while Instant::now() < deadline {
        // One of a batch: to look at the clock for each would be half of the short ones.
        let begun = Instant::now();
        operation.run()?;
        samples.push(begun.elapsed().as_nanos());
        for _ in 1..BATCH {
            operation.run()?;
        }
        done += BATCH;
    }
    samples.sort_unstable();
    let [p50, p99] = [50, 99].map(|percent| samples.get(samples.len() * percent / 100).copied().unwrap_or(0));
    println!("{done} {p50} {p99}");
    Ok(())
}
