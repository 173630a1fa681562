//! What the path of a cgroup says: container id, runtime, pod. Pure text, total, no I/O.
//!
//! Runtimes name cgroups in a dozen ways (cgroupfs and systemd drivers, v1 and v2, nested). The *outermost*
//! container on the path is the one that the host's runtimes know and that the kernel's slot stands for; what
//! is nested in it (docker-in-docker, a kubelet in a node container) is reported beside it.

use crate::event::ContainerId;

/// Digits of an id that container engines make.
const ENGINE_ID_DIGITS: usize = 64;

/// A container as its cgroup names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupIdentity {
    /// 64 hexadecimal digits, or the cgroup's name where the runtime lets people choose.
    pub id: ContainerId,
    /// The engine, where the form of the name gives it away: `docker`, `containerd`, `cri-o`, `podman`, …
    pub runtime: Option<&'static str>,
    /// Kubernetes pod, from the name of a parent.
    pub pod_uid: Option<String>,
    /// The innermost engine id, when containers are nested.
    pub nested: Option<ContainerId>,
}

/// What a cgroup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupClass {
    Container(CgroupIdentity),
    /// A unit of the host's systemd or a helper of a runtime (`crio-conmon-…`, `lxc.monitor.…`): no container.
    HostUnit,
    /// Nothing can be said from the name: a container if it executes something of its own.
    Unknown,
}

/// Prefixes of names that end in an engine's id, with the engine. Longest first.
const PREFIXES: [(&str, &str); 7] = [
    ("cri-containerd-", "containerd"),
    ("libpod-payload-", "podman"),
    ("nerdctl-", "containerd"),
    ("docker-", "docker"),
    ("libpod-", "podman"),
    ("crio-", "cri-o"),
    ("podman-", "podman"),
];

/// Prefixes of cgroups that runtimes make for their own helpers on the host.
const HELPERS: [&str; 4] = ["crio-conmon-", "libpod-conmon-", "lxc.monitor", "conmon"];

/// Folders above an engine's id that give the engine away.
const PARENTS: [(&str, &str); 5] = [
    ("docker", "docker"),
    ("libpod_parent", "podman"),
    ("podman", "podman"),
    ("crio", "cri-o"),
    ("nerdctl", "containerd"),
];

/// Classifies a cgroup by its path in its hierarchy (`/system.slice/docker-….scope`).
#[must_use]
pub fn classify(path: &str) -> CgroupClass {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    if let Some(identity) = engine_container(path) {
        return CgroupClass::Container(identity);
    }
    if let Some(identity) = named_container(path) {
        return CgroupClass::Container(identity);
    }
    if components(path).any(is_helper) || components(path).last().is_some_and(is_systemd_unit) {
        return CgroupClass::HostUnit;
    }
    CgroupClass::Unknown
}

/// The engine's id in the name of one cgroup (`docker-<64 hex>.scope`, `<64 hex>`, …).
#[must_use]
pub fn engine_id(name: &str) -> Option<ContainerId> {
    engine_name(name).map(|(id, _)| id.into())
}

/// The container of a process, from the text of `/proc/PID/cgroup` (v1, hybrid or v2). A process can leave one
/// hierarchy and stay in another, so any line that names a container counts; cgroup2 first.
#[must_use]
pub fn of_process(proc_cgroup: &str) -> Option<CgroupIdentity> {
    let identify = |line: ProcCgroup<'_>| match classify(line.path) {
        CgroupClass::Container(identity) => Some(identity),
        CgroupClass::HostUnit | CgroupClass::Unknown => None,
    };
    let unified = |line: &ProcCgroup<'_>| line.hierarchy == 0;
    proc_cgroups(proc_cgroup)
        .filter(unified)
        .find_map(identify)
        .or_else(|| proc_cgroups(proc_cgroup).find_map(identify))
}

/// A line of `/proc/PID/cgroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcCgroup<'a> {
    /// 0: cgroup2.
    pub hierarchy: u32,
    /// `cpu,cpuacct`, `name=systemd`; empty for cgroup2.
    pub controllers: &'a str,
    pub path: &'a str,
}

/// The lines of `/proc/PID/cgroup`; what is no such line is skipped.
pub fn proc_cgroups(text: &str) -> impl Iterator<Item = ProcCgroup<'_>> {
    text.lines().filter_map(|line| {
        let (hierarchy, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some(ProcCgroup {
            hierarchy: hierarchy.parse().ok()?,
            controllers,
            path: path.strip_suffix(" (deleted)").unwrap_or(path),
        })
    })
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty() && *name != "..")
}

