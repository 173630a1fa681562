//! What is put beside the workloads in turn: the agent, or another tool that looks at the same things.

use crate::shell;
use agent_tests::agent::{AgentProcess, Options};
use agent_tests::command::{run, wait_until, wait_within};
use agent_tests::measure::cpu_time;
use anyhow::{Context, Result, bail};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);
const TRACEFS: &str = "/sys/kernel/tracing";
/// Execs, opens, connections and listeners of everybody, printed.
const SCRIPT: &str = "tracepoint:sched:sched_process_exec { printf(\"exec %d %s %s\\n\", pid, comm, str(args->filename)); }\n\
    tracepoint:syscalls:sys_enter_openat { printf(\"open %d %s %s %d\\n\", pid, comm, str(args->filename), args->flags); }\n\
    tracepoint:syscalls:sys_enter_connect { printf(\"connect %d %s %d\\n\", pid, comm, args->fd); }\n\
    tracepoint:syscalls:sys_enter_bind { printf(\"bind %d %s %d\\n\", pid, comm, args->fd); }\n\
    tracepoint:syscalls:sys_enter_listen { printf(\"listen %d %s %d\\n\", pid, comm, args->fd); }\n\
    BEGIN { printf(\"READY\\n\"); }\n";
/// The same as rules of the kernel's audit.
const AUDITED: &str = "execve,openat,connect,bind,listen";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    Agent,
    Bpftrace,
    /// Last: what was made while it ran carries an audit context to its end.
    Auditd,
}

/// One that runs.
pub(crate) enum Running {
    Agent(AgentProcess),
    Bpftrace { process: Process, _tracefs: Tracefs },
    Auditd { _rules: Rules, process: Process },
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Bpftrace => "bpftrace",
            Self::Auditd => "auditd",
        }
    }

    /// Starts it and waits until it sees.
    pub(crate) fn start(self, agent: &Options) -> Result<Running> {
        match self {
            Self::Agent => AgentProcess::start(agent).map(Running::Agent),
            Self::Bpftrace => bpftrace(),
            Self::Auditd => auditd(),
        }
        .with_context(|| format!("{} does not start", self.name()))
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Agent(agent) => agent.pid(),
            Self::Bpftrace { process, .. } | Self::Auditd { process, .. } => process.child.id(),
        }
    }

    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        cpu_time(self.pid())
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(&path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib
            .with_context(|| format!("{path} has no VmRSS"))?
            .parse::<u64>()?
            << 10)
    }

    /// Ends it, and waits for that.
    pub(crate) fn stop(self) -> Result<()> {
        match self {
            Self::Agent(agent) => agent.stop().map(drop),
            Self::Bpftrace { .. } | Self::Auditd { .. } => Ok(()),
        }
    }
}

/// A program with files of its own, asked to end when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// What it prints is in `output` there.
    folder: TempDir,
}

impl Process {
    fn start(command: &mut Command, folder: TempDir) -> Result<Self> {
        let output = File::create(folder.path().join("output"))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Ok(Self {
            child: command.spawn()?,
            folder,
        })
    }

    /// Waits for it; the error is what it printed.
    fn wait(&mut self, is_ready: impl Fn(&Path) -> bool) -> Result<()> {
        let ready = wait_until("it is ready", READY_WITHIN, || {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            let ready = is_ready(self.folder.path());
            (ready || ended).then_some(ready)
        });
        if !matches!(ready, Ok(true)) {
            bail!("{}", fs::read_to_string(self.folder.path().join("output"))?);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _asked = pid.map(|pid| kill_process(pid, Signal::TERM));
        let _ended = wait_within(&mut self.child, READY_WITHIN);
    }
}

/// Where bpftrace looks tracepoints up, for as long as it lives.
pub(crate) struct Tracefs {
    mounted: bool,
}

impl Tracefs {
    fn mount() -> Result<Self> {
        let there = Path::new(TRACEFS).join("events").exists();
        if !there {
            mount("nodev", TRACEFS, "tracefs", MountFlags::empty(), None)
                .with_context(|| format!("cannot mount {TRACEFS}"))?;
        }
        Ok(Self { mounted: !there })
    }
}

impl Drop for Tracefs {
    fn drop(&mut self) {
        if self.mounted
            && let Err(error) = unmount(TRACEFS, UnmountFlags::DETACH)
        {
            shell::say(&format!("{TRACEFS} stays mounted: {error}"));
        }
    }
}

fn bpftrace() -> Result<Running> {
    let tracefs = Tracefs::mount()?;
    let folder = tempfile::Builder::new().prefix("vigia-bench-").tempdir()?;
    let script = folder.path().join("script.bt");
    fs::write(&script, SCRIPT)?;
    let mut process = Process::start(Command::new("bpftrace").arg(script), folder)?;
    process
        .wait(|folder| fs::read_to_string(folder.join("output")).is_ok_and(|text| text.contains("READY")))?;
    Ok(Running::Bpftrace {
        process,
        _tracefs: tracefs,
    })
}

fn auditd() -> Result<Running> {
    let folder = tempfile::Builder::new().prefix("vigia-bench-").tempdir()?;
    fs::create_dir(folder.path().join("plugins"))?;
    let own = folder.path().display();
    let lines = [
        format!("log_file = {own}/audit.log"),
        format!("plugin_dir = {own}/plugins"),
        "log_format = RAW".into(),
        "flush = INCREMENTAL_ASYNC".into(),
        "freq = 50".into(),
        "max_log_file = 64".into(),
        "max_log_file_action = ROTATE".into(),
        "num_logs = 2".into(),
        "space_left = 2".into(),
        "admin_space_left = 1".into(),
    ];
    fs::write(folder.path().join("auditd.conf"), lines.join("\n") + "\n")?;
    let mut command = Command::new("auditd");
    command.arg("-n").arg("-c").arg(folder.path());
    let mut process = Process::start(&mut command, folder)?;
    process.wait(|folder| folder.join("audit.log").exists())?;
    Ok(Running::Auditd {
        _rules: Rules::set()?,
        process,
    })
}

/// The kernel's audit looks at calls while it lives.
pub(crate) struct Rules;

impl Rules {
    fn set() -> Result<Self> {
        auditctl(&["-D"])?;
        let rules = Self;
        auditctl(&["-b", "65536"])?;
        auditctl(&["-a", "always,exit", "-F", "arch=b64", "-S", AUDITED])?;
        auditctl(&["-e", "1"])?;
        Ok(rules)
    }
}

impl Drop for Rules {
    /// Processes that are made from now on have no audit context.
    fn drop(&mut self) {
        for words in [&["-D"][..], &["-a", "never,task"], &["-e", "0"]] {
            if let Err(error) = auditctl(words) {
                shell::say(&format!("the kernel's audit stays as it is: {error:#}"));
            }
        }
    }
}

fn auditctl(words: &[&str]) -> Result<()> {
    run(Command::new("auditctl").args(words)).map(drop)
}
