//! From the start to the end: who may start it, what it leaves behind, what survives a crash.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::lab::Runc;
use agent_tests::{command, paths};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const NEEDED: [Capability; 2] = [Capability::Root, Capability::Bpf];
const SOON: Duration = Duration::from_secs(10);
const PROFILE: &str = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: shop}\nmatch: {images: [\"shop:*\"]}\n";

/// Ids of kernel objects that the process holds: lines such as `prog_id: 7` of its descriptors.
fn held(pid: u32, key: &str) -> BTreeSet<u32> {
    let folder = fs::read_dir(format!("/proc/{pid}/fdinfo"));
    let files = folder.into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim_start_matches(':').trim().parse().ok()
        })
        .collect()
}

fn programs() -> BTreeSet<u32> {
    let all = aya::programs::loaded_programs();
    all.flatten().map(|program| program.id()).collect()
}

fn maps() -> BTreeSet<u32> {
    aya::maps::loaded_maps().flatten().map(|map| map.id()).collect()
}

fn pins(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.insert(entry.path());
        pins(&entry.path(), found);
    }
}

fn pinned() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    pins(Path::new("/sys/fs/bpf"), &mut found);
    found
}

fn children_of(pid: u32) -> Vec<String> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter(|status| status.contains(&format!("\nPPid:\t{pid}\n")))
        .collect()
}

#[test]
fn sigterm_ends_it_in_time_and_leaves_nothing() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let pins_before = pinned();
    let agent = AgentProcess::start(&Options::default())?;
    let (pid, socket) = (agent.pid(), agent.folder().join("run/agent.sock"));
    let own_programs = held(pid, "prog_id");
    let own_maps = held(pid, "map_id");
    assert!(own_programs.len() > 5 && own_maps.len() > 5);
    assert!(socket.exists());
    let mode = fs::metadata(&socket)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    assert_eq!(children_of(pid), [""; 0]);
    let mut left = None;
    let (status, took) = agent.stop_and(|| left = Some(socket.exists()))?;
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(left, Some(false), "the socket is left");
    // The kernel frees them a moment after the last reference is gone.
    let left = || -> Vec<u32> {
        let left = programs()
            .intersection(&own_programs)
            .copied()
            .collect::<Vec<_>>();
        left.into_iter()
            .chain(maps().intersection(&own_maps).copied())
            .collect()
    };
    command::wait_until("programs and maps are gone", SOON, || {
        left().is_empty().then_some(())
    })
    .with_context(|| format!("left: {:?} of {own_programs:?} and {own_maps:?}", left()))?;
    let pins_left: Vec<_> = pinned().difference(&pins_before).cloned().collect();
    assert_eq!(pins_left, [""; 0].map(PathBuf::from));
    Ok(())
}

#[test]
fn what_was_not_delivered_before_a_crash_comes_after_it() -> Result<()> {
    if !can_run(&NEEDED) || !can_run(&[Capability::Runc]) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let (state, run) = (folder.path().join("state"), folder.path().join("run"));
    let file = folder.path().join("alerts");
    let options = Options {
        args: ["--state-dir", "--run-dir", "--alerts"]
            .into_iter()
            .zip([&state, &run, &file])
            .flat_map(|(flag, path)| [flag.to_owned(), path.display().to_string()])
            .collect(),
        ..Options::default()
    };
    let runc = Runc::prepare("crash")?;
    let agent = AgentProcess::start(&options)?;
    let container = runc.start(&["sleep", "1000"])?;
    let cursors = command::wait_until("cursors are stored", SOON, || {
        Some(cursors(&state)).filter(|cursors| cursors.len() == 2)
    })?;
    drop_and_run(&container)?;
    let is_it = |value: &serde_json::Value| {
        value["rule"] == "drift.exec_from_tmp" && value["container"]["id"] == container.id.as_str()
    };
    let before = agent.wait_for(0, SOON, is_it).context("before the crash")?;
    // Killed, which leaves the sockets and the lock's file behind.
    drop(agent);
    // As if no sink had taken anything.
    for (path, content) in cursors {
        fs::write(path, content)?;
    }
    let agent = AgentProcess::start(&options)?;
    let after = agent.wait_for(0, SOON, is_it).context("after the crash")?;
    assert_eq!(before.value["id"], after.value["id"]);
    assert_eq!(before.value, after.value);
    drop_and_run(&container)?;
    agent.wait_for(0, SOON, |value| is_it(value) && value["id"] != before.value["id"])?;
    let mode = fs::metadata(&file)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "alerts are for root");
    Ok(())
}

