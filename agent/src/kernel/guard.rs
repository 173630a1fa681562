//! Finds out when somebody else detaches programs or changes maps, and puts it right.

use super::error::KernelError;
use super::links::Links;
use super::place::{CgroupLinks, attach_to_cgroup, detach_from_cgroup};
use super::slots::Slots;
use aya::Ebpf;
use aya::programs::{Program, ProgramError};
use std::collections::BTreeMap;
use std::os::fd::AsFd;

/// Something of the sensor that somebody else changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub part: Part,
    /// Name of the program or the map.
    pub name: String,
    /// Why it is not as it was; `None`: it was put right.
    pub obstacle: Option<String>,
}

/// What was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The link of a program to its place.
    Link,
    Map,
}

impl Part {
    /// Name in alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Map => "map",
        }
    }
}

/// What holds as long as nobody changes it.
pub(super) struct Guard {
    links: Links,
    cgroup_links: CgroupLinks,
}

impl Guard {
    /// As the programs are attached now.
    pub(super) fn of(ebpf: &Ebpf, cgroup_links: CgroupLinks) -> Self {
        let links = Links::read(&programs(ebpf));
        Self { links, cgroup_links }
    }

    /// Something was attached or detached.
    pub(super) fn reread(&mut self, ebpf: &Ebpf) {
        let programs = programs(ebpf);
        self.links = self.links.renewed(Links::read(&programs)).of(&programs);
    }

    pub(super) fn cgroup_links(&mut self) -> &mut CgroupLinks {
        &mut self.cgroup_links
    }

    pub(super) fn inspect(&mut self, ebpf: &mut Ebpf, slots: &mut Slots) -> Vec<Change> {
        let mut changes = self.links(ebpf);
        changes.extend(map("SLOT_CONTROL", slots.controls.restore()));
        changes.extend(map("WATCHED_NAMES", slots.names.restore()));
        changes
    }

    fn links(&mut self, ebpf: &mut Ebpf) -> Vec<Change> {
        let lost = self.links.lost();
        let changes: Vec<Change> = lost
            .into_iter()
            .map(|name| Change {
                part: Part::Link,
                obstacle: self.attach(ebpf, &name).err().map(|error| error.to_string()),
                name,
            })
            .collect();
        if changes.iter().any(|change| change.obstacle.is_none()) {
            self.links = self.links.renewed(Links::read(&programs(ebpf)));
        }
        changes
    }

    /// The new link first: nothing is missed between the two.
    fn attach(&mut self, ebpf: &mut Ebpf, name: &str) -> Result<(), ProgramError> {
        let (Some(program), Some((root, link))) = (ebpf.program_mut(name), self.cgroup_links.get_mut(name))
        else {
            return Err(ProgramError::NotAttached);
        };
        let new = attach_to_cgroup(program, root.as_fd())?;
        let old = std::mem::replace(link, new);
        detach_from_cgroup(program, old)
    }
}

/// Names of the loaded programs by id.
pub(super) fn programs(ebpf: &Ebpf) -> BTreeMap<u64, String> {
    let id = |(name, program): (&str, &Program)| {
        let id = program.info().ok()?.id();
        Some((id.into(), name.to_owned()))
    };
    ebpf.programs().filter_map(id).collect()
}

fn map(name: &'static str, restored: Result<usize, KernelError>) -> Option<Change> {
    let obstacle = match restored {
        Ok(0) => return None,
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    };
    Some(Change {
        part: Part::Map,
        name: name.to_owned(),
        obstacle,
    })
}
