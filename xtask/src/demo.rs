//! `cargo xtask demo`: the agent at work, beside what is done to it.

use crate::build::{Profile, build_agent};
use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::scenario::{ATTACKS, Attack, Stage, Verdict, do_ordinary_work, judge};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long to do ordinary work, in which nothing may be alerted
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    quiet_secs: u64,
    /// Use an optimised agent
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if !agent_tests::capability::is_root() {
        bail!("the demo needs root: it loads kernel programs and starts containers");
    }
    setup::ensure(&[Purpose::Build, Purpose::Containers])?;
    let binary = build_agent(Profile::of(args.release))?;
    let docker = running_docker()?;
    shell::say("starting the agent");
    let agent = AgentProcess::start(&Options {
        binary: Some(binary),
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    shell::say(
        "starting nginx, redis, postgres and two careless containers (images are made first if they are not cached)",
    );
    let stage = Stage::set(&docker)?;
    let is_quiet = show_quiet(&agent, &stage, Duration::from_secs(args.quiet_secs))?;
    let verdicts: Vec<(&Attack, Verdict)> = ATTACKS
        .iter()
        .map(|attack| (attack, show(attack, &agent, &stage)))
        .collect();
    println!("\n{}", table(is_quiet, &verdicts));
    drop(stage);
    let (status, took) = agent.stop()?;
    println!("the agent ended {status} in {:.1} s", took.as_secs_f32());
    let all_right =
        is_quiet && status.success() && verdicts.iter().all(|(_, verdict)| verdict.complaints.is_empty());
    println!("{}", if all_right { "OK" } else { "FAILED" });
    Ok(if all_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The lab that a person has started, else one of our own.
fn running_docker() -> Result<Docker> {
    if let Ok(docker) = Docker::attach("docker") {
        shell::say(&format!("using the lab at {}", docker.host()));
        return Ok(docker);
    }
    shell::say("starting a private Docker daemon");
    Docker::start("demo", CgroupView::Host)
}

fn show_quiet(agent: &AgentProcess, stage: &Stage<'_>, how_long: Duration) -> Result<bool> {
    println!(
        "\n{} s of ordinary work: requests, writes, reload, restart",
        how_long.as_secs()
    );
    let mut next = Duration::from_secs(10);
    do_ordinary_work(stage, how_long, |elapsed| {
        if elapsed >= next {
            shell::say(&format!(
                "{} s, {} lines from the agent",
                elapsed.as_secs(),
                agent.mark()
            ));
            next += Duration::from_secs(10);
        }
    })?;
    let alerts = stage.alerts(agent, 0);
    for alert in &alerts {
        println!("  unexpected: {alert}");
    }
    println!("  alerts: {}", alerts.len());
    Ok(alerts.is_empty())
}

fn show(attack: &Attack, agent: &AgentProcess, stage: &Stage<'_>) -> Verdict {
    println!(
        "\n{} in {}\n  done:  {}",
        attack.name, attack.container, attack.does
    );
    let mark = agent.mark();
    let done = attack.run(stage);
    let mut verdict = judge(attack, stage, agent, mark);
    if let Err(error) = done {
        verdict
            .complaints
            .push(format!("the attack itself failed: {error:#}"));
    }
    if let Some(alert) = &verdict.alert {
        print_alert(alert);
    }
    if let Some(latency) = verdict.latency {
        println!("         {} ms after the event", latency.as_millis());
    }
    for complaint in &verdict.complaints {
        println!("  WRONG: {complaint}");
    }
    if let Some(alert) = verdict.alert.as_ref().filter(|_| !verdict.complaints.is_empty()) {
        println!("         {alert}");
    }
    verdict
}

fn print_alert(alert: &serde_json::Value) {
    let text = |path: &str| {
        alert
            .pointer(path)
            .and_then(serde_json::Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    println!(
        "  alert: {} ({}), {}",
        text("/rule"),
        text("/severity"),
        text("/summary")
    );
    println!(
        "         container {} of {}",
        text("/container/name"),
        text("/container/image/ref")
    );
    let ancestors = alert
        .pointer("/process/ancestors")
        .and_then(serde_json::Value::as_array);
    let chain = ancestors
        .into_iter()
        .flatten()
        .filter_map(|ancestor| ancestor.get("exe")?.as_str());
    let chain: Vec<String> = std::iter::once(text("/process/exe"))
        .chain(chain.map(str::to_owned))
        .collect();
    println!("         {}", chain.join(" < "));
}

fn table(is_quiet: bool, verdicts: &[(&Attack, Verdict)]) -> String {
    let word = |right: bool| if right { "OK" } else { "FAILED" };
    let mut lines = vec![format!("{:<28}{:<36}{:>8}  {}", "what", "alert", "ms", "result")];
    lines.push(format!(
        "{:<28}{:<36}{:>8}  {}",
        "ordinary work",
        "none",
        "",
        word(is_quiet)
    ));
    for (attack, verdict) in verdicts {
        let ms = verdict
            .latency
            .map_or_else(|| "-".to_owned(), |latency| latency.as_millis().to_string());
        lines.push(format!(
            "{:<28}{:<36}{ms:>8}  {}",
            attack.name,
            attack.rule,
            word(verdict.complaints.is_empty())
        ));
    }
    lines.join("\n")
}