fn drop_and_run(container: &agent_tests::lab::RuncContainer<'_>) -> Result<()> {
    container.exec(&["sh", "-c", "cp /bin/busybox /tmp/true && /tmp/true"])?;
    Ok(())
}

/// The files that say how far each sink is.
fn cursors(state: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(state.join("spool")).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cursor"))
        .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
        .collect()
}

#[test]
fn the_second_daemon_names_the_first() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let agent = AgentProcess::start(&Options::default())?;
    let mut second = Command::new(paths::agent_binary());
    second.arg("run").arg("--config").arg(agent.config());
    second.args(["--metrics-listen", "127.0.0.1:0"]);
    let output = command::run_within(&mut second, SOON)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains(&format!("process {} holds", agent.pid())) && said.contains("help:"),
        "{said}"
    );
    assert!(agent.get("/readyz").is_ok_and(|(status, _)| status == 200));
    Ok(())
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let holder = TcpListener::bind("127.0.0.1:0")?;
    let address = holder.local_addr()?.to_string();
    let mut agent = Command::new(paths::agent_binary());
    agent.args(["run", "--metrics-listen", &address]);
    agent.arg("--state-dir").arg(folder.path().join("state"));
    agent.arg("--run-dir").arg(folder.path().join("run"));
    let output = command::run_within(&mut agent, SOON)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains(&address) && said.contains("help:"), "{said}");
    Ok(())
}

#[test]
fn without_privileges_it_lists_what_is_missing() -> Result<()> {
    if !can_run(&[Capability::Root]) {
        return Ok(());
    }
    // A place that nobody may read.
    let folder = tempfile::Builder::new()
        .prefix("vigia-nobody-")
        .tempdir_in("/tmp")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let binary = folder.path().join("agent");
    fs::copy(paths::agent_binary(), &binary)?;
    let mut agent = Command::new("setpriv");
    agent.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    agent.arg(&binary).arg("run").env_remove("VIGIA_CONFIG");
    let output = command::run_within(&mut agent, SOON)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(77), "{said}");
    for part in ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "help:"] {
        assert!(said.contains(part), "'{part}' is missing in: {said}");
    }
    Ok(())
}

#[test]
fn a_broken_profile_changes_nothing_on_reload() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("shop.yaml"), PROFILE)?;
    let agent = AgentProcess::start(&Options {
        profiles: Some(folder.path().to_owned()),
        ..Options::default()
    })?;
    let pid = i32::try_from(agent.pid())
        .ok()
        .and_then(Pid::from_raw)
        .context("pid")?;
    let profiles = || -> Result<serde_json::Value> { Ok(agent.status()?["profiles"].clone()) };
    let before = profiles()?;
    fs::write(folder.path().join("broken.yaml"), format!("{PROFILE}exce: []\n"))?;
    kill_process(pid, Signal::HUP)?;
    command::wait_until("the refusal is logged", SOON, || {
        let log = agent.log_tail();
        (log.contains("not reloaded") && log.contains("broken.yaml:5:1")).then_some(())
    })?;
    assert_eq!(profiles()?, before);
    fs::write(
        folder.path().join("broken.yaml"),
        PROFILE.replace("shop", "stall"),
    )?;
    kill_process(pid, Signal::HUP)?;
    command::wait_until("the second profile is in force", SOON, || {
        profiles().ok().filter(|now| *now != before)
    })?;
    Ok(())
}
