//! Control groups: which hierarchies there are, and groups of a test's own.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the machine's control groups look to a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupView {
    /// As the machine has them.
    Host,
    /// One unified hierarchy.
    V2,
    /// No unified hierarchy. Only where the machine has v1 hierarchies.
    V1,
}

impl CgroupView {
    /// A command that sees the machine so, in a mount namespace of its own.
    #[must_use]
    pub fn command(self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        let script = format!("{}\nexec \"$0\" \"$@\"", self.script());
        command.args(["--mount", "--propagation", "private", "sh", "-ec", &script]);
        command.arg(program);
        command
    }

    /// Whether this machine can show it.
    #[must_use]
    pub fn is_possible(self) -> bool {
        self != Self::V1 || hierarchies().iter().any(|root| !is_unified(root))
    }

    /// Shell commands that make it, in a mount namespace of one's own.
    #[must_use]
    pub fn script(self) -> &'static str {
        match self {
            Self::Host => "",
            Self::V2 => {
                "[ -f /sys/fs/cgroup/cgroup.procs ] || { umount -l /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; }"
            }
            Self::V1 => "umount /sys/fs/cgroup/unified",
        }
    }
}

/// The roots of all mounted hierarchies.
#[must_use]
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let cgroups = fields.filter(|fields| matches!(fields.get(2), Some(&("cgroup" | "cgroup2"))));
    cgroups
        .filter_map(|fields| Some(PathBuf::from(*fields.get(1)?)))
        .collect()
}

/// The root of the unified hierarchy, if there is one.
#[must_use]
fn unified() -> Option<PathBuf> {
    hierarchies().into_iter().find(|root| is_unified(root))
}

fn is_unified(root: &Path) -> bool {
    root.join("cgroup.controllers").exists()
}

/// A control group of the unified hierarchy (else of the first one), for processes without a runtime. Its processes
/// are killed and it is removed when it is dropped.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes it; `name` may hold folders, as in `vigia-lab-x/<64 hex>`.
    ///
    /// # Errors
    /// When there is no hierarchy or it may not be written.
    pub fn create(name: &str) -> Result<Self> {
        let root = unified()
            .or_else(|| hierarchies().into_iter().next())
            .context("no cgroup hierarchy is mounted")?;
        let path = root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a process into it.
    ///
    /// # Errors
    /// When the process is gone or may not be moved.
    pub fn add(&self, pid: u32) -> Result<()> {
        let procs = self.path.join("cgroup.procs");
        fs::write(&procs, pid.to_string())
            .with_context(|| format!("cannot write {pid} to {}", procs.display()))
    }

    /// A command that joins the group and then becomes `program`.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\""])
            .arg(&self.path)
            .arg(program);
        command
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove_tree(&self.path);
        // The folder above belongs to us only when we made it; rmdir refuses one that is in use.
        if let Some(parent) = self
            .path
            .parent()
            .filter(|parent| !parent.join("cgroup.subtree_control").exists())
        {
            fs::remove_dir(parent).ok();
        }
    }
}

/// Kills what is in the groups below `root` and removes them, the deepest first. Best effort: it is teardown.
pub(super) fn remove_tree(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_tree(&entry.path());
        }
    }
    for _ in 0..50 {
        kill_members(root);
        if fs::remove_dir(root).is_ok() || !root.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn kill_members(group: &Path) {
    let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        super::clean::kill(pid);
    }
}
