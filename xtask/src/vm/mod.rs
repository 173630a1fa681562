//! `cargo xtask vm`: a command on another kernel, in QEMU, in software. Everything it needs is in the initramfs.

pub(crate) mod corpus;
mod cpio;
mod guest;
mod kernel;
mod messages;
mod package;
mod qemu;
mod refusal;
pub(crate) mod tier;

pub(crate) use guest::Guest;

use crate::build::build_for_tests;
use crate::setup::{self, Purpose};
use crate::shell;
use anyhow::{Result, bail};
use qemu::{Machine, Outcome};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The command's exit code is ours; these are what `timeout` and container tools use.
const TIMED_OUT: u8 = 124;
const DIED: u8 = 125;

/// The kernel's usual list with bpf at its end, without what would need a policy in user space.
pub(crate) const LSM_WITH_BPF: &str = "landlock,lockdown,yama,integrity,bpf";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel series of Debian: 5.10, 6.1, 6.12
    kernel: String,
    /// The kernel's list of security modules; without `bpf`, LSM programs load and never fire
    #[arg(long, default_value = LSM_WITH_BPF)]
    lsm: String,
    /// A host file to have in /bin, with the libraries it loads; the agent is always there
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Environment of the command
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    timeout: u64,
    #[arg(long, default_value_t = 2048, value_name = "MIB")]
    memory: u32,
    /// The command, in the guest
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    setup::ensure(&[Purpose::Vm])?;
    let scratch = tempfile::tempdir()?;
    let mut files = args.file.clone();
    files.push(build_for_tests()?);
    let mut guest = Guest {
        script: args
            .command
            .iter()
            .map(|word| guest::quoted(word))
            .collect::<Vec<_>>()
            .join(" "),
        ..Guest::default()
    };
    for file in &files {
        guest.programs.push(stripped(file, scratch.path())?);
    }
    for pair in &args.env {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("--env {pair}: no NAME=VALUE")
        };
        guest.env.push((name.to_owned(), value.to_owned()));
    }
    let boot = Boot {
        kernel: &args.kernel,
        lsm: &args.lsm,
        memory_mib: args.memory,
        timeout: Duration::from_secs(args.timeout),
    };
    Ok(ExitCode::from(boot.run(&guest, |said| {
        if let Said::Line(line) = said {
            // Nobody may be reading any more.
            std::io::stdout().write_all(line).ok();
        }
    })?))
}

/// What to boot and for how long at most.
pub(crate) struct Boot<'a> {
    pub(crate) kernel: &'a str,
    pub(crate) lsm: &'a str,
    pub(crate) memory_mib: u32,
    pub(crate) timeout: Duration,
}

/// What comes from a guest.
pub(crate) enum Said<'a> {
    /// It boots, maybe for another time: what it said before does not count.
    Begin,
    /// A line of output.
    Line(&'a [u8]),
}

/// A guest that the emulator ends is booted again, so often in all.
const BOOTS: u32 = 3;

/// Linux changes its own code under breakpoints. An emulated CPU may meet one that another has taken away already, and the kernel knows
/// nothing of it. No program of the sensor can make a breakpoint.
fn is_emulators_fault(log: &str) -> bool {
    log.lines().next().is_some_and(|line| line.contains("Oops: int3"))
}

impl Boot<'_> {
    /// Boots, passes each line of output on, gives the exit code; says why when it is not the command's own.
    ///
    /// # Errors
    /// When the kernel cannot be had or QEMU not be started.
    pub(crate) fn run(&self, guest: &Guest, mut on: impl FnMut(Said<'_>)) -> Result<u8> {
        let kernel = kernel::get(self.kernel)?;
        let initramfs = guest.pack(&kernel)?;
        let lsm = (self.lsm != "default").then_some(self.lsm);
        shell::say(&format!(
            "booting {} lsm={} ({} MiB of initramfs)",
            self.kernel,
            self.lsm,
            initramfs.len() >> 20
        ));
        let machine = Machine {
            kernel: &kernel.image,
            initramfs: &initramfs,
            lsm,
            memory_mib: self.memory_mib,
            timeout: self.timeout,
        };
        let mut boots = 0;
        loop {
            boots += 1;
            on(Said::Begin);
            match machine.boot(|line| on(Said::Line(line)))? {
                Outcome::Exited(code) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
                Outcome::TimedOut => {
                    shell::say(&format!("not done after {} s", self.timeout.as_secs()));
                    return Ok(TIMED_OUT);
                }
                Outcome::Died(log) => {
                    shell::say(&format!("the virtual machine died:\n{log}"));
                    if boots == BOOTS || !is_emulators_fault(&log) {
                        return Ok(DIED);
                    }
                    shell::say("half-written code: the emulator's fault. Once more");
                }
            }
        }
    }
}

/// A copy without symbols, to be at `bin/<name>`: debug info would fill the guest's memory.
pub(crate) fn stripped(file: &Path, scratch: &Path) -> Result<(PathBuf, String)> {
    let Some(name) = file.file_name() else {
        bail!("{} is no file", file.display())
    };
    let copy = scratch.join(name);
    let is_done = Command::new("strip")
        .arg("-o")
        .arg(&copy)
        .arg(file)
        .status()
        .is_ok_and(|status| status.success());
    if !is_done {
        std::fs::copy(file, &copy)?;
    }
    Ok((copy, format!("bin/{}", name.to_string_lossy())))
}
