//! The cgroup hierarchies in which runtimes name their containers.

use std::fs;
use std::path::PathBuf;

/// Version of a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// A mounted hierarchy.
#[derive(Debug, Clone)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    pub(crate) root: PathBuf,
}

/// The unified one, and of the first version the one that the sensor looks at (`pids`, else `memory`).
pub(crate) fn hierarchies() -> Vec<Hierarchy> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let find = |fstype: &str, controller: Option<&str>| {
        mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, root, kind, options, ..] = fields.as_slice() else {
                return None;
            };
            let fits = controller.is_none_or(|wanted| options.split(',').any(|option| option == wanted));
            (*kind == fstype && fits).then(|| PathBuf::from(root))
        })
    };
    let v2 = find("cgroup2", None).map(|root| Hierarchy {
        version: Version::V2,
        root,
    });
    let v1 = find("cgroup", Some("pids"))
        .or_else(|| find("cgroup", Some("memory")))
        .map(|root| Hierarchy {
            version: Version::V1,
            root,
        });
    v2.into_iter().chain(v1).collect()
}
