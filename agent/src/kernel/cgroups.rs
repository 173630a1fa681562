//! Where the control groups that name containers are to be seen, also from a container of the agent's own.

use super::feature::namespace;
use agent_common::event::Namespaces;
use std::collections::VecDeque;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Controllers whose v1 hierarchy can name containers, best first, and how the kernel's enumeration calls them.
const V1_CONTROLLERS: [(&str, &str); 2] = [("pids", "pids_cgrp_id"), ("memory", "memory_cgrp_id")];
/// Inode number of the directory at the root of a hierarchy.
const ROOT_INODE: u64 = 1;
/// Directories that are looked at for the agent's own: bounds the start on a host with absurdly many.
const MAX_DIRECTORIES: usize = 65_536;

/// Where the hierarchies that name containers are mounted.
#[derive(Debug, Clone, Default)]
pub struct CgroupMounts {
    pub v2: Option<PathBuf>,
    pub v1: Option<PathBuf>,
    /// The kernel's number of the v1 hierarchy; 0: there is none.
    pub v1_number: u32,
    /// Directories at which paths of cgroup2 and of the v1 hierarchy begin in `/proc/PID/cgroup`; `None`: at the root. The
    /// agent has a cgroup namespace of its own then.
    pub(super) starts: [Option<PathBuf>; 2],
}

/// The v1 hierarchy that names containers.
pub(super) struct V1 {
    pub(super) number: u32,
    controller: &'static str,
    /// In `enum cgroup_subsys_id`.
    pub(super) enumerator: &'static str,
}

pub(super) fn v1_hierarchy() -> Option<V1> {
    let table = fs::read_to_string("/proc/cgroups").ok()?;
    V1_CONTROLLERS.iter().find_map(|(controller, enumerator)| {
        let row = table
            .lines()
            .find(|row| row.split_whitespace().next() == Some(controller))?;
        let number = row.split_whitespace().nth(1)?.parse().ok()?;
        (number != 0).then_some(V1 {
            number,
            controller,
            enumerator,
        })
    })
}

impl CgroupMounts {
    pub(super) fn find(v1: Option<&V1>) -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut found = Self {
            v2: mount_point(&mounts, "cgroup2", None),
            v1: v1.and_then(|v1| mount_point(&mounts, "cgroup", Some(v1.controller))),
            v1_number: v1.map_or(0, |v1| v1.number),
            starts: [None, None],
        };
        if namespace(std::process::id(), "cgroup").is_ok_and(|number| number != Namespaces::FIRST_CGROUP) {
            found.starts = found.roots().map(|(number, root)| {
                let own = own.lines().find_map(|line| path_in(line, number))?;
                start(root?, own)
            });
        }
        found
    }

    /// Numbers in `/proc/PID/cgroup` and roots of cgroup2 and of the v1 hierarchy.
    fn roots(&self) -> [(u32, Option<&PathBuf>); 2] {
        [(0, self.v2.as_ref()), (self.v1_number, self.v1.as_ref())]
    }

    /// Why containers that exist already may not be found; `None` when the whole of a hierarchy is seen.
    pub(super) fn obstacle(&self) -> Option<String> {
        let mut roots = self.v2.iter().chain(&self.v1).peekable();
        if roots.peek().is_none() {
            return Some("no hierarchy of cgroups is mounted here".to_owned());
        }
        let part = roots.find(|root| !is_whole(root))?;
        Some(format!(
            "{} is a part of its hierarchy (a cgroup namespace, or a mount of a part): containers outside it that ran \
             before the agent are not known; mount the host's /sys/fs/cgroup in the agent's container, read-only",
            part.display()
        ))
    }

    /// The directories that the text of `/proc/PID/cgroup` names, with their hierarchies (1: v1) and these' roots.
    pub(super) fn directories(&self, text: &str) -> Vec<(u32, PathBuf, PathBuf)> {
        let mut found = Vec::new();
        for (hierarchy, ((number, root), start)) in (0..).zip(self.roots().into_iter().zip(&self.starts)) {
            let path = text.lines().find_map(|line| path_in(line, number));
            if let (Some(root), Some(path)) = (root, path) {
                let directory = resolved(start.as_ref().unwrap_or(root), path);
                if directory.starts_with(root) {
                    found.push((hierarchy, root.clone(), directory));
                }
            }
        }
        found
    }
}

/// The path of a line of `/proc/PID/cgroup`, when it is of the hierarchy.
fn path_in(line: &str, hierarchy: u32) -> Option<&str> {
    let mut fields = line.splitn(3, ':');
    let number: u32 = fields.next()?.parse().ok()?;
    (number == hierarchy).then(|| fields.nth(1)).flatten()
}

/// `path` as seen from `start`: one outside the agent's cgroup namespace begins with `/..`.
fn resolved(start: &Path, path: &str) -> PathBuf {
    let mut directory = start.to_owned();
    for component in Path::new(path).components() {
        match component {
            Component::ParentDir => _ = directory.pop(),
            Component::Normal(name) => directory.push(name),
            _ => {}
        }
    }
    directory
}

