//! `agent check` on hosts that lack something: it does without, or says what is missing and what to do.

use crate::Test;
use crate::lab::World;
use agent::kernel::Backend;
use agent_tests::{command, paths};
use anyhow::{Context, Result, ensure};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use serde_json::Value;
use std::process::{Command, Output};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "hosts::the_best_backend_is_found_without_any_mount",
        run: no_mounts,
    },
    Test {
        name: "hosts::a_kernel_without_type_information_is_refused",
        run: no_types,
    },
    Test {
        name: "hosts::missing_privileges_are_named",
        run: no_privileges,
    },
];

/// A guest on a busy machine verifies every program in software.
const LOADED_WITHIN: Duration = Duration::from_secs(300);
/// sysexits.h.
const UNAVAILABLE: i32 = 69;
const NO_PERMISSION: i32 = 77;

/// In a mount namespace of its own, after `preparation`.
fn check_in_namespace(preparation: &str) -> Result<Output> {
    let script = format!("{preparation}\nexec \"$1\" check --output json");
    let mut namespace = Command::new("unshare");
    namespace
        .args(["-m", "sh", "-euc", &script, "sh"])
        .arg(paths::agent_binary());
    command::run_within(&mut namespace, LOADED_WITHIN)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// tracefs, securityfs and bpffs are nowhere, as on a fresh machine. Which backend is best is read from one of them.
fn no_mounts(world: &mut World) -> Result<()> {
    if matches!(world.forced, Some(Backend::Lsm | Backend::Tracepoint)) {
        // The first choice, or none of the agent's own: a second load, which takes a minute in a guest, would show nothing.
        return Ok(());
    }
    let output = check_in_namespace(
        "for place in $(awk '$3 ~ /^(tracefs|debugfs|securityfs|bpf)$/ { print $2 }' /proc/mounts)\n\
         do umount -l \"$place\"; done",
    )?;
    let report: Value = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    let rows = report["capabilities"].as_array().context("no capabilities")?;
    for row in rows {
        judge(world, row).with_context(|| row.to_string())?;
    }
    let counted = report["programs"].as_array().context("no programs")?;
    ensure!(!counted.is_empty(), "no program is loaded");
    ensure!(
        counted
            .iter()
            .all(|program| program["verified_instructions"].as_u64() > Some(0)),
        "{counted:?}"
    );
    Ok(())
}

/// What the agent chooses itself is what these tests were told to use, or found best.
fn judge(world: &World, row: &Value) -> Result<()> {
    let named = |report: &&_| {
        let report: &agent::kernel::CapabilityReport = report;
        row["capability"] == report.capability.name()
    };
    let report = world
        .sensor
        .reports()
        .iter()
        .find(named)
        .context("no such capability")?;
    let expected = report.backend.map(Backend::name);
    ensure!(row["backend"].as_str() == expected, "{expected:?} is in use here");
    if expected == Some("fentry") && row["capability"] == "file_open" {
        let reason = row["reason"].as_str().unwrap_or_default();
        ensure!(
            reason.contains("bpf is not among the active security modules"),
            "{reason}"
        );
    }
    Ok(())
}

fn no_types(_world: &mut World) -> Result<()> {
    let output = check_in_namespace("mount -t tmpfs none /sys/kernel/btf")?;
    let said = said(&output);
    ensure!(
        output.status.code() == Some(UNAVAILABLE),
        "{}: {said}",
        output.status
    );
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    for expected in [&release, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"] {
        ensure!(said.contains(expected), "`{expected}` is not said: {said}");
    }
    Ok(())
}

fn no_privileges(_world: &mut World) -> Result<()> {
    let admin = CapabilitySet::SYS_ADMIN;
    let cases = [
        (admin | CapabilitySet::PERFMON, "CAP_PERFMON", "CAP_BPF"),
        (admin | CapabilitySet::BPF, "CAP_BPF", "CAP_PERFMON"),
        (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE", "CAP_BPF"),
    ];
    for (without, missing, held) in cases {
        let output = check_without(without)?;
        let said = said(&output);
        ensure!(
            output.status.code() == Some(NO_PERMISSION),
            "{}: {said}",
            output.status
        );
        ensure!(
            said.contains(&format!("{missing}: to ")),
            "{missing} is not named: {said}"
        );
        ensure!(!said.contains(held), "{held} is there: {said}");
    }
    Ok(())
}

/// Started by a thread that gives them up, for itself and its children.
fn check_without(privileges: CapabilitySet) -> Result<Output> {
    let thread = std::thread::spawn(move || {
        for one in privileges.iter() {
            remove_capability_from_bounding_set(one)?;
        }
        let mut check = Command::new(paths::agent_binary());
        command::run_within(check.arg("check"), command::DEFAULT_TIMEOUT)
    });
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("the thread panicked"))?
}
