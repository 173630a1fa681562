//! Where workloads run: a control group that looks like a container's to the agent, or one that does not.

use super::server::{Nginx, Redis};
use super::workload::{Kind, Workload};
use agent_tests::lab::Cgroup;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Joins the group whose folder is `$0` and becomes the rest. Sessions have priorities of their own where the scheduler groups by them:
/// against a machine that does other things too.
const ENTER: &str = "echo $$ > \"$0/cgroup.procs\"; echo -15 2>/dev/null > /proc/self/autogroup; exec \"$@\"";
/// Micro workloads stay on one processor.
const PIN: [&str; 3] = ["taskset", "-c", "1"];
/// What `fork.c` becomes.
const FORK: &str = "vigia-fork";
const C_FILES: u64 = 40;
const ARCHIVED: u64 = 3_000;
const REDIS_REQUESTS: u64 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Container,
    Host,
}

/// What a workload took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) operations: u64,
    /// Processor time of everything in the group, servers too.
    pub(crate) cpu: Duration,
    /// How long one took; None: it was not asked.
    pub(crate) latency: Option<Latency>,
}

/// Of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Latency {
    /// From nanoseconds.
    fn of(p50: &str, p99: &str) -> Result<Self> {
        let [p50, p99] = [p50, p99].map(|number| number.parse().map(Duration::from_nanos));
        Ok(Self { p50: p50?, p99: p99? })
    }
}

impl Cost {
    /// Of one operation, nanoseconds.
    pub(crate) fn per_operation(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.operations as f64
    }
}

pub(crate) struct Arena {
    cgroup: Cgroup,
    folder: TempDir,
    program: PathBuf,
    seconds: f64,
}

