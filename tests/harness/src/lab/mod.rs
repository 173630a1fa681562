//! Private runtimes for tests. What a lab makes lies in one folder of its own below [`crate::paths::scratch_dir`]
//! and in cgroups named after it, so everything can be found again and removed even when its owner was killed.

mod cgroup;
mod clean;
mod containerd;
mod docker;
mod netns;
mod podman;
mod runc;

pub use cgroup::{Cgroup, CgroupView, hierarchies};
pub use clean::{Owners, clean};
pub use containerd::Containerd;
pub use docker::Docker;
pub use netns::Netns;
pub use podman::Podman;
pub use runc::{Runc, RuncContainer};

use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pid of the process for which a lab exists; the lab is garbage when that is gone.
const OWNER_FILE: &str = "owner";

/// What the `owner` file says when a person keeps the lab.
const KEPT: &str = "kept";

/// The cgroup below which a lab's containers lie, in every hierarchy.
fn cgroup_parent(name: &str) -> String {
    format!("/vigia-lab-{name}")
}

fn folder_of(name: &str) -> PathBuf {
    paths::scratch_dir().join(name)
}

/// Makes the folder of a lab that lives as long as this process.
fn make_folder(name: &str) -> Result<PathBuf> {
    let folder = folder_of(name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    fs::write(folder.join(OWNER_FILE), std::process::id().to_string())?;
    Ok(folder)
}

/// A name that no other lab of this machine has.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!(
        "{prefix}-{}-{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

/// A shell script in a network and a mount namespace of its own. What is added are its arguments.
fn apart(script: &str) -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--propagation", "private"]);
    unshare.args(["sh", "-ec", script, "lab"]);
    unshare
}

fn read_pid(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}
