//! A kernel that is too old: the agent says so and why, and ends with the exit code for that.

use super::{Boot, Guest, LSM_WITH_BPF, Said};
use crate::test::Counts;
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::time::Duration;

/// Debian 11's: it has rings and type information, and no storage for tasks.
const KERNEL: &str = "5.10";
/// What loads the sensor.
const COMMANDS: [&str; 2] = ["check", "run"];
/// `EX_UNAVAILABLE`.
const EXIT: &str = "exit 69";
/// Of a run that ended, the socket.
const SOCKET: &str = "/run/vigia/agent.sock";
const LEFT: &str = "left a socket";
/// Which kernel runs, what it lacks, and which would do.
const SAID: [&str; 3] = ["kernel 5.10.", "bpf_task_storage_get", "5.15 or newer"];

const TIMEOUT: Duration = Duration::from_secs(120);

/// Boots once; one test for each command. `agent` is the program and its place in the guest.
///
/// # Errors
/// When the kernel cannot be had or booted.
pub(super) fn run(agent: &(PathBuf, String), only: Option<&str>) -> Result<Counts> {
    let name = |command: &str| format!("vm::kernel_{KERNEL}_is_refused_by_{command}");
    let commands: Vec<&str> = COMMANDS
        .into_iter()
        .filter(|command| only.is_none_or(|only| name(command).contains(only)))
        .collect();
    if commands.is_empty() {
        return Ok(Counts::default());
    }
    let said = boot(agent, &commands)?;
    let mut counts = Counts::default();
    for command in commands {
        counts.judge(&name(command), judge(command, &said));
    }
    Ok(counts)
}

/// What the commands said; each line begins with its command.
fn boot(agent: &(PathBuf, String), commands: &[&str]) -> Result<Vec<String>> {
    let guest = Guest {
        script: format!(
            "for command in {}; do\n  said=$(agent $command 2>&1); said=\"$said\nexit $?\"\n  \
             [ ! -e {SOCKET} ] || said=\"$said\n{LEFT}\"\n  \
             echo \"$said\" | sed \"s/^/$command: /\"\ndone",
            commands.join(" ")
        ),
        programs: vec![agent.clone()],
        ..Guest::default()
    };
    let boot = Boot {
        kernel: KERNEL,
        lsm: LSM_WITH_BPF,
        memory_mib: 1024,
        timeout: TIMEOUT,
    };
    let mut lines = Vec::new();
    let code = boot.run(&guest, |said| match said {
        Said::Begin => lines.clear(),
        Said::Line(line) => lines.push(String::from_utf8_lossy(line).trim_end().to_owned()),
    })?;
    ensure!(code == 0, "the guest ended with {code}:\n{}", lines.join("\n"));
    Ok(lines)
}

fn judge(command: &str, lines: &[String]) -> Result<()> {
    let prefix = format!("{command}: ");
    let said: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(&prefix))
        .collect();
    ensure!(said.contains(&EXIT), "no `{EXIT}`:\n{}", said.join("\n"));
    ensure!(!said.contains(&LEFT), "{SOCKET} is left");
    for expected in SAID {
        let is_said = said.iter().any(|line| line.contains(expected));
        ensure!(is_said, "`{expected}` is not said:\n{}", said.join("\n"));
    }
    Ok(())
}
