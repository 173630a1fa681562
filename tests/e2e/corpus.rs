//! A part of the attack corpus, of every class: each behaviour is seen, of the container that showed it. The whole
//! corpus is `cargo xtask corpus`.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::corpus::{Corpus, Expectations, Runner, Stage, line};
use agent_tests::lab::{CgroupView, Docker};
use anyhow::Result;

#[test]
fn attacks_of_every_class_are_seen() -> Result<()> {
    if !can_run(&[
        Capability::Root,
        Capability::Bpf,
        Capability::Docker,
        Capability::Images,
    ]) {
        return Ok(());
    }
    let quick = Expectations::read()?.quick;
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
        let judged = runner.run(entry)?;
        if !judged.state.is_right() {
            wrong.push(line(&judged));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(runner.missed_lines(), 0);
    Ok(())
}
