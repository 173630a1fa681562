//! `cargo xtask bench`: what the agent costs the workloads that it watches, and itself.
//!
//! Rounds without and with the agent take turns, and each round with it is compared with the two beside it: what else the machine does
//! changes both. Time in kernel programs is taken in a pass of its own, as the statistics cost time themselves.

mod arena;
mod figures;
mod floor;
mod kernel_time;
mod report;
mod round;
mod server;
mod subject;
mod table;
mod workload;

use crate::build::{Profile, build_agent};
use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::agent::Options;
use anyhow::{Context, Result, bail};
use arena::{Arena, Place};
use clap::ValueEnum;
use report::Report;
use round::Rounds;
use std::path::PathBuf;
use std::process::ExitCode;
use subject::Subject;
use workload::{WORKLOADS, Workload};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these workloads
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Other tools, each in a round of its own beside the agent's, with its defaults
    #[arg(long, value_enum, value_name = "TOOL", value_delimiter = ',')]
    peers: Vec<Subject>,
    /// Rounds with the agent and each of the peers, and as many without, and one
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long one micro workload runs
    #[arg(long, default_value_t = 0.5, value_name = "SECONDS")]
    seconds: f64,
    /// The container has no profile
    #[arg(long)]
    without_profile: bool,
    /// Only the time in kernel programs, which takes a minute
    #[arg(long)]
    kernel_time: bool,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// End with 1 when a target of docs/performance.md is missed
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workloads = selected(&args.only)?;
    setup::ensure(&[Purpose::Build, Purpose::Bench])?;
    let subjects = subjects(&args.peers);
    if subjects.len() > 1 {
        setup::ensure(&[Purpose::Peers])?;
    }
    let agent = build_agent(Profile::Release)?;
    let program = build_workload()?;
    let [container, host] = [Place::Container, Place::Host].map(|place| {
        let arena = Arena::new(place, &program, args.seconds);
        arena.with_context(|| format!("cannot prepare {place:?}"))
    });
    let (container, host) = (container?, host?);
    let profiles = tempfile::Builder::new().prefix("vigia-bench-").tempdir()?;
    if !args.without_profile {
        container.write_profile(profiles.path())?;
    }
    let agent = Options {
        binary: Some(agent),
        profiles: Some(profiles.path().to_owned()),
        ..Options::default()
    };
    let kernel_time = kernel_time::measure(&agent, &workloads, [&container, &host])?;
    let rounds = if args.kernel_time {
        Rounds::default()
    } else {
        Rounds::run(&agent, &subjects, &workloads, &container, args.rounds)?
    };
    let report = Report::new(&workloads, &subjects, &kernel_time, &rounds);
    match args.output {
        Output::Text => println!("{report}"),
        Output::Json => println!("{}", report.to_json()?),
    }
    let missed = report.missed();
    if !missed.is_empty() {
        shell::say(&format!("targets missed: {}", missed.join(", ")));
    }
    Ok(if args.check && !missed.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The agent first, and auditd last: it leaves a trace in what is made while it runs.
fn subjects(peers: &[Subject]) -> Vec<Subject> {
    let known = Subject::value_variants().iter();
    known
        .filter(|subject| **subject == Subject::Agent || peers.contains(subject))
        .copied()
        .collect()
}

fn selected(names: &[String]) -> Result<Vec<&'static Workload>> {
    let find = |name: &String| WORKLOADS.iter().find(|workload| workload.name == name);
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        let known: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        bail!("no workload is called {unknown}; there are: {}", known.join(", "));
    }
    let is_wanted = |workload: &&Workload| names.is_empty() || names.iter().any(|name| name == workload.name);
    Ok(WORKLOADS.iter().filter(is_wanted).collect())
}

fn build_workload() -> Result<PathBuf> {
    let mut command = shell::cargo();
    command.args(["build", "--package", "agent-tests", "--features", "bench"]);
    shell::run(command.args(["--bin", "vigia-workload"]))?;
    Ok(agent_tests::paths::target_dir().join("debug/vigia-workload"))
}
