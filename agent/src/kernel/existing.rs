//! Containers that exist already: the cgroups that a scan finds, gathered over the hierarchies.

use super::scan::Found;
use agent_common::event::Namespaces;
use agent_common::limits::MAX_CONTAINER_ID;
use agent_common::slot::CgroupKey;
use std::collections::HashMap;
use std::path::PathBuf;

/// A container with its cgroups, in every hierarchy.
#[derive(Debug, PartialEq)]
pub(super) struct Existing {
    /// The first that was found; others may be below it.
    pub(super) outermost: CgroupKey,
    /// Its own.
    pub(super) cgroups: Vec<(CgroupKey, PathBuf)>,
    /// Those that it made below them.
    pub(super) nested: Vec<CgroupKey>,
    pub(super) id: [u8; MAX_CONTAINER_ID],
    pub(super) candidate: bool,
    pub(super) live: bool,
    pub(super) namespaces: Namespaces,
    pub(super) runtime_mnt_ns: u32,
}

/// Gathers what belongs to one container: by the directory above, or by the id. Parents come first.
pub(super) fn containers(found: impl IntoIterator<Item = Found>) -> Vec<Existing> {
    let mut containers: Vec<Existing> = Vec::new();
    let mut by_cgroup = HashMap::new();
    let mut by_id = HashMap::new();
    for cgroup in found {
        let known = match cgroup.parent {
            Some(parent) => by_cgroup.get(&parent),
            None => by_id.get(&cgroup.id).filter(|_| !cgroup.candidate),
        };
        let at = known.copied().unwrap_or(containers.len());
        by_cgroup.insert(cgroup.key, at);
        if !cgroup.candidate && cgroup.parent.is_none() {
            by_id.insert(cgroup.id, at);
        }
        if at == containers.len() {
            containers.push(Existing::new(&cgroup));
        }
        if let Some(container) = containers.get_mut(at) {
            container.join(cgroup);
        }
    }
    containers
}

impl Existing {
    fn new(found: &Found) -> Self {
        Self {
            outermost: found.parent.unwrap_or(found.key),
            cgroups: Vec::new(),
            nested: Vec::new(),
            id: found.id,
            candidate: found.candidate,
            live: found.live,
            namespaces: found.namespaces,
            runtime_mnt_ns: found.runtime_mnt_ns,
        }
    }

    fn join(&mut self, found: Found) {
        match found.parent {
            None => self.cgroups.push((found.key, found.path)),
            Some(_) => self.nested.push(found.key),
        }
        if found.live && !self.live {
            (self.live, self.namespaces) = (true, found.namespaces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn padded(name: &str) -> [u8; MAX_CONTAINER_ID] {
        let mut id = [0; MAX_CONTAINER_ID];
        id[..name.len()].copy_from_slice(name.as_bytes());
        id
    }

    fn found(number: u64, hierarchy: u32, parent: Option<u64>, name: &str) -> Found {
        let key = |id| CgroupKey {
            id,
            hierarchy,
            reserved: 0,
        };
        Found {
            key: key(number),
            parent: parent.map(key),
            id: padded(name),
            candidate: name.len() != ID.len(),
            live: number == 3,
            namespaces: Namespaces {
                mnt: u32::try_from(number).unwrap(),
                ..Namespaces::default()
            },
            runtime_mnt_ns: 1,
            path: PathBuf::from(name),
        }
    }

    #[test]
    fn cgroups_of_one_container_are_gathered_over_hierarchies() {
        let other = ID.replace('0', "f");
        let all = containers([
            found(2, 0, None, ID),
            found(3, 0, Some(2), "system.slice"),
            found(4, 0, None, &other),
            found(2, 1, None, ID),
            found(5, 1, Some(2), "nested"),
            found(6, 0, None, "web1"),
            found(6, 1, None, "web1"),
        ]);
        let number = |key: &CgroupKey| (key.hierarchy, key.id);
        let numbers = |container: &Existing| -> Vec<(u32, u64)> {
            let keys = container.cgroups.iter();
            keys.map(|(key, _)| number(key)).collect()
        };
        assert_eq!(numbers(&all[0]), [(0, 2), (1, 2)]);
        let nested: Vec<_> = all[0].nested.iter().map(number).collect();
        assert_eq!(nested, [(0, 3), (1, 5)], "found by looking up");
        assert_eq!(
            (all[0].live, all[0].namespaces.mnt),
            (true, 3),
            "its nested cgroup runs its code"
        );
        assert_eq!((numbers(&all[1]), all[1].live), (vec![(0, 4)], false));
        assert_eq!(all.len(), 4, "names that people choose are no ids");
    }
}
