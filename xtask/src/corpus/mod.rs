//! `cargo xtask corpus`: every attack of the corpus in a container of its own, and whether it was caught, or only seen; the benign
//! scenarios and the mixed run, and whether they are left in peace.

mod learn;
mod mixed;

use crate::build::{Profile, build_agent};
use crate::setup::{self, Purpose};
use crate::{shell, vm};
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::is_root;
use agent_tests::corpus::{
    Corpus, Detection, Entry, Expectations, Judged, Report, Runner, Stage, line, recall,
};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whether every behaviour is seen, whatever is said about it
    #[arg(long)]
    events_only: bool,
    /// The benign scenarios instead of the attacks
    #[arg(long, conflicts_with_all = ["events_only", "vm"])]
    benign: bool,
    /// An ordinary day of a host instead of the attacks: nginx, redis and postgres under load, with all that is done to
    /// them
    #[arg(long, conflicts_with_all = ["events_only", "benign", "vm", "file", "only", "list", "events"])]
    mixed: bool,
    /// How long the mixed run is; 30 when left out
    #[arg(long, value_name = "N", requires = "mixed", value_parser = mixed::minutes())]
    minutes: Option<u64>,
    /// Beside a profile that is learned first: from the benign scenarios themselves, from the work of the mixed run, or
    /// from an ordinary day of the attacks' image
    #[arg(long, conflicts_with_all = ["events_only", "vm"])]
    learned: bool,
    /// Entries of this file instead of the published ones
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only these, by their ids
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    only: Vec<String>,
    /// Only say which entries there are
    #[arg(long)]
    list: bool,
    #[arg(long, value_enum, default_value = "text")]
    output: Output,
    /// Write all events of each entry into this folder
    #[arg(long, value_name = "FOLDER")]
    events: Option<PathBuf>,
    /// On this kernel, in a virtual machine: 6.1, 6.12, or all, with lsm and with fentry. Only the entries that
    /// `expected.yaml` names for it, unless they are named here
    #[arg(long, value_name = "KERNEL")]
    vm: Option<String>,
    /// The virtual machine's list of security modules; without `bpf`, fentry takes over
    #[arg(long, value_name = "LIST", requires = "vm")]
    lsm: Option<String>,
    /// Use an optimised agent
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.mixed {
        return mixed::run(args);
    }
    let corpus = selected(args)?;
    if args.list {
        for Entry { id, class, name, .. } in &corpus.entries {
            println!("{id}  {class:<11} {name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if args.benign {
        return quiet(&corpus, args);
    }
    if !args.events_only && args.vm.is_none() {
        return caught(&corpus, args);
    }
    let reports = match &args.vm {
        Some(kernel) => in_vm(&corpus, kernel, args)?,
        None => vec![here(&corpus, args)?],
    };
    match args.output {
        Output::Text => reports.iter().for_each(|report| println!("\n{}", report.table())),
        Output::Json => println!("{}", serde_json::to_string_pretty(&reports)?),
    }
    Ok(if reports.iter().all(Report::is_right) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn selected(args: &Args) -> Result<Corpus> {
    let corpus = Corpus::read(&args.file.clone().unwrap_or_else(Corpus::file))?;
    let corpus = if args.benign { corpus.benign() } else { corpus };
    let mut only = args.only.clone();
    if only.is_empty() && args.vm.is_some() && args.file.is_none() {
        only = Expectations::read()?.vm;
    }
    if only.is_empty() {
        Ok(corpus)
    } else {
        corpus.only(only.iter().map(String::as_str))
    }
}

fn in_vm(corpus: &Corpus, kernel: &str, args: &Args) -> Result<Vec<Report>> {
    setup::ensure(&[Purpose::Build, Purpose::Containers, Purpose::Vm])?;
    let mut reports = Vec::new();
    vm::corpus::run(corpus, kernel, args.lsm.as_deref(), |report| {
        let folder = format!("{}-{}", report.kernel, report.backend);
        for judged in &report.entries {
            show(judged, Path::new(&folder), args)?;
        }
        reports.push(report);
        Ok(())
    })?;
    Ok(reports)
}

fn caught(corpus: &Corpus, args: &Args) -> Result<ExitCode> {
    let attack = |runner: &Runner<'_>, entry: &Entry| {
        let detection = runner.attack(entry)?;
        if args.output == Output::Text {
            println!("{}", detection.line());
        }
        Ok(detection)
    };
    let (_, entries) = carry_out(corpus, args, attack)?;
    match args.output {
        Output::Text => println!("\n{}", recall(&entries)),
        Output::Json => println!("{}", serde_json::to_string_pretty(&entries)?),
    }
    let only_learned = Expectations::read()?.only_learned;
    let is_right = |entry: &Detection| {
        let caught = entry.is_caught && entry.faults.is_empty();
        caught || !args.learned && only_learned.contains(&entry.id)
    };
    Ok(if entries.iter().all(is_right) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// No alert of medium or above where a profile was learned, three without one.
fn quiet(corpus: &Corpus, args: &Args) -> Result<ExitCode> {
    const COLD: usize = 3;
    let run = |runner: &Runner<'_>, entry: &Entry| {
        let detection = runner.attack(entry)?;
        if args.output == Output::Text {
            println!("{}", detection.quiet_line());
        }
        Ok(detection)
    };
    let (_, scenarios) = carry_out(corpus, args, run)?;
    let loud: usize = scenarios
        .iter()
        .map(|scenario| scenario.disturbances().count())
        .sum();
    match args.output {
        Output::Text => println!(
            "\n{} scenarios, {loud} alerts of medium or above",
            scenarios.len()
        ),
        Output::Json => println!("{}", serde_json::to_string_pretty(&scenarios)?),
    }
    let allowed = if args.learned { 0 } else { COLD };
    Ok(if loud <= allowed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn here(corpus: &Corpus, args: &Args) -> Result<Report> {
    let run = |runner: &Runner<'_>, entry: &Entry| {
        let judged = runner.run(entry)?;
        show(&judged, Path::new(""), args)?;
        Ok(judged)
    };
    let ((backend, missed_lines), entries) = carry_out(corpus, args, run)?;
    Ok(Report {
        kernel: agent_tests::corpus::kernel(),
        backend,
        missed_lines,
        entries,
    })
}

/// What every run on this machine begins with: a private Docker daemon of this name, and how an agent beside it is started.
fn prepare(name: &str, args: &Args) -> Result<(Docker, Options)> {
    if !is_root() {
        bail!("the corpus needs root: it loads kernel programs and starts containers");
    }
    setup::ensure(&[Purpose::Build, Purpose::Containers])?;
    let binary = build_agent(Profile::of(args.release))?;
    shell::say("starting a private Docker daemon");
    let docker = Docker::start(name, CgroupView::Host)?;
    let options = Options {
        binary: Some(binary),
        docker_host: Some(docker.host()),
        ..Options::default()
    };
    shell::say("loading the images (made first if they are not cached)");
    Ok((docker, options))
}

/// Each entry in turn, by `run`, beside an agent on this machine; the sensor's backend, and lines that were missed.
fn carry_out<T>(
    corpus: &Corpus,
    args: &Args,
    run: impl Fn(&Runner<'_>, &Entry) -> Result<T>,
) -> Result<((String, u64), Vec<T>)> {
    let (docker, mut options) = prepare("corpus", args)?;
    let work = if args.benign {
        corpus.entries.clone()
    } else {
        vec![Entry::ordinary_day()]
    };
    let stage = Stage::set(&docker, &with(corpus, &work))?;
    // Until the last entry: the agent looks into the folder again.
    let profiles = tempfile::tempdir()?;
    if args.learned {
        shell::say("learning a profile");
        learn::profile(&stage, &options, &work, profiles.path())?;
        options.profiles = Some(profiles.path().to_owned());
    }
    let agent = AgentProcess::start(&options)?;
    let runner = Runner::new(&stage, &agent)?;
    let outcomes = corpus.entries.iter().map(|entry| run(&runner, entry));
    let outcomes = outcomes.collect::<Result<_>>()?;
    Ok(((runner.backend().to_owned(), runner.missed_lines()), outcomes))
}

/// The entries and what a profile is learned from: images hold the cases of both.
fn with(corpus: &Corpus, work: &[Entry]) -> Corpus {
    let mut all = corpus.clone();
    let missing = work
        .iter()
        .filter(|entry| corpus.entries.iter().all(|known| known.id != entry.id));
    all.entries.extend(missing.cloned());
    all
}

fn show(judged: &Judged, subfolder: &Path, args: &Args) -> Result<()> {
    if args.output == Output::Text {
        println!("{}", line(judged));
    }
    args.events
        .as_ref()
        .map_or(Ok(()), |folder| write_events(&folder.join(subfolder), judged))
}

fn write_events(folder: &Path, judged: &Judged) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let lines: Vec<String> = judged.lines.iter().map(|line| format!("{line}\n")).collect();
    Ok(fs::write(
        folder.join(format!("{}.ndjson", judged.id)),
        lines.concat(),
    )?)
}
