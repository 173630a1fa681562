//! A container without a runtime.

use super::hierarchy::{Hierarchy, Version};
use super::{World, hierarchies, raw};
use agent::event::{ContainerOp, Lifecycle, Payload, RawEvent, SlotKey};
use agent_tests::command::wait_within;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// For an answer of the container's process, on an emulated CPU too.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// An id as runtimes make them, that no other container of this machine has.
pub(crate) fn unique_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:032x}{:032x}", std::process::id(), next)
}

/// What container to make.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) id: String,
    pub(crate) hierarchies: Vec<Hierarchy>,
    /// Done by the runtime's part, before the container is live.
    pub(crate) first: Vec<String>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            id: unique_id(),
            hierarchies: hierarchies(),
            first: Vec::new(),
        }
    }
}

/// A process that does what it is told, one deed after the other.
#[derive(Debug)]
pub(crate) struct Actor {
    stdin: Option<File>,
    answers: Receiver<String>,
    /// As the host sees it.
    pub(crate) pid: u32,
}

impl Actor {
    fn new(stdin: impl Into<OwnedFd>, stdout: impl Read + Send + 'static) -> Self {
        let (sender, answers) = sync_channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            stdin: Some(File::from(stdin.into())),
            answers,
            pid: 0,
        }
    }

    /// Lets the runtime's part go on, and waits for the process that it starts.
    fn go(&mut self) -> Result<()> {
        self.say("go")?;
        let greeting = self.answer("go")?;
        let pid = greeting.strip_prefix("ready ").context("no greeting")?;
        self.pid = pid.parse()?;
        Ok(())
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the process was ended")?;
        Ok(stdin.write_all(format!("{line}\n").as_bytes())?)
    }

    fn answer(&mut self, line: &str) -> Result<String> {
        self.answers
            .recv_timeout(ANSWER_WITHIN)
            .with_context(|| format!("no answer to `{line}`"))
    }

    /// What came of it; `Err`: the number of the error.
    ///
    /// # Errors
    /// When the process does not answer, or with a sentence.
    pub(crate) fn attempt(&mut self, deed: &str) -> Result<Result<i64, i32>> {
        self.say(deed)?;
        let answer = self.answer(deed)?;
        match answer.split_once(' ') {
            Some(("ok", number)) => Ok(Ok(number.parse()?)),
            Some(("errno", number)) => Ok(Err(number.parse()?)),
            _ => bail!("{deed}: {answer}"),
        }
    }

    /// What came of it, which must be a success.
    ///
    /// # Errors
    /// When it was none.
    pub(crate) fn act(&mut self, deed: &str) -> Result<i64> {
        match self.attempt(deed)? {
            Ok(number) => Ok(number),
            Err(number) => bail!("{deed}: {}", std::io::Error::from_raw_os_error(number)),
        }
    }
}

/// The container. Dropped, its processes are killed and its control groups removed.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) slot: SlotKey,
    pub(crate) init: Actor,
    pub(crate) groups: Vec<PathBuf>,
    runtimes: Vec<Child>,
}

impl Container {
    /// Makes one and waits until the sensor calls it live.
    ///
    /// # Errors
    /// When the machine does not let us, or the sensor misses it.
    pub(crate) fn start(world: &mut World, spec: Spec) -> Result<Self> {
        let mut container = Self::start_unseen(spec)?;
        container.slot = world.expect("LIVE of the container", |event| {
            lifecycle(event, ContainerOp::LIVE, &container.id)
        })?;
        Ok(container)
    }