/// A path on which an engine's 64-digit id stands.
fn engine_container(path: &str) -> Option<CgroupIdentity> {
    let mut parent = None;
    let mut pod = None;
    let mut found: Option<CgroupIdentity> = None;
    for name in components(path) {
        let Some((id, prefix_runtime)) = engine_name(name) else {
            pod = pod.or_else(|| pod_uid(name));
            parent = Some(name);
            continue;
        };
        match &mut found {
            None => {
                found = Some(CgroupIdentity {
                    id: id.into(),
                    runtime: prefix_runtime.or_else(|| parent.and_then(parent_runtime)),
                    pod_uid: pod.clone(),
                    nested: None,
                });
            }
            Some(outer) => outer.nested = Some(id.into()),
        }
        parent = Some(name);
    }
    found
}

/// Runtimes whose containers have names that people choose, recognised by their folder or prefix.
fn named_container(path: &str) -> Option<CgroupIdentity> {
    let mut parent = "";
    for name in components(path) {
        let found = if let Some(name) = name.strip_prefix("lxc.payload.") {
            Some((name, "lxc"))
        } else if parent == "lxc" {
            Some((name, "lxc"))
        } else if parent == "machine.slice" {
            machine_name(name).map(|name| (name, "systemd-nspawn"))
        } else {
            None
        };
        if let Some((id, runtime)) = found.filter(|(id, _)| !id.is_empty()) {
            return Some(CgroupIdentity {
                id: id.into(),
                runtime: Some(runtime),
                pod_uid: None,
                nested: None,
            });
        }
        parent = name;
    }
    None
}

fn machine_name(unit: &str) -> Option<&str> {
    unit.strip_prefix("systemd-nspawn@")
        .and_then(|rest| rest.strip_suffix(".service"))
        .or_else(|| {
            unit.strip_prefix("machine-")
                .and_then(|rest| rest.strip_suffix(".scope"))
        })
}

/// Id and, where the prefix tells, engine of one path component.
fn engine_name(name: &str) -> Option<(&str, Option<&'static str>)> {
    if is_helper(name) {
        return None;
    }
    // containerd with the systemd driver's triple under cgroupfs: `parent.slice:cri-containerd:<id>`.
    if let Some((rest, id)) = name.rsplit_once(':') {
        let runtime = rest.ends_with("cri-containerd").then_some("containerd");
        return is_engine_id(id).then_some((id, runtime));
    }
    let stem = name.strip_suffix(".scope").unwrap_or(name);
    if is_engine_id(stem) {
        return Some((stem, None));
    }
    PREFIXES.iter().find_map(|(prefix, runtime)| {
        let id = stem.strip_prefix(prefix)?;
        is_engine_id(id).then_some((id, Some(*runtime)))
    })
}

/// 64 lower-case hexadecimal digits.
fn is_engine_id(text: &str) -> bool {
    text.len() == ENGINE_ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn parent_runtime(parent: &str) -> Option<&'static str> {
    PARENTS
        .iter()
        .find(|(name, _)| *name == parent)
        .map(|(_, runtime)| *runtime)
}

fn is_helper(name: &str) -> bool {
    HELPERS.iter().any(|prefix| name.starts_with(prefix))
}

/// A unit of the host's systemd. Slices only group; a container's own unit was recognised before. Runtimes
/// with the systemd driver put containers into scopes (`runc-web.scope`), so of these only systemd's own count.
fn is_systemd_unit(name: &str) -> bool {
    const SUFFIXES: [&str; 5] = [".service", ".slice", ".socket", ".mount", ".swap"];
    const SCOPES: [&str; 4] = ["init.", "session-", "app-", "run-"];
    let own_scope = name.ends_with(".scope") && SCOPES.iter().any(|prefix| name.starts_with(prefix));
    own_scope || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// `pod<uid>` (cgroupfs) or `kubepods-burstable-pod<uid with _>.slice` (systemd).
fn pod_uid(name: &str) -> Option<String> {
    let uid = match name.strip_suffix(".slice") {
        Some(slice) if slice.starts_with("kubepods") => slice.rsplit_once("-pod")?.1,
        Some(_) => return None,
        None => name.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let digits = uid.bytes().filter(|byte| *byte != b'-').count();
    let plausible = digits == 32 && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    plausible.then_some(uid)
}

#[cfg(test)]
mod tests;
