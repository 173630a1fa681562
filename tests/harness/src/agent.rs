//! The agent as a child process: started with folders of its own, watched line by line, stopped by SIGTERM.

use crate::time::parse_time;
use crate::{command, paths};
use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// Loading all programs takes seconds on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How to start the agent.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The executable; [`paths::agent_binary`] when there is none.
    pub binary: Option<PathBuf>,
    /// Value of `DOCKER_HOST`. None: a socket that does not exist, so that no daemon of the machine is touched.
    pub docker_host: Option<String>,
    /// Socket of a containerd with CRI. None: no containerd is asked.
    pub containerd: Option<PathBuf>,
    /// Socket of Podman's service. None: no Podman is asked.
    pub podman: Option<PathBuf>,
    /// Folder of behaviour profiles; an empty one when there is none.
    pub profiles: Option<PathBuf>,
    /// Further arguments of `agent run`.
    pub args: Vec<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
}

/// One line of standard output.
#[derive(Debug, Clone)]
pub struct Line {
    pub value: Value,
    /// When it was read.
    pub received: SystemTime,
}

impl Line {
    /// From the event, by the kernel's clock, to the moment at which the line was read. None: it has no time, or one
    /// after it was read.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let happened = parse_time(self.value["time"].as_str()?)?;
        self.received.duration_since(happened).ok()
    }
}

/// A running agent. Dropping it kills it.
#[derive(Debug)]
pub struct AgentProcess {
    /// Its executable: clients are the same program.
    binary: PathBuf,
    child: Child,
    folder: TempDir,
    metrics: SocketAddr,
    output: Arc<Output>,
    /// Ends with the agent's standard output.
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Vec<Line>>,
    changed: Condvar,
}

impl Output {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AgentProcess {
    /// Starts it and waits until its programs are attached.
    ///
    /// # Errors
    /// When it ends or is not ready within a minute; the error holds the end of its log.
    pub fn start(options: &Options) -> Result<Self> {
        let mut agent = Self::spawn(options)?;
        let ready = command::wait_until("the agent is ready", READY_WITHIN, || {
            let ended = !matches!(agent.child.try_wait(), Ok(None));
            let ready = agent.get("/readyz").is_ok_and(|(status, _)| status == 200);
            (ready || ended).then_some(ready)
        });
        match ready {
            Ok(true) => Ok(agent),
            Ok(false) => bail!("the agent has ended before it was ready:\n{}", agent.log_tail()),
            Err(error) => Err(error.context(agent.log_tail())),
        }
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vigia-agent-").tempdir()?;
        let metrics = free_address()?;
        let config = folder.path().join("config.yaml");
        fs::write(&config, config_of(folder.path(), options, metrics)?)?;
        let binary = options.binary.clone().unwrap_or_else(paths::agent_binary);
        let log = File::create(folder.path().join("log"))?;
        let mut run = Command::new(&binary);
        run.arg("run").arg("--config").arg(&config).args(&options.args);
        run.env("DOCKER_HOST", docker_host(folder.path(), options));
        run.envs(options.environment.iter().map(|(name, value)| (name, value)));
        run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = run
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let output = Arc::new(Output::default());
        let reader = child.stdout.take().map(|stdout| {
            let output = Arc::clone(&output);
            std::thread::spawn(move || collect(stdout, &output))
        });
        Ok(Self {
            binary,
            child,
            folder,
            metrics,
            output,
            reader,
        })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its own state and run folders lie in here, as `state` and `run`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file with which it runs: `agent --config … watch` finds it by this.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// What it logged, the last lines of it.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Everything it printed so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.output.lines().clone()
    }

    /// The number of lines so far: pass it to [`Self::wait_for`] to look only at what comes later.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.output.lines().len()
    }

