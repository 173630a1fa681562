//! `cargo xtask test [TIER…]`: sets up what the tiers need, runs them, and sums their counts in the last line.

mod count;
mod tier;

pub(crate) use count::{Counts, Success};
pub(crate) use tier::Tier;

use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::capability::{self, Capability};
use anyhow::Result;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which; all of them when none is named.
    #[arg(value_enum)]
    tiers: Vec<Tier>,
    /// Only tests whose name contains this.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let tiers = if args.tiers.is_empty() {
        &Tier::ALL
    } else {
        args.tiers.as_slice()
    };
    let counts = run_tiers(tiers, args.only.as_deref())?;
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the tiers in order. A tier that cannot be set up counts as one failure: the others still run.
///
/// # Errors
/// When what every tier needs cannot be installed.
pub(crate) fn run_tiers(tiers: &[Tier], only: Option<&str>) -> Result<Counts> {
    setup::ensure(&[Purpose::Build])?;
    let mut total = Counts::default();
    for (number, tier) in tiers.iter().enumerate() {
        shell::say(&format!(
            "[{}/{}] {}: {}",
            number + 1,
            tiers.len(),
            tier.name(),
            tier.what()
        ));
        let counts = run_tier(*tier, only).unwrap_or_else(|error| {
            shell::say(&format!("{}: {error:#}", tier.name()));
            Counts::one_failure()
        });
        shell::say(&format!("{}: {counts}", tier.name()));
        total.add(&counts);
    }
    if is_ci() {
        total.failed += forbidden_skips(&total);
    }
    Ok(total)
}

fn run_tier(tier: Tier, only: Option<&str>) -> Result<Counts> {
    if tier.needs_root() && !capability::is_root() {
        return Ok(Counts::one_skip(Capability::Root.name()));
    }
    setup::ensure(tier.purposes())?;
    tier.run(only)
}

/// In CI nothing may be skipped that this machine can do, or that a CI machine has to be able to do.
fn forbidden_skips(total: &Counts) -> u64 {
    let mut forbidden = 0;
    for name in &total.skipped_for {
        let known = Capability::from_name(name);
        if known.is_none_or(|capability| capability.is_required_in_ci() || capability.is_available()) {
            shell::say(&format!(
                "a test was skipped for lack of '{name}': CI must run it"
            ));
            forbidden += 1;
        }
    }
    forbidden
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}
