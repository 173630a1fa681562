//! The main job: silence for ordinary work, one correct alert for each attack, and nothing left behind.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::scenario::{ATTACKS, Stage, do_ordinary_work, headline, judge};
use anyhow::Result;
use std::time::Duration;

/// As long as was promised.
const QUIET_FOR: Duration = Duration::from_secs(60);

#[test]
fn ordinary_work_is_silent_and_every_attack_is_one_alert() -> Result<()> {
    if !can_run(&[
        Capability::Root,
        Capability::Bpf,
        Capability::Docker,
        Capability::Images,
    ]) {
        return Ok(());
    }
    let docker = Docker::start("e2e", CgroupView::Host)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    let stage = Stage::set(&docker)?;
    do_ordinary_work(&stage, QUIET_FOR, |_| {})?;
    let alerts = stage.alerts(&agent, 0);
    assert!(
        alerts.is_empty(),
        "ordinary work was alerted: {}",
        alerts.iter().map(headline).collect::<String>()
    );
    let mut wrong = Vec::new();
    for attack in &ATTACKS {
        let mark = agent.mark();
        attack.run(&stage)?;
        let verdict = judge(attack, &stage, &agent, mark);
        wrong.extend(
            verdict
                .complaints
                .into_iter()
                .map(|complaint| format!("{}: {complaint}", attack.name)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    drop(stage);
    let (status, took) = agent.stop()?;
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(5), "it took {took:?} to stop");
    Ok(())
}
