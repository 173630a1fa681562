//! What a service manager such as systemd is told: here the test is the manager.

use agent_tests::agent::{AgentProcess, Options};
use agent_tests::capability::{Capability, can_run};
use agent_tests::lab::Runc;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const NEEDED: [Capability; 3] = [Capability::Root, Capability::Bpf, Capability::Runc];
/// Loading all programs takes seconds on a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Silence after which this manager would start the agent again.
const WATCHDOG: Duration = Duration::from_secs(2);

struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(folder.path().join("notify"))?;
        Ok(Self { socket, folder })
    }

    fn start_agent(&self) -> Result<AgentProcess> {
        let path = self.folder.path().join("notify");
        AgentProcess::spawn(&Options {
            environment: vec![
                ("NOTIFY_SOCKET".to_owned(), path.display().to_string()),
                ("WATCHDOG_USEC".to_owned(), WATCHDOG.as_micros().to_string()),
            ],
            ..Options::default()
        })
    }

    fn told(&self, within: Duration) -> Result<String> {
        self.socket.set_read_timeout(Some(within))?;
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).context("nothing was told")?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// The next message that `accept` accepts.
    fn until(&self, what: &str, accept: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let told = self.told(left.max(Duration::from_millis(1)));
            let told = told.with_context(|| format!("{what} was not told"))?;
            if accept(&told) {
                return Ok(told);
            }
        }
    }
}

fn signal(agent: &AgentProcess, signal: Signal) -> Result<()> {
    let pid = i32::try_from(agent.pid()).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.context("pid")?, signal)?)
}

fn programs(agent: &AgentProcess) -> usize {
    let folder = fs::read_dir(format!("/proc/{}/fdinfo", agent.pid()));
    let files = folder.into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts.filter(|text| text.contains("prog_id:")).count()
}

/// The machine may have containers of others: figures are compared.
fn alerts(told: &str) -> Option<u64> {
    let (_, rest) = told.split_once(", alerts ")?;
    rest.split(',').next()?.parse().ok()
}

#[test]
fn a_service_manager_is_told_of_start_life_reload_and_end() -> Result<()> {
    if !can_run(&NEEDED) {
        return Ok(());
    }
    let manager = Manager::new()?;
    let agent = manager.start_agent()?;
    let first = manager.told(SOON).with_context(|| agent.log_tail())?;
    assert_eq!(first, "READY=1\n");
    assert!(programs(&agent) > 5, "ready before the programs are attached");
    assert_eq!(agent.get("/readyz")?.0, 200, "{}", agent.log_tail());

    let alive = |told: &str| told.starts_with("WATCHDOG=1\nSTATUS=");
    manager.until("life", alive)?;
    for _ in 0..2 {
        let begun = Instant::now();
        manager.until("life", alive)?;
        let gap = begun.elapsed();
        assert!(gap > WATCHDOG / 4 && gap < WATCHDOG, "{gap:?}");
    }

    let before = alerts(&manager.until("a status", alive)?);
    let runc = Runc::prepare("service")?;
    let container = runc.start(&["sleep", "1000"])?;
    container.exec(&["sh", "-c", "cp /bin/busybox /tmp/true && /tmp/true"])?;
    manager.until("the alert", |told| alerts(told) > before)?;
    drop(container);

    signal(&agent, Signal::HUP)?;
    let reloading = manager.until("the reload", |told| !alive(told))?;
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let usec = usec
        .with_context(|| reloading.clone())?
        .trim_end()
        .parse::<u64>()?;
    assert!(usec > 0);
    let reloaded = manager.until("the reload's end", |told| !alive(told))?;
    assert_eq!(reloaded, "READY=1\n");

    signal(&agent, Signal::TERM)?;
    assert_eq!(manager.until("the end", |told| !alive(told))?, "STOPPING=1\n");
    agent
        .stop_and(|| {})
        .map(|(status, _)| assert_eq!(status.code(), Some(0)))?;
    let late = manager.told(Duration::from_millis(1));
    ensure!(late.is_err(), "told after the end began: {late:?}");
    Ok(())
}
