//! What other tools and people rely on: metrics, health, alerts by their schema, watch, status, learned profiles.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::image::{BUSYBOX, Set};
use agent_tests::lab::{CgroupView, Docker};
use agent_tests::{command, paths};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Docker];
const SOON: Duration = Duration::from_secs(10);

fn client(agent: &AgentProcess, args: &[&str]) -> Command {
    let mut client = Command::new(paths::agent_binary());
    client.arg("--config").arg(agent.config()).args(args);
    client
}

fn lab(prefix: &str) -> Result<Option<(Docker, AgentProcess)>> {
    if !can_run(&NEEDED) {
        return Ok(None);
    }
    let docker = Docker::start(prefix, CgroupView::Host)?;
    docker.load(Set::Busybox)?;
    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        ..Options::default()
    })?;
    Ok(Some((docker, agent)))
}

/// Reads what it prints from now on, on a thread of its own.
fn lines_of(watch: &mut Child) -> Result<mpsc::Receiver<String>> {
    let stdout = BufReader::new(watch.stdout.take().context("stdout")?);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

/// Runs a dropped program in the container: one alert `drift.exec_from_upper`.
fn misbehave(docker: &Docker, name: &str, program: &str) -> Result<()> {
    let script = format!("cp /bin/busybox /tmp/{program} && /tmp/{program} true; true");
    docker.docker(["exec", name, "sh", "-c", &script])?;
    Ok(())
}

/// The text format, as Prometheus reads it: names, one HELP and TYPE each, `_total` for counters only.
fn lint_metrics(text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut types, mut series) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, ""));
            if !types.insert(name.to_owned()) {
                complaints.push(format!("{name}: two TYPE lines"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                complaints.push(format!("{name}: a {kind}"));
            }
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            if value.parse::<f64>().is_err() {
                complaints.push(format!("{line}: no number"));
            }
            if !series.insert(name.to_owned()) {
                complaints.push(format!("{name}: twice"));
            }
        }
    }
    complaints
}