    /// Makes one, whether or not a sensor sees it: it has no slot here.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub(crate) fn start_unseen(spec: Spec) -> Result<Self> {
        let groups = Groups::make(&spec)?;
        let first: Vec<&str> = std::iter::once("runtime")
            .chain(spec.first.iter().map(String::as_str))
            .collect();
        let (mut runtime, mut init) = spawn(&first)?;
        groups.add(runtime.id())?;
        if let Err(error) = init.go() {
            runtime.kill()?;
            runtime.wait()?;
            return Err(error);
        }
        Ok(Self {
            id: spec.id,
            slot: SlotKey {
                slot: 0,
                generation: 0,
            },
            init,
            groups: groups.take(),
            runtimes: vec![runtime],
        })
    }

    /// A further process that arrives as `docker exec` does: attached to the cgroup, then into the namespaces.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub(crate) fn join_by_attach(&mut self) -> Result<Actor> {
        self.join("enter")
    }

    /// The same, of a container that shares the host's process ids: it can name every process.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub(crate) fn join_with_host_pids(&mut self) -> Result<Actor> {
        self.join("enter-host-pids")
    }

    fn join(&mut self, role: &str) -> Result<Actor> {
        let (runtime, mut actor) = spawn(&[role, &self.init.pid.to_string()])?;
        add(&self.groups, runtime.id())?;
        self.runtimes.push(runtime);
        actor.go()?;
        Ok(actor)
    }

    /// A further process that is born in the cgroup; only in the unified hierarchy.
    ///
    /// # Errors
    /// When the machine does not let us.
    pub(crate) fn join_by_clone(&mut self) -> Result<Actor> {
        let group = File::open(self.groups.first().context("no cgroup")?)?;
        let (stdin, say) = std::io::pipe()?;
        let (listen, stdout) = std::io::pipe()?;
        let own = std::env::current_exe()?;
        let pid = self.init.pid.to_string();
        let image = raw::Image {
            program: own.to_str().context("a path that is no text")?,
            arguments: &["enter", &pid],
            stdin: File::from(OwnedFd::from(stdin)),
            stdout: File::from(OwnedFd::from(stdout)),
        };
        raw::clone_into(group.as_fd(), &image)?;
        drop(image);
        let mut actor = Actor::new(OwnedFd::from(say), listen);
        actor.go()?;
        Ok(actor)
    }

    /// Id of the cgroup that names the container: the older hierarchy's, where there is one.
    pub(crate) fn cgroup_id(&self) -> Result<u64> {
        Ok(fs::metadata(self.groups.last().context("no cgroup")?)?.ino())
    }

    /// Ends its processes and removes its cgroups.
    ///
    /// # Errors
    /// When a process does not end, or a cgroup is still in use.
    pub(crate) fn stop(mut self) -> Result<SlotKey> {
        self.tear_down()?;
        Ok(self.slot)
    }

    fn tear_down(&mut self) -> Result<()> {
        self.init.stdin = None;
        for mut runtime in self.runtimes.drain(..) {
            if wait_within(&mut runtime, Duration::from_secs(20))?.is_none() {
                runtime.kill()?;
                runtime.wait()?;
            }
        }
        for group in self.groups.drain(..) {
            remove(&group)?;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // A test that failed already says why.
        self.tear_down().ok();
    }
}

/// The container that a lifecycle record names, when it is this record and this container.
pub(crate) fn lifecycle(event: &RawEvent, wanted: ContainerOp, wanted_id: &str) -> Option<SlotKey> {
    match &event.payload {
        Payload::Container(Lifecycle { op, id, .. }) if *op == wanted && id.to_text() == wanted_id => {
            event.slot()
        }
        _ => None,
    }
}

/// Starts this program in a role, ready to be told to go.
fn spawn(role: &[&str]) -> Result<(Child, Actor)> {
    let mut child = Command::new(super::OWN_PROGRAM)
        .args(role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take().context("no pipe")?;
    let stdout = child.stdout.take().context("no pipe")?;
    Ok((child, Actor::new(stdin, stdout)))
}

/// Control groups in the making; removed unless they are taken.
struct Groups(Vec<PathBuf>);

impl Groups {
    fn make(spec: &Spec) -> Result<Self> {
        let mut groups = Self(Vec::new());
        ensure!(!spec.hierarchies.is_empty(), "no cgroup hierarchy is mounted");
        for hierarchy in &spec.hierarchies {
            let path = hierarchy.root.join(name(&spec.id, hierarchy.version));
            fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
            groups.0.push(path);
        }
        Ok(groups)
    }

    fn add(&self, pid: u32) -> Result<()> {
        add(&self.0, pid)
    }

    fn take(mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for group in &self.0 {
            // Best effort: what failed is said already.
            remove(group).ok();
        }
    }
}

/// As Docker names them under systemd, and without it.
fn name(id: &str, version: Version) -> String {
    match version {
        Version::V1 => id.to_owned(),
        Version::V2 => format!("docker-{id}.scope"),
    }
}

fn add(groups: &[PathBuf], pid: u32) -> Result<()> {
    for group in groups {
        let procs = group.join("cgroup.procs");
        fs::write(&procs, pid.to_string()).with_context(|| format!("cannot write {}", procs.display()))?;
    }
    Ok(())
}

/// The last process's end and the removal of its cgroup may cross.
pub(crate) fn remove(group: &Path) -> Result<()> {
    agent_tests::command::wait_until("removal of a cgroup", Duration::from_secs(10), || {
        let removed = fs::remove_dir(group).is_ok();
        (removed || !group.exists()).then_some(())
    })
}
