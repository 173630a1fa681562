//! The `vm` test tier: the kernel tier's tests, on each kernel, with each backend; and a kernel that is
//! refused.

use super::{Boot, Guest, LSM_WITH_BPF, Said, messages, refusal, stripped};
use crate::build::{TIER_FEATURES, build_for_tests};
use crate::test::{Counts, Selection, Success};
use crate::{shell, verified};
use agent_tests::verified::Measurement;
use anyhow::{Context, Result, bail, ensure};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

const KERNELS: [&str; 2] = ["6.1", "6.12"];

/// A backend that the tests must find in use, and the security modules with which it is the best.
type Round = (&'static str, &'static str);
const LSM: Round = ("lsm", LSM_WITH_BPF);
/// Without `bpf` in the list LSM programs never fire and fentry must take over.
const FENTRY: Round = ("fentry", LSM_WITHOUT_BPF);
/// As on hosts that refuse both.
const TRACEPOINT: Round = ("tracepoint", LSM_WITHOUT_BPF);
const LSM_WITHOUT_BPF: &str = "landlock,lockdown,yama,integrity";

/// An emulated CPU on a busy machine is fifty times slower; a hang, not slowness, is what it is for.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// # Errors
/// When the tests do not compile or no machine can be booted.
pub(crate) fn run(selection: &Selection) -> Result<Counts> {
    let only = selection.only.as_deref();
    let scratch = tempfile::tempdir()?;
    let agent = stripped(&build_for_tests()?, scratch.path())?;
    let mut total = refusal::run(&agent, only)?;
    if selection.full {
        total.add(&messages::run(&KERNELS, only)?);
    }
    let programs = vec![agent, tests_in_guest(&kernel_tests()?, scratch.path())?];
    let counted = on_every_kernel(&[LSM, FENTRY], &programs, |boot, backend, mut guest| {
        let wanted = only.or_else(|| part(selection, boot.kernel, backend));
        guest.script = format!("{} {}", guest.script, wanted.unwrap_or_default());
        let counts = count(boot, backend, &guest)?;
        shell::say(&format!("vm {} {backend}: {counts}", boot.kernel));
        Ok(counts)
    })?;
    counted.iter().for_each(|counts| total.add(counts));
    Ok(total)
}

/// Beside all other tiers each backend is gone through on one kernel; on the other its programs are loaded and counted.
fn part(selection: &Selection, kernel: &str, backend: &str) -> Option<&'static str> {
    let whole = [("6.1", LSM.0), ("6.12", FENTRY.0)].contains(&(kernel, backend));
    (selection.brief && !whole).then_some(verified::TEST)
}

/// What the verifier goes through, as the kernel tier's tests measure it on every kernel with every backend.
///
/// # Errors
/// When a machine cannot be booted or a measurement fails.
pub(crate) fn measure(tests: &Path, measured: &mut Vec<Measurement>) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let programs = vec![tests_in_guest(tests, scratch.path())?];
    let rounds = [LSM, FENTRY, TRACEPOINT];
    let found = on_every_kernel(&rounds, &programs, |boot, backend, mut guest| {
        guest.script = format!("{} {}", guest.script, verified::TEST);
        guest.env.push(verified::environment());
        let mut found = Vec::new();
        let code = boot.run(&guest, |said| {
            // Measured twice is measured the same.
            if let Said::Line(line) = said {
                found.extend(Measurement::from_line(&String::from_utf8_lossy(line)));
            }
        })?;
        ensure!(
            code == 0,
            "{} {backend}: the measurement ended with {code}",
            boot.kernel
        );
        Ok(found)
    })?;
    measured.extend(found.into_iter().flatten());
    Ok(())
}

/// Kernels side by side, rounds of one after another: an emulated machine keeps one processor busy.
fn on_every_kernel<T: Send>(
    rounds: &[Round],
    programs: &[(PathBuf, String)],
    run: impl Fn(&Boot<'_>, &str, Guest) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let on_kernel = |kernel| {
        let round = |(backend, lsm): &Round| {
            let boot = Boot {
                kernel,
                lsm,
                memory_mib: 2048,
                timeout: TIMEOUT,
            };
            run(&boot, backend, guest(backend, programs))
        };
        rounds.iter().map(round).collect::<Result<Vec<T>>>()
    };
    let done = thread::scope(|scope| {
        let threads = KERNELS.map(|kernel| scope.spawn(move || on_kernel(kernel)));
        threads.map(ScopedJoinHandle::join)
    });
    let mut all = Vec::new();
    for kernel in done {
        all.extend(kernel.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(all)
}

/// The kernel tier's tests with this backend; the script may be given names of tests.
fn guest(backend: &str, programs: &[(PathBuf, String)]) -> Guest {
    let env = [
        ("VIGIA_TEST_BACKEND", backend),
        ("VIGIA_TEST_AGENT", "/bin/agent"),
        ("RUST_BACKTRACE", "1"),
    ];
    Guest {
        script: "exec kernel-tests --nocapture --test-threads=1".to_owned(),
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        programs: programs.to_vec(),
        ..Guest::default()
    }
}

fn tests_in_guest(tests: &Path, scratch: &Path) -> Result<(PathBuf, String)> {
    let (copy, _) = stripped(tests, scratch)?;
    Ok((copy, "bin/kernel-tests".to_owned()))
}

fn count(boot: &Boot<'_>, backend: &str, guest: &Guest) -> Result<Counts> {
    let mut counts = Counts::default();
    let code = boot.run(guest, |said| match said {
        Said::Begin => counts = Counts::default(),
        Said::Line(line) => {
            let text = String::from_utf8_lossy(line);
            counts.read_line(text.trim_end());
            // Nobody may be reading any more.
            writeln!(std::io::stdout(), "{}", marked(text.trim_end(), boot, backend)).ok();
        }
    })?;
    Ok(counts.finish(if code == 0 { Success::Yes } else { Success::No }))
}

/// Which machine says it: they talk at once.
fn marked(line: &str, boot: &Boot<'_>, backend: &str) -> String {
    if line.starts_with("test ") && line.contains(" ... ") {
        format!("{line} [{} {backend}]", boot.kernel)
    } else {
        line.to_owned()
    }
}

/// Compiles the kernel tier; cargo's messages say where its binary is.
pub(crate) fn kernel_tests() -> Result<PathBuf> {
    let mut command = shell::cargo();
    command.args([
        "test",
        "--no-run",
        "--features",
        TIER_FEATURES,
        "--test",
        "kernel",
    ]);
    command
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    shell::say(&shell::describe(&command));
    let output = command.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the kernel tests do not compile");
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = messages.lines().rev().filter_map(executable_in).next();
    found.context("cargo names no test binary")
}

fn executable_in(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_kernel_tier = message.pointer("/target/name")?.as_str()? == "kernel";
    is_kernel_tier
        .then(|| message.get("executable")?.as_str().map(PathBuf::from))
        .flatten()
}
