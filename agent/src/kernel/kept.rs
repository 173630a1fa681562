//! What denies can outlive the agent: a link that is pinned holds its program, and that its maps. Each run has a folder of its own below the
//! one that is configured, so that the next one can tell what its predecessors left.

use super::bpf;
use super::links;
use agent_common::magic;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long predecessors deny beside us: until containers have their names, and with them their profiles.
const OVERLAP: Duration = Duration::from_secs(10);

/// The folder, and what is in it.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    /// Of this run; `None`: nothing is to be kept.
    own: Option<PathBuf>,
    /// Of runs before, until they are removed.
    predecessors: Vec<PathBuf>,
    begun: Instant,
}

impl Kept {
    /// `keeps`: what denies is to stay when this run ends.
    pub(super) fn new(folder: PathBuf, keeps: bool) -> Self {
        let entries = fs::read_dir(&folder).into_iter().flatten();
        let predecessors = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        // Not the process id: in a container of its own each run has the same.
        let started = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let own = keeps.then(|| folder.join(format!("run-{}-{}", started.tv_sec, started.tv_nsec)));
        Self {
            folder,
            own,
            predecessors,
            begun: Instant::now(),
        }
    }

    /// Keeps what these programs do; of a program without a link nothing.
    ///
    /// # Errors
    /// With a sentence: there is no BPF filesystem, or the kernel refuses.
    pub(super) fn pin(&self, programs: &BTreeMap<u64, String>, names: &[&str]) -> Result<(), String> {
        let Some(own) = &self.own else { return Ok(()) };
        self.prepare(own)?;
        for (name, descriptor) in links::descriptors(programs) {
            if !names.contains(&name.as_str()) {
                continue;
            }
            let path = own.join(&name);
            match bpf::pin(descriptor, &path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(format!("{}: {error}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// They go with this run again.
    pub(super) fn unpin(&self, names: &[&str]) {
        let Some(own) = &self.own else { return };
        for name in names {
            // It may never have been there.
            let _absent = fs::remove_file(own.join(name));
        }
    }

    /// Removes what runs before this one left, when their time is over; how many.
    pub(super) fn retire(&mut self) -> usize {
        if self.begun.elapsed() < OVERLAP {
            return 0;
        }
        let predecessors = std::mem::take(&mut self.predecessors);
        let gone = predecessors
            .iter()
            .filter(|folder| remove(folder).is_ok())
            .count();
        if gone > 0 && self.own.is_none() {
            // It may hold what others put there.
            let _occupied = fs::remove_dir(&self.folder);
        }
        gone
    }

    fn prepare(&self, own: &Path) -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", self.folder.display());
        let parent = self.folder.parent().unwrap_or(Path::new("/"));
        let filesystem = rustix::fs::statfs(parent).map_err(|error| told(&error))?;
        if u32::try_from(filesystem.f_type).ok() != Some(magic::BPF) {
            return Err(told(&format_args!(
                "{} is no BPF filesystem; mount one: mount -t bpf bpf {}",
                parent.display(),
                parent.display()
            )));
        }
        fs::create_dir_all(own).map_err(|error| told(&error))
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    for pin in fs::read_dir(folder)? {
        fs::remove_file(pin?.path())?;
    }
    fs::remove_dir(folder)
}
