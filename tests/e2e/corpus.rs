//! A part of the attack corpus, of every class: each behaviour is seen, of the container that showed it, and raises the alert that
//! is wanted of it. The whole corpus is `cargo xtask corpus`.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::corpus::{Corpus, Expectations, Runner, Stage, line};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::Result;

#[test]
fn attacks_of_every_class_are_seen_and_caught() -> Result<()> {
    if !can_run(&[
        Capability::Root,
        Capability::Bpf,
        Capability::Docker,
        Capability::Images,
    ]) {
        return Ok(());
    }
    let Expectations {
        quick, only_learned, ..
    } = Expectations::read()?;
    let corpus = Corpus::read(&Corpus::file())?.only(quick.iter().map(String::as_str))?;
    let docker = Docker::start("corpus", CgroupView::Host)?;
    let stage = Stage::set(&docker, &corpus)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    let runner = Runner::new(&stage, &agent)?;
    let mut wrong = Vec::new();
    for entry in &corpus.entries {
        let (judged, detection) = runner.run_and_attack(entry)?;
        if !judged.state.is_right() {
            wrong.push(line(&judged));
        }
        if !detection.is_caught && !only_learned.contains(&entry.id) {
            wrong.push(detection.line());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(runner.missed_lines(), 0);
    Ok(())
}