    /// The first line from `mark` on that the predicate accepts.
    ///
    /// # Errors
    /// When there is none within `timeout`; the error holds the lines that came instead.
    pub fn wait_for(&self, mark: usize, timeout: Duration, accept: impl Fn(&Value) -> bool) -> Result<Line> {
        let deadline = Instant::now() + timeout;
        let mut lines = self.output.lines();
        loop {
            if let Some(line) = lines.iter().skip(mark).find(|line| accept(&line.value)) {
                return Ok(line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seen: Vec<String> = lines
                    .iter()
                    .skip(mark)
                    .map(|line| line.value.to_string())
                    .collect();
                bail!(
                    "no such line within {:.1} s; instead:\n{}",
                    timeout.as_secs_f32(),
                    seen.join("\n")
                );
            }
            let waited = self.output.changed.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// GET from its metrics and health server: status and body.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect_timeout(&self.metrics, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .context("no HTTP status")?;
        Ok((status, body.to_owned()))
    }

    /// A client of the agent: `agent --config … ARGS`.
    #[must_use]
    pub fn client(&self, args: &[&str]) -> Command {
        let mut client = Command::new(&self.binary);
        client.arg("--config").arg(self.config()).args(args);
        client
    }

    /// Memory that it has now, bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most memory that it ever had, bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_bytes(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("no {field}"))? * 1024)
    }

    /// The value of one sample of its metrics, by name and labels as they are printed; 0: there is none.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metric(&self, sample: &str) -> Result<f64> {
        let (_, text) = self.get("/metrics")?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        Ok(value.map_or(Ok(0.0), str::parse)?)
    }

    /// What `agent status` says.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn status(&self) -> Result<Value> {
        let text = command::run(&mut self.client(&["status", "--output", "json"]))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Waits until the agent knows as much of a container as `metadata` says: `resolved`, `unavailable`.
    ///
    /// # Errors
    /// When it does not within [`READY_WITHIN`]; the error holds the last thing it said.
    pub fn wait_for_container(&self, id: &str, metadata: &str) -> Result<()> {
        let mut last = Value::Null;
        let is_known = |status: &Value| {
            let containers = status["containers"].as_array();
            let mut all = containers.into_iter().flatten();
            all.any(|container| container["id"] == id && container["metadata"] == metadata)
        };
        command::wait_until("the container is known", READY_WITHIN, || {
            last = self.status().ok()?;
            is_known(&last).then_some(())
        })
        .with_context(|| format!("{id}, {metadata}: {last}"))
    }

    /// SIGTERM, and the end of it: its exit status and the time that it took.
    ///
    /// # Errors
    /// When it does not end within ten seconds; it is killed then.
    pub fn stop(self) -> Result<(ExitStatus, Duration)> {
        self.stop_and(|| {})
    }

    /// As [`Self::stop`]; with every line that it printed until its end.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn finish(mut self) -> Result<(ExitStatus, Vec<Line>)> {
        let (output, reader) = (Arc::clone(&self.output), self.reader.take());
        let (status, _) = self.stop()?;
        if let Some(reader) = reader {
            reader
                .join()
                .map_err(|_| anyhow!("its output could not be read"))?;
        }
        let lines = output.lines().clone();
        Ok((status, lines))
    }

    /// As [`Self::stop`]; `look` runs after the end and before its folders are removed.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub fn stop_and(mut self, look: impl FnOnce()) -> Result<(ExitStatus, Duration)> {
        let begun = Instant::now();
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("no pid")?;
        kill_process(pid, Signal::TERM)?;
        match command::wait_within(&mut self.child, Duration::from_secs(10))? {
            Some(status) => {
                let took = begun.elapsed();
                look();
                Ok((status, took))
            }
            None => bail!("the agent does not end on SIGTERM:\n{}", self.log_tail()),
        }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn config_of(folder: &Path, options: &Options, metrics: SocketAddr) -> Result<Vec<u8>> {
    let profiles = options
        .profiles
        .clone()
        .unwrap_or_else(|| folder.join("profiles"));
    fs::create_dir_all(&profiles)?;
    // JSON is YAML.
    Ok(serde_json::to_vec_pretty(&json!({
        "state_dir": folder.join("state"),
        "run_dir": folder.join("run"),
        "profiles_dir": profiles,
        "metrics": {"listen": metrics.to_string()},
        // No runtime of the machine is touched.
        "runtimes": {
            "containerd": {"enabled": options.containerd.is_some(), "socket": options.containerd},
            "crio": {"enabled": false},
            "podman": {"enabled": options.podman.is_some(), "socket": options.podman},
        },
    }))?)
}

fn docker_host(folder: &Path, options: &Options) -> String {
    options
        .docker_host
        .clone()
        .unwrap_or_else(|| format!("unix://{}/absent.sock", folder.display()))
}

/// A loopback address that nobody listens on at this moment.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A line that is no JSON is kept as a string: a test that looks at all lines will see it.
fn collect(stdout: ChildStdout, output: &Output) {
    for line in BufReader::new(stdout).lines() {
        let Ok(line) = line else { break };
        let received = SystemTime::now();
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        output.lines().push(Line { value, received });
        output.changed.notify_all();
    }
}
