//! Containers that exist when the agent starts: a walk over the cgroup trees, by the same rules as the
//! program on new cgroups.

use super::cgroups::{CgroupMounts, subdirectories};
use super::feature::namespaces;
use agent_common::event::Namespaces;
use agent_common::limits::MAX_CONTAINER_ID;
use agent_common::slot::CgroupKey;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Hexadecimal digits of a container id.
const ID_DIGITS: usize = 64;
/// What is before the id in the name of a runtime's monitor: a process of the host.
const MONITOR: &str = "conmon-";
/// Cgroups that are looked at: bounds the start on a host with absurdly many.
const MAX_CGROUPS: usize = 65_536;
/// Units of the host's service manager. Scopes are not among them: runtimes make scopes of containers (`runc-web1.scope`,
/// `machine-web1.scope`), so only the manager's own count.
const UNIT_SUFFIXES: [&str; 5] = [".slice", ".mount", ".socket", ".service", ".swap"];

/// A mounted hierarchy.
pub(super) struct Tree {
    root: PathBuf,
    hierarchy: u32,
}

/// A cgroup that is, or may be, a container's.
pub(super) struct Found {
    pub(super) key: CgroupKey,
    /// Of the directory above, when that is a container's (then this one belongs to it).
    pub(super) parent: Option<CgroupKey>,
    pub(super) id: [u8; MAX_CONTAINER_ID],
    pub(super) candidate: bool,
    /// A process in it runs the container's own code.
    pub(super) live: bool,
    /// Of such a process; 0 where they are not known.
    pub(super) namespaces: Namespaces,
    pub(super) runtime_mnt_ns: u32,
    pub(super) path: PathBuf,
}

/// The hierarchies that name containers.
pub(super) fn trees(mounts: &CgroupMounts) -> Vec<Tree> {
    let tree = |root: &PathBuf, hierarchy| Tree {
        root: root.clone(),
        hierarchy,
    };
    let v2 = mounts.v2.iter().map(|root| tree(root, 0));
    v2.chain(mounts.v1.iter().map(|root| tree(root, 1))).collect()
}

/// A directory still to be looked at.
struct Pending {
    path: PathBuf,
    /// The nearest directory above that is a container's for certain.
    container: Option<CgroupKey>,
}

/// Every container's cgroup of a tree, parents first.
pub(super) fn cgroups(tree: &Tree, host: &Namespaces) -> Vec<Found> {
    let mut found = Vec::new();
    let mut pending = vec![Pending {
        path: tree.root.clone(),
        container: None,
    }];
    let mut seen = 0;
    while let Some(directory) = pending.pop() {
        for path in subdirectories(&directory.path) {
            seen += 1;
            if seen > MAX_CGROUPS {
                tracing::warn!(limit = MAX_CGROUPS, "too many cgroups: the rest is not looked at");
                return found;
            }
            let mut container = directory.container;
            if let Some(cgroup) = look(&path, tree.hierarchy, container, host) {
                if !cgroup.candidate || cgroup.live {
                    container = container.or(Some(cgroup.key));
                }
                found.push(cgroup);
            }
            pending.push(Pending { path, container });
        }
    }
    found
}

/// Keys of the cgroups that a process is in and of those above, in the order in which the programs look: cgroup2 first, upwards.
pub(super) fn cgroups_of(pid: u32, mounts: &CgroupMounts) -> impl Iterator<Item = CgroupKey> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let directories = mounts.directories(&text).into_iter();
    directories.flat_map(|(hierarchy, root, path)| {
        let above: Vec<_> = path.ancestors().take_while(|path| **path != root).collect();
        above
            .into_iter()
            .filter_map(|path| key(path, hierarchy))
            .collect::<Vec<_>>()
    })
}

fn key(path: &Path, hierarchy: u32) -> Option<CgroupKey> {
    Some(CgroupKey {
        id: std::fs::metadata(path).ok()?.ino(),
        hierarchy,
        reserved: 0,
    })
}

/// Judges one directory. Candidates are adopted only when they run something of their own.
fn look(path: &Path, hierarchy: u32, parent: Option<CgroupKey>, host: &Namespaces) -> Option<Found> {
    let name = path.file_name()?;
    let key = key(path, hierarchy)?;
    let id = container_id(name);
    let candidate = id.is_none();
    if candidate && parent.is_none() && is_unit(name) {
        return None;
    }
    let inside = inside(path, host);
    if candidate && parent.is_none() && !matches!(inside, Inside::Own(own) if own.pid != host.pid) {
        return None;
    }
    Some(Found {
        key,
        parent,
        id: padded(id.unwrap_or(name.as_bytes())),
        candidate,
        live: inside != Inside::NothingOwn,
        namespaces: match inside {
            Inside::Own(own) => own,
            Inside::NothingOwn | Inside::Closed => Namespaces::default(),
        },
        runtime_mnt_ns: host.mnt,
        path: path.to_owned(),
    })
}