/// Where the agent's cgroup namespace begins: the directory that this process is in, less its path there. Looked for, as
/// nothing says it from inside.
fn start(root: &Path, own_path: &str) -> Option<PathBuf> {
    let pid = std::process::id().to_string();
    let holds = |directory: &Path| {
        let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        members.lines().any(|member| member == pid)
    };
    let mut pending = VecDeque::from([root.to_owned()]);
    for _ in 0..MAX_DIRECTORIES {
        let directory = pending.pop_front()?;
        if holds(&directory) {
            let below = Path::new(own_path.trim_start_matches('/')).components().count();
            return directory.ancestors().nth(below).map(Path::to_owned);
        }
        pending.extend(subdirectories(&directory));
    }
    None
}

pub(super) fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn is_whole(root: &Path) -> bool {
    fs::metadata(root).is_ok_and(|found| found.ino() == ROOT_INODE)
}

/// Where a filesystem of this type (and with this option) is mounted; rather the whole of it than the part that a
/// container gets.
fn mount_point(mounts: &str, fstype: &str, option: Option<&str>) -> Option<PathBuf> {
    let points = mounts.lines().filter_map(|row| {
        let mut fields = row.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = kind == fstype && option.is_none_or(|option| options.split(',').any(|o| o == option));
        matches.then(|| PathBuf::from(path))
    });
    let points: Vec<PathBuf> = points.collect();
    points
        .iter()
        .find(|point| is_whole(point))
        .or(points.first())
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hybrid() -> CgroupMounts {
        CgroupMounts {
            v2: Some("/sys/fs/cgroup/unified".into()),
            v1: Some("/sys/fs/cgroup/pids".into()),
            v1_number: 8,
            ..CgroupMounts::default()
        }
    }

    fn expected(directories: [(u32, &str, &str); 2]) -> [(u32, PathBuf, PathBuf); 2] {
        directories.map(|(hierarchy, root, path)| (hierarchy, PathBuf::from(root), PathBuf::from(path)))
    }

    #[test]
    fn a_process_is_found_in_the_hierarchies_that_name_containers() {
        let text = "9:memory:/docker/a\n8:pids:/docker/a\nbroken\n1:name=systemd:/docker/a\n0::/docker/a:b\n";
        let both = [
            (0, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/docker/a:b"),
            (1, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/docker/a"),
        ];
        assert_eq!(hybrid().directories(text), expected(both));
        assert_eq!(CgroupMounts::default().directories(text), []);
    }

    #[test]
    fn neighbours_are_found_from_a_cgroup_namespace() {
        let mut mounts = hybrid();
        mounts.starts = [
            Some("/sys/fs/cgroup/unified/docker/own".into()),
            Some("/sys/fs/cgroup/pids/docker/own".into()),
        ];
        let both = [
            (0, "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/docker/a"),
            (1, "/sys/fs/cgroup/pids", "/sys/fs/cgroup/pids/docker/own/x"),
        ];
        assert_eq!(mounts.directories("8:pids:/x\n0::/../a\n"), expected(both));
        assert_eq!(mounts.directories("0::/../../../../../etc\n"), [], "outside");
    }

    #[test]
    fn the_start_of_a_namespace_is_where_this_process_is_less_its_path() {
        let tree = tempfile::tempdir().unwrap();
        let own = tree.path().join("docker/own/below");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(tree.path().join("other")).unwrap();
        assert_eq!(start(tree.path(), "/below"), None);
        fs::write(own.join("cgroup.procs"), format!("1\n{}\n", std::process::id())).unwrap();
        assert_eq!(start(tree.path(), "/below"), Some(tree.path().join("docker/own")));
        assert_eq!(start(tree.path(), "/"), Some(own));
    }

    #[test]
    fn the_whole_of_a_hierarchy_is_preferred_to_a_part() {
        let part = tempfile::tempdir().unwrap();
        let part = part.path().display();
        let mounts = format!("c {part} cgroup2 rw 0 0\nc /proc cgroup2 ro 0 0\nc /x cgroup rw,pids 0 0\n");
        // The root of another filesystem that counts inodes from 1, as cgroups do.
        let point = |kind, option| mount_point(&mounts, kind, option);
        assert_eq!(point("cgroup2", None), Some("/proc".into()));
        assert_eq!(point("cgroup", Some("pids")), Some("/x".into()));
        assert_eq!(point("cgroup", Some("memory")), None);
    }

    #[test]
    fn a_hierarchy_that_is_seen_in_part_is_said_so() {
        let part = tempfile::tempdir().unwrap();
        let mounts = |v1: &Path| CgroupMounts {
            v1: Some(v1.to_owned()),
            ..CgroupMounts::default()
        };
        let obstacle = mounts(part.path()).obstacle().unwrap();
        assert!(obstacle.contains("cgroup namespace"), "{obstacle}");
        assert_eq!(mounts(Path::new("/proc")).obstacle(), None);
        assert!(CgroupMounts::default().obstacle().is_some());
    }
}
