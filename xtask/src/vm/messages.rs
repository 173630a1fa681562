//! An agent with the feature `debug-log`: its programs load, and their messages are in its log. On this kernel and on those
//! of the tier.

use super::{Boot, Guest, LSM_WITH_BPF, Said, stripped};
use crate::build::build_with_messages;
use crate::shell;
use crate::test::Counts;
use agent_tests::capability::{Capability, can_run};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Starts `$AGENT`, makes a control group that may be a container's, and waits for the message about it.
const SCRIPT: &str = r#"
folder=$(mktemp -d)
group=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/vigia-messages-$$
VIGIA_LOG=info,agent_ebpf=debug DOCKER_HOST=unix:///nowhere "$AGENT" run \
  --state-dir "$folder/state" --run-dir "$folder/run" --metrics-listen 127.0.0.1:0 >/dev/null 2>"$folder/log" &
agent=$!
ended() { kill $agent 2>/dev/null; wait $agent; rm -rf "$folder"; exit $1; }
said() {
  tries=600
  until grep -q "$1" "$folder/log"; do
    tries=$((tries - 1))
    if [ $tries = 0 ] || ! kill -0 $agent; then cat "$folder/log"; ended 1; fi
    sleep 0.1
  done
}
said 'agent runs'
mkdir "$group" && rmdir "$group"
said 'slot .* is given back'
ended 0
"#;

const TIMEOUT: Duration = Duration::from_secs(120);

/// # Errors
/// When the agent does not compile or no machine can be booted.
pub(super) fn run(kernels: &[&str], only: Option<&str>) -> Result<Counts> {
    let mut counts = Counts::default();
    let name = |kernel: &str| format!("vm::debug_messages_on_{kernel}");
    let wanted = |kernel: &str| only.is_none_or(|only| name(kernel).contains(only));
    let scratch = tempfile::tempdir()?;
    let agent = build_with_messages()?;
    if wanted("this_kernel") && can_run(&[Capability::Root, Capability::Bpf]) {
        counts.judge(&name("this_kernel"), here(&agent));
    }
    let program = stripped(&agent, scratch.path())?;
    for kernel in kernels.iter().filter(|kernel| wanted(kernel)) {
        counts.judge(&name(kernel), on(kernel, &program));
    }
    Ok(counts)
}

fn here(agent: &Path) -> Result<()> {
    shell::say(&format!("running {}", agent.display()));
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).env("AGENT", agent);
    let status = command.stdin(Stdio::null()).status()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn on(kernel: &str, program: &(PathBuf, String)) -> Result<()> {
    let guest = Guest {
        script: SCRIPT.to_owned(),
        env: vec![("AGENT".to_owned(), format!("/{}", program.1))],
        programs: vec![program.clone()],
        ..Guest::default()
    };
    let boot = Boot {
        kernel,
        lsm: LSM_WITH_BPF,
        memory_mib: 2048,
        timeout: TIMEOUT,
    };
    let mut said = String::new();
    let code = boot.run(&guest, |from| match from {
        Said::Begin => said.clear(),
        Said::Line(line) => said.push_str(&String::from_utf8_lossy(line)),
    })?;
    ensure!(code == 0, "the guest ended with {code}:\n{said}");
    Ok(())
}