/// Who is in a cgroup.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inside {
    /// Nobody, or a runtime that prepares the container: it is still in the host's mount namespace.
    NothingOwn,
    /// Somebody with namespaces of the container.
    Own(Namespaces),
    /// Somebody whose namespaces are closed to us. What it does is taken for the container's: taken for its runtime's it
    /// would go unseen.
    Closed,
}

fn inside(path: &Path, host: &Namespaces) -> Inside {
    let processes = std::fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    let processes = processes.lines().filter_map(|line| line.parse().ok());
    judge(processes.map(namespaces), host)
}

fn judge(processes: impl Iterator<Item = io::Result<Namespaces>>, host: &Namespaces) -> Inside {
    let mut found = Inside::NothingOwn;
    for process in processes {
        match process {
            Ok(own) if own.mnt != host.mnt => return Inside::Own(own),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found = Inside::Closed,
            // The runtime's, or gone meanwhile.
            Ok(_) | Err(_) => {}
        }
    }
    found
}

/// The 64 hexadecimal digits in a cgroup's name; not of a runtime's monitor.
fn container_id(name: &OsStr) -> Option<&[u8]> {
    let bytes = name.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_CONTAINER_ID)];
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let start = bytes
        .windows(ID_DIGITS)
        .position(|window| window.iter().all(digit))?;
    let monitor = bytes[..start].ends_with(MONITOR.as_bytes());
    (!monitor).then(|| &bytes[start..start + ID_DIGITS])
}

fn is_unit(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let own_scope = |name: &str| name == "init" || name.starts_with("session-");
    name.strip_suffix(".scope").is_some_and(own_scope)
        || UNIT_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

fn padded(id: &[u8]) -> [u8; MAX_CONTAINER_ID] {
    let mut padded = [0; MAX_CONTAINER_ID];
    let len = id.len().min(MAX_CONTAINER_ID);
    padded[..len].copy_from_slice(&id[..len]);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn id_in(name: &str) -> Option<String> {
        container_id(OsStr::new(name)).map(|id| String::from_utf8_lossy(id).into_owned())
    }

    #[test]
    fn a_container_is_live_when_somebody_in_it_is_not_the_runtime() {
        let in_mount = |mnt| Namespaces {
            mnt,
            ..Namespaces::default()
        };
        let host = in_mount(1);
        let closed = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let gone = || Err(io::Error::from(io::ErrorKind::NotFound));
        let of = |processes: Vec<io::Result<Namespaces>>| judge(processes.into_iter(), &host);
        assert_eq!(of(vec![]), Inside::NothingOwn);
        assert_eq!(of(vec![Ok(host), gone()]), Inside::NothingOwn);
        assert_eq!(of(vec![Ok(host), Ok(in_mount(2))]), Inside::Own(in_mount(2)));
        assert_eq!(of(vec![closed(), Ok(host)]), Inside::Closed);
        assert_eq!(of(vec![closed(), Ok(in_mount(2))]), Inside::Own(in_mount(2)));
    }

    #[test]
    fn ids_are_found_in_every_runtimes_names() {
        for name in [
            "ID",
            "docker-ID.scope",
            "cri-containerd-ID.scope",
            "crio-ID",
            "libpod-ID.scope",
        ] {
            assert_eq!(id_in(&name.replace("ID", ID)).as_deref(), Some(ID), "{name}");
        }
    }

    #[test]
    fn scopes_of_runtimes_are_no_units_of_the_host() {
        for name in [
            "runc-web1.scope",
            "crun-web1.scope",
            "machine-web1.scope",
            "web1",
            "init-web1.scope",
            "my-session-1.scope",
            "web-conmon-1",
        ] {
            assert!(!is_unit(OsStr::new(name)), "{name}");
        }
        for name in [
            "init.scope",
            "session-4.scope",
            "session-c1.scope",
            "user@1000.service",
            "system.slice",
            "dev-hugepages.mount",
        ] {
            assert!(is_unit(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn monitors_and_short_names_are_no_containers() {
        assert_eq!(id_in(&format!("libpod-conmon-{ID}.scope")), None);
        assert_eq!(id_in("docker-0123.scope"), None);
        assert_eq!(id_in("web1"), None);
    }
}