#[test]
fn metrics_are_what_prometheus_expects() -> Result<()> {
    let Some((docker, agent)) = lab("metrics")? else {
        return Ok(());
    };
    docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    misbehave(&docker, "box", "t")?;
    agent.wait_for(0, SOON, |value| value["rule"] == "drift.exec_from_upper")?;
    // The kernel's counters are copied once a second.
    let text = command::wait_until("a scrape with counts", SOON, || {
        let (_, text) = agent.get("/metrics").ok()?;
        text.contains("vigia_events_sent_total{kind=\"exec\"}")
            .then_some(text)
    })?;
    assert_eq!(lint_metrics(&text), [""; 0]);
    let names = [
        "vigia_events_seen_total",
        "vigia_events_repeated_total",
        "vigia_events_sent_total",
        "vigia_events_suppressed_total",
        "vigia_events_lost_total",
        "vigia_alerts_total{rule=\"drift.exec_from_upper\",severity=",
        "# TYPE vigia_accounting_mismatch_total counter",
        "vigia_containers ",
        "vigia_sink_oldest_undelivered_seconds{sink=\"stdout\"}",
    ];
    for name in names {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
    assert_eq!(agent.get("/livez")?.0, 200);
    assert_eq!(agent.get("/readyz")?.0, 200);
    Ok(())
}

#[test]
fn every_alert_follows_the_schema() -> Result<()> {
    let Some((docker, agent)) = lab("schema")? else {
        return Ok(());
    };
    docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    misbehave(&docker, "box", "t")?;
    docker.docker(["exec", "--detach", "box", "nc", "-l", "-p", "4444"])?;
    for class in ["drift", "listener"] {
        agent.wait_for(0, SOON, |value| value["class"] == class)?;
    }
    // The end of the container closes the repeat window of what happened more than once.
    docker.docker(["exec", "box", "sh", "-c", "/tmp/t true; true"])?;
    docker.docker(["rm", "--force", "box"])?;
    agent.wait_for(0, SOON, |value| value["revision"].as_u64() > Some(0))?;
    let schema = fs::read_to_string(paths::workspace().join("docs/alert.schema.json"))?;
    let schema: Value = serde_json::from_str(&schema)?;
    let validator = jsonschema::validator_for(&schema).context("the schema")?;
    for line in agent.lines() {
        let errors: Vec<String> = validator
            .iter_errors(&line.value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{}", line.value);
    }
    Ok(())
}

#[test]
fn watch_shows_activity_and_alerts() -> Result<()> {
    let Some((docker, agent)) = lab("watch")? else {
        return Ok(());
    };
    docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    let mut watch = client(&agent, &["watch", "--json"])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()?;
    let lines = lines_of(&mut watch)?;
    command::wait_until("it watches", SOON, || {
        let status = agent.status().ok()?;
        (status["watchers"] == 1).then_some(())
    })?;
    misbehave(&docker, "box", "t")?;
    let mut missing = BTreeSet::from(["vigia.event/v1", "vigia.alert/v1"]);
    while !missing.is_empty() {
        let line = lines
            .recv_timeout(SOON)
            .with_context(|| format!("no {missing:?}"))?;
        let line: Value = serde_json::from_str(&line)?;
        if line["container"]["name"] == "box" {
            missing.remove(line["schema"].as_str().unwrap_or_default());
        }
    }
    watch.kill()?;
    watch.wait()?;
    Ok(())
}

#[test]
fn a_slow_watcher_is_told_what_it_missed_and_delays_no_alert() -> Result<()> {
    let Some((docker, agent)) = lab("slow")? else {
        return Ok(());
    };
    docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    let mut watch = client(&agent, &["watch", "--json", "--container", "box"])
        .stdout(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()?;
    command::wait_until("it watches", SOON, || {
        (agent.status().ok()?["watchers"] == 1).then_some(())
    })?;
    let busy = "i=0; while [ $i -lt 12000 ]; do /bin/true; i=$((i+1)); done";
    docker.docker(["exec", "box", "sh", "-c", busy])?;
    misbehave(&docker, "box", "t")?;
    let alert = agent.wait_for(0, SOON, |value| value["rule"] == "drift.exec_from_upper")?;
    let latency = alert.latency().context("no time")?;
    assert!(latency < Duration::from_secs(2), "it was delayed by {latency:?}");
    let lines = lines_of(&mut watch)?;
    let missed = loop {
        let line = lines
            .recv_timeout(SOON)
            .context("nothing was said to be missed")?;
        let line: Value = serde_json::from_str(&line)?;
        if line["schema"] == "vigia.missed/v1" {
            break line;
        }
    };
    assert!(missed["missed"].as_u64() > Some(0), "{missed}");
    watch.kill()?;
    watch.wait()?;
    Ok(())
}

#[test]
fn status_names_containers_and_capabilities() -> Result<()> {
    let Some((docker, agent)) = lab("status")? else {
        return Ok(());
    };
    let id = docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sleep", "1000"])?;
    let report = command::wait_until("the container is named", SOON, || {
        let report = agent.status().ok()?;
        let containers = report["containers"].as_array()?.clone();
        let own = containers
            .into_iter()
            .find(|container| container["id"] == id.as_str())?;
        (own["metadata"] == "resolved").then_some((report, own))
    });
    let (report, own) = report?;
    assert_eq!((&own["name"], &own["image"]), (&"box".into(), &BUSYBOX.into()));
    assert_eq!(report["ready"], true);
    assert!(report["capabilities"].as_array().is_some_and(|all| all.len() > 5));
    assert!(report["events"]["exec"]["seen"].as_u64() > Some(0), "{report}");
    docker.docker(["exec", "box", "true"])?;
    let text = command::run(&mut client(
        &agent,
        &["status", "--container", "box", "--output", "json"],
    ))?;
    let events = &serde_json::from_str::<Value>(&text)?["events"];
    assert!(events["seen"]["exec"].as_u64() > Some(1), "{events}");
    let sum = |figures: &Value| -> u64 {
        let figures = figures.as_object().into_iter().flatten();
        figures.filter_map(|(_, count)| count.as_u64()).sum()
    };
    let outcomes = [&events["repeated"], &events["sent"]];
    let booked: u64 = outcomes.into_iter().filter_map(Value::as_u64).sum();
    let booked = booked + sum(&events["suppressed"]) + sum(&events["lost"]);
    assert_eq!(sum(&events["seen"]), booked, "{events}");
    let text = command::run(&mut client(&agent, &["status", "--container", &id[..12]]))?;
    assert!(text.contains("exec") && text.contains("suppressed"), "{text}");
    Ok(())
}

/// Waits until a container's programs have listened on a port, one after the other: each has a socket of its own.
fn wait_for_listeners(docker: &Docker, container: &str, port: u16) -> Result<()> {
    let pid = docker.docker(["inspect", "--format", "{{.State.Pid}}", container])?;
    let place = format!(":{port:04X}");
    let mut sockets = BTreeSet::new();
    command::wait_until("three listeners", SOON, || {
        for table in ["tcp", "tcp6"] {
            let text = fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok()?;
            let rows = text
                .lines()
                .map(|line| line.split_whitespace().collect::<Vec<_>>());
            let listening = rows.filter(|row| row.len() > 9 && row[1].ends_with(&place) && row[3] == "0A");
            sockets.extend(listening.map(|row| row[9].to_owned()));
        }
        (sockets.len() >= 3).then_some(())
    })
}

#[test]
fn a_server_that_ran_before_it_was_learned_restarts_in_silence() -> Result<()> {
    let Some((docker, agent)) = lab("learn-standing")? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("box.yaml");
    // Listens once, long before anybody learns.
    let serve = [
        "run", "--detach", "--name", "box", BUSYBOX, "httpd", "-f", "-p", "8000",
    ];
    let id = docker.docker(serve)?;
    agent.wait_for_container(&id, "resolved")?;
    let mut learn = client(
        &agent,
        &["profile", "learn", "--container", "box", "--for", "1s", "-o"],
    );
    command::run(learn.arg(&file))?;
    let text = fs::read_to_string(&file)?;
    assert!(
        text.contains("port: 8000") && text.contains("/bin/busybox"),
        "{text}"
    );
    drop(agent);

    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        profiles: Some(folder.path().to_owned()),
        ..Options::default()
    })?;
    docker.docker(["restart", "--time", "0", "box"])?;
    docker.docker(["exec", "--detach", "box", "nc", "-l", "-p", "4444"])?;
    let of_box = |value: &Value| value["container"]["id"] == id.as_str();
    // The last of what was done: what the restart had to say precedes it.
    agent.wait_for(0, SOON, |value| {
        of_box(value) && value["evidence"]["local_port"] == 4444
    })?;
    let restart: Vec<Value> = agent
        .lines()
        .into_iter()
        .map(|line| line.value)
        .filter(|value| of_box(value) && value["evidence"]["local_port"] == 8000)
        .collect();
    assert!(restart.is_empty(), "{restart:?}\n{text}");
    Ok(())
}

#[test]
fn a_learned_profile_is_silent_about_what_was_learned() -> Result<()> {
    let Some((docker, agent)) = lab("learn")? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("box.yaml");
    let serve = "while true; do timeout 1 nc -l -p 8000 </dev/null; done";
    let id = docker.docker(["run", "--detach", "--name", "box", BUSYBOX, "sh", "-c", serve])?;
    agent.wait_for_container(&id, "resolved")?;
    let mut learn = client(
        &agent,
        &["profile", "learn", "--container", "box", "--for", "5s", "-o"],
    );
    command::run(learn.arg(&file))?;
    let mut lint = Command::new(paths::agent_binary());
    command::run(lint.args(["profile", "lint"]).arg(&file))?;
    let text = fs::read_to_string(&file)?;
    assert!(text.contains("8000"), "{text}");
    drop(agent);

    let agent = AgentProcess::start(&Options {
        docker_host: Some(docker.host()),
        profiles: Some(folder.path().to_owned()),
        ..Options::default()
    })?;
    let id = docker.docker(["run", "--detach", "--name", "again", BUSYBOX, "sh", "-c", serve])?;
    agent.wait_for_container(&id, "resolved")?;
    wait_for_listeners(&docker, "again", 8000)?;
    let of_box = |value: &Value| value["container"]["id"] == id.as_str();
    docker.docker(["exec", "--detach", "again", "nc", "-l", "-p", "4444"])?;
    let alert = agent.wait_for(0, SOON, |value| {
        of_box(value) && value["class"] == "listener" && value["evidence"]["local_port"] == 4444
    })?;
    // Alerts come in the order of their events: those of what was learned would be here.
    let lines = agent.lines();
    let learned: Vec<&Value> = lines
        .iter()
        .map(|line| &line.value)
        .filter(|value| of_box(value) && !value["process"]["args"].to_string().contains("4444"))
        .collect();
    assert!(
        learned.is_empty(),
        "what was learned is alerted: {learned:?}\n{text}"
    );
    let profile = &alert.value["profile"];
    assert!(
        profile["name"].as_str().is_some_and(|name| text.contains(name)),
        "{profile}"
    );
    assert!(
        profile["state"].as_str().is_some_and(|state| state != "none"),
        "{profile}"
    );
    Ok(())
}
