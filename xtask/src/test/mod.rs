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
use std::time::Instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which; all of them when none is named.
    #[arg(value_enum)]
    tiers: Vec<Tier>,
    #[command(flatten)]
    selection: Selection,
}

/// Which tests of the tiers.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Selection {
    /// Only tests whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Option<String>,
    /// Also what takes minutes: soak tests at their whole length, builds with the feature debug-log
    #[arg(long)]
    pub(crate) full: bool,
    /// All tiers run: the `vm` tier takes its shorter form.
    #[arg(skip)]
    pub(crate) brief: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let counts = if args.tiers.is_empty() {
        run_all(args.selection.clone())?
    } else {
        run_tiers(&args.tiers, &args.selection)?
    };
    println!("{counts}");
    Ok(if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs all tiers.
///
/// # Errors
/// As [`run_tiers`].
pub(crate) fn run_all(selection: Selection) -> Result<Counts> {
    let selection = Selection {
        brief: !selection.full,
        ..selection
    };
    run_tiers(&Tier::ALL, &selection)
}

/// Runs the tiers in order. A tier that cannot be set up counts as one failure: the others still run.
///
/// # Errors
/// When what every tier needs cannot be installed.
fn run_tiers(tiers: &[Tier], selection: &Selection) -> Result<Counts> {
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
        let start = Instant::now();
        let counts = run_tier(*tier, selection).unwrap_or_else(|error| {
            shell::say(&format!("{}: {error:#}", tier.name()));
            Counts::one_failure()
        });
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        shell::say(&format!("{}: {counts}, in {minutes:.1} minutes", tier.name()));
        total.add(&counts);
        if is_ci() {
            total.failed += forbidden_skips(*tier, &counts);
        }
    }
    Ok(total)
}

fn run_tier(tier: Tier, selection: &Selection) -> Result<Counts> {
    if tier.needs_root() && !capability::is_root() {
        return Ok(Counts::one_skip(Capability::Root.name()));
    }
    setup::ensure(tier.purposes())?;
    tier.run(selection)
}

/// In CI nothing may be skipped that a CI machine has to be able to do, or that this machine can do. What a guest lacks, this
/// machine may well have.
fn forbidden_skips(tier: Tier, counts: &Counts) -> u64 {
    let mut forbidden = 0;
    for name in &counts.skipped_for {
        let is_forbidden = Capability::from_name(name).is_none_or(|capability| {
            capability.is_required_in_ci() || (tier != Tier::Vm && capability.is_available())
        });
        if is_forbidden {
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