impl Arena {
    /// `program` is `vigia-workload`.
    pub(crate) fn new(place: Place, program: &Path, seconds: f64) -> Result<Self> {
        let leaf = match place {
            Place::Container => format!("docker-{}.scope", container_id()),
            Place::Host => format!("vigia-bench-{}.service", std::process::id()),
        };
        let folder = tempfile::Builder::new().prefix("vigia-bench-").tempdir()?;
        write_sources(folder.path())?;
        write_archive(folder.path())?;
        compile_fork(folder.path())?;
        Ok(Self {
            cgroup: Cgroup::create(&leaf)?,
            folder,
            program: program.to_owned(),
            seconds,
        })
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When it, or the server that it needs, fails.
    pub(crate) fn run(&self, workload: &Workload) -> Result<Cost> {
        let cost = match workload.kind {
            Kind::Micro => self.micro(&self.program, workload.name),
            Kind::Fork => self.micro(&self.folder().join(FORK), workload.name),
            Kind::Http { keep_alive } => self.http(keep_alive),
            Kind::Redis => self.redis(),
            Kind::Compile => self.compile(),
            Kind::Extract => self.extract(),
        };
        let cost = cost.with_context(|| workload.name)?;
        if cost.operations == 0 {
            bail!("{}: it did nothing", workload.name);
        }
        Ok(cost)
    }

    /// A program that joins the group and has a session of its own.
    pub(super) fn command<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", ENTER]);
        // Cargo's own, with which each program would look for its libraries in many places.
        command.env_remove("LD_LIBRARY_PATH");
        command.arg(self.cgroup.path()).args(words).stdin(Stdio::null());
        command
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A complete profile of what runs here, by its control group.
    pub(crate) fn write_profile(&self, folder: &Path) -> Result<()> {
        let (own, program) = (self.folder().display(), self.program.display());
        let text = format!(
            "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {{name: bench}}\n\
             match: {{cgroups: ['**/docker-{id}.scope']}}\nstate: complete\n\
             exec: [{{path: '/usr/**'}}, {{path: '/bin/**'}}, {{path: '{own}/**'}}, {{path: '{program}'}}]\n\
             listen: [{{port: any, address: loopback}}, {{port: any, proto: udp}}]\n\
             connect: [{{cidr: 127.0.0.0/8}}]\n\
             files: {{write: [{{path: '{own}/**'}}, {{path: '/dev/shm/**'}}, {{path: '/tmp/**'}}, {{path: '/var/**'}}]}}\n",
            id = container_id()
        );
        Ok(fs::write(folder.join("bench.yaml"), text)?)
    }

    fn micro(&self, program: &Path, name: &str) -> Result<Cost> {
        let mut command = self.command(PIN);
        command.arg(program).arg(name);
        command.arg(self.seconds.to_string()).arg(self.folder.path());
        let (output, cpu) = self.finish(&mut command)?;
        let words: Vec<&str> = output.split_whitespace().collect();
        let [operations, p50, p99] = words[..] else {
            bail!("it printed {output:?}");
        };
        Ok(Cost {
            operations: operations.parse()?,
            cpu,
            latency: Some(Latency::of(p50, p99)?),
        })
    }

    fn http(&self, keep_alive: bool) -> Result<Cost> {
        let server = Nginx::start(self)?;
        let seconds = format!("{}s", (self.seconds * 2.0).ceil());
        let mut command = self.command(["wrk", "-t1", "-c16", "-d", &seconds]);
        if !keep_alive {
            command.args(["-H", "Connection: close"]);
        }
        let (output, cpu) = self.finish(command.arg(server.url()))?;
        let line = output.lines().find(|line| line.contains("requests in"));
        let count = line.and_then(|line| line.split_whitespace().next());
        Ok(Cost {
            operations: count.context("wrk counted no requests")?.parse()?,
            cpu,
            latency: None,
        })
    }

    fn redis(&self) -> Result<Cost> {
        let server = Redis::start(self)?;
        let requests = REDIS_REQUESTS.to_string();
        let mut command = self.command(["redis-benchmark", "-t", "set,get", "-c", "20", "-q"]);
        command.args(["-n", &requests, "-p", &server.port()]);
        let (_, cpu) = self.finish(&mut command)?;
        Ok(Cost {
            operations: 2 * REDIS_REQUESTS,
            cpu,
            latency: None,
        })
    }

    fn compile(&self) -> Result<Cost> {
        let sources = self.folder.path().join("c");
        for number in 0..C_FILES {
            // There is none the first time.
            fs::remove_file(sources.join(format!("f{number}.o"))).ok();
        }
        let mut command = self.command(["make", "-s", "-j2", "-C"]);
        let (_, cpu) = self.finish(command.arg(&sources))?;
        Ok(Cost {
            operations: C_FILES,
            cpu,
            latency: None,
        })
    }

    fn extract(&self) -> Result<Cost> {
        // In memory: not the disk is measured.
        let into = tempfile::Builder::new()
            .prefix("vigia-bench-")
            .tempdir_in("/dev/shm")?;
        let mut command = self.command(["tar", "-C"]);
        command
            .arg(into.path())
            .arg("-xf")
            .arg(self.folder.path().join("files.tar"));
        let (_, cpu) = self.finish(&mut command)?;
        Ok(Cost {
            operations: ARCHIVED,
            cpu,
            latency: None,
        })
    }

    /// What it prints, and the processor time of the group meanwhile.
    fn finish(&self, command: &mut Command) -> Result<(String, Duration)> {
        let before = self.cpu()?;
        let output = agent_tests::command::run(command)?;
        Ok((output, self.cpu()?.saturating_sub(before)))
    }

    fn cpu(&self) -> Result<Duration> {
        let text = fs::read_to_string(self.cgroup.path().join("cpu.stat"))
            .context("the unified cgroup hierarchy is needed, for the processor time of a group")?;
        let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
        Ok(Duration::from_micros(usage.context("no usage_usec")?.parse()?))
    }
}

/// No container has it.
fn container_id() -> String {
    "b".repeat(64)
}

fn compile_fork(folder: &Path) -> Result<()> {
    let source = folder.join("fork.c");
    fs::write(&source, include_str!("fork.c"))?;
    let mut command = Command::new("cc");
    command.args(["-O2", "-o"]).arg(folder.join(FORK)).arg(source);
    agent_tests::command::run(&mut command).map(drop)
}

fn write_sources(folder: &Path) -> Result<()> {
    let sources = folder.join("c");
    fs::create_dir(&sources)?;
    for number in 0..C_FILES {
        let functions = (0..20).map(|function| {
            format!(
                "int f{number}_{function}(int a){{int s=0;for(int i=0;i<a;i++)s+=i*{function};return s;}}\n"
            )
        });
        let headers = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n";
        let text = headers.to_owned() + &functions.collect::<String>();
        fs::write(sources.join(format!("f{number}.c")), text)?;
    }
    let makefile = "all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\tcc -O0 -c $< -o $@\n";
    Ok(fs::write(sources.join("Makefile"), makefile)?)
}

fn write_archive(folder: &Path) -> Result<()> {
    let file = fs::File::create(folder.join("files.tar"))?;
    let mut archive = tar::Builder::new(file);
    for number in 0..ARCHIVED {
        let mut header = tar::Header::new_gnu();
        header.set_size(700);
        header.set_mode(0o644);
        let path = format!("{}/f{number}", number % 50);
        archive.append_data(&mut header, path, &[b'y'; 700][..])?;
    }
    Ok(archive.finish()?)
}
