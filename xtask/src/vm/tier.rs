//! The `vm` test tier: the kernel tier's tests, on each kernel, with BPF LSM and without.

use super::{Boot, Guest, LSM_WITH_BPF, stripped};
use crate::build::{Profile, build_agent};
use crate::shell;
use crate::test::{Counts, Success};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

const KERNELS: [&str; 2] = ["6.1", "6.12"];

/// Without `bpf` in the list LSM programs never fire and fentry must take over.
const BACKENDS: [(&str, &str); 2] = [
    ("lsm", LSM_WITH_BPF),
    ("fentry", "landlock,lockdown,yama,integrity"),
];

/// An emulated CPU on a busy machine is fifty times slower.
const TIMEOUT: Duration = Duration::from_secs(600);

/// # Errors
/// When the tests do not compile or no machine can be booted.
pub(crate) fn run(only: Option<&str>) -> Result<Counts> {
    let scratch = tempfile::tempdir()?;
    let programs = vec![
        stripped(&build_agent(Profile::Dev)?, scratch.path())?,
        (
            stripped(&kernel_tests()?, scratch.path())?.0,
            "bin/kernel-tests".to_owned(),
        ),
    ];
    let mut total = Counts::default();
    for kernel in KERNELS {
        for (backend, lsm) in BACKENDS {
            let env = [
                ("VIGIA_TEST_BACKEND", backend),
                ("VIGIA_TEST_AGENT", "/bin/agent"),
                ("RUST_BACKTRACE", "1"),
            ];
            let guest = Guest {
                script: format!(
                    "exec kernel-tests --nocapture --test-threads=1 {}",
                    only.unwrap_or_default()
                ),
                env: env
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                programs: programs.clone(),
            };
            let counts = boot(
                &Boot {
                    kernel,
                    lsm,
                    memory_mib: 2048,
                    timeout: TIMEOUT,
                },
                &guest,
            )?;
            shell::say(&format!("vm {kernel} {backend}: {counts}"));
            total.add(&counts);
        }
    }
    Ok(total)
}

fn boot(boot: &Boot<'_>, guest: &Guest) -> Result<Counts> {
    let mut counts = Counts::default();
    let code = boot.run(guest, |line| {
        // Nobody may be reading any more.
        std::io::stdout().write_all(line).ok();
        counts.read_line(String::from_utf8_lossy(line).trim_end());
    })?;
    Ok(counts.finish(if code == 0 { Success::Yes } else { Success::No }))
}

/// Compiles the kernel tier; cargo's messages say where its binary is.
fn kernel_tests() -> Result<PathBuf> {
    let mut command = shell::cargo();
    command.args([
        "test",
        "--no-run",
        "--package",
        "agent-tests",
        "--test",
        "kernel",
        "--features",
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
