//! Removing what labs left behind.

use super::{KEPT, OWNER_FILE, cgroup, folder_of, read_pid};
use crate::paths;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Whose labs are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owners {
    /// Labs whose owner has ended.
    Gone,
    /// All: also those that run.
    Everyone,
}

/// Removes labs; says which.
pub fn clean(owners: Owners) -> Vec<String> {
    let mut removed = Vec::new();
    for entry in fs::read_dir(paths::scratch_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && (owners == Owners::Everyone || is_orphaned(&entry.path())) {
            remove(&name);
            removed.push(name);
        }
    }
    removed
}

fn is_orphaned(folder: &Path) -> bool {
    let owner = fs::read_to_string(folder.join(OWNER_FILE)).unwrap_or_default();
    let pid = owner.trim().parse::<u32>().ok();
    owner.trim() != KEPT && pid.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
}

/// Ends every process of the lab, removes its cgroups and its folder. Best effort: it is teardown.
pub(super) fn remove(name: &str) {
    let folder = folder_of(name);
    end_processes(&folder);
    for hierarchy in cgroup::hierarchies() {
        let group = hierarchy.join(super::cgroup_parent(name).trim_start_matches('/'));
        if group.is_dir() {
            cgroup::remove_tree(&group);
        }
    }
    fs::remove_dir_all(&folder).ok();
}

/// The daemon and its helpers name the folder on their command lines; the daemon is asked first.
fn end_processes(folder: &Path) {
    if let Some(pid) = read_pid(&folder.join("docker.pid")).filter(|pid| names_folder(*pid, folder)) {
        terminate(pid, Duration::from_secs(20));
    }
    for pid in all_pids().filter(|pid| names_folder(*pid, folder)) {
        kill(pid);
    }
}

fn all_pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
}

/// Whether the process still is one of the lab, and not another that got its pid.
pub(super) fn names_folder(pid: u32, folder: &Path) -> bool {
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    // With the slash: the lab `a-1` is not the lab `a-10`.
    let needle = format!("{}/", folder.display());
    cmdline
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

/// SIGTERM, then SIGKILL when it is still there after `grace`.
pub(super) fn terminate(pid: u32, grace: Duration) {
    signal(pid, Signal::TERM);
    let gone = || !Path::new("/proc").join(pid.to_string()).join("exe").exists();
    if crate::command::wait_until("end of a process", grace, || gone().then_some(())).is_err() {
        kill(pid);
    }
}

pub(super) fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        kill_process(pid, signal).ok();
    }
}
