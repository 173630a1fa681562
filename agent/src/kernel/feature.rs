//! What this kernel and host offer: read once, before anything is loaded.

use super::btf::KernelTypes;
use super::error::KernelError;
use super::permission;
use super::syscalls::REGISTERS;
use agent_common::event::Namespaces;
use agent_common::offsets::{MISSING, Offsets};
use agent_common::settings::{Registers, Settings};
use rustix::fs::{CWD, Mode, OFlags};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Oldest kernel that has everything the programs need (task storage for tracing programs, atomics, rings).
const OLDEST: (u32, u32) = (5, 15);
/// Since then the first namespace of every kind has the same number at each boot.
const FIXED_NAMESPACES: (u32, u32) = (6, 18);
/// `include/uapi/linux/nsfs.h` of such a kernel.
const FIRST: Namespaces = Namespaces {
    mnt: 0xEFFF_FFF8,
    pid: 0xEFFF_FFFC,
    net: 0xEFFF_FFF9,
    ipc: 0xEFFF_FFFF,
    uts: 0xEFFF_FFFE,
    cgroup: 0xEFFF_FFFB,
    user: 0xEFFF_FFFD,
    time: 0xEFFF_FFFA,
};
/// Controllers whose v1 hierarchy can name containers, best first.
const V1_CONTROLLERS: [(&str, &str); 2] = [("pids", "pids_cgrp_id"), ("memory", "memory_cgrp_id")];
/// Inode number of the directory at the root of a hierarchy.
const ROOT_INODE: u64 = 1;

/// The host, as far as loading needs it.
#[derive(Debug)]
pub struct Features {
    pub offsets: Offsets,
    pub settings: Settings,
    /// Active Linux security modules; `None` when the kernel does not say.
    pub security_modules: Option<Vec<String>>,
    pub cgroups: CgroupMounts,
}

/// Where the hierarchies that name containers are mounted.
#[derive(Debug, Clone, Default)]
pub struct CgroupMounts {
    pub v2: Option<PathBuf>,
    pub v1: Option<PathBuf>,
    /// The kernel's number of the v1 hierarchy; 0: there is none.
    pub v1_number: u32,
}

impl Features {
    /// Reads them.
    ///
    /// # Errors
    /// When the kernel is too old or offers no type information.
    pub fn read() -> Result<Self, KernelError> {
        check_release(&release())?;
        let mut wanted = Offsets::STRUCTS.to_vec();
        wanted.extend(["pt_regs", "cgroup_subsys_id"]);
        let types = KernelTypes::read(&wanted)?;
        let v1 = v1_hierarchy();
        let cgroups = CgroupMounts {
            v2: mount_point("cgroup2", None),
            v1: v1
                .as_ref()
                .and_then(|v1| mount_point("cgroup", Some(v1.controller))),
            v1_number: v1.as_ref().map_or(0, |v1| v1.number),
        };
        let (ephemeral_low, ephemeral_high) = ephemeral_ports();
        let settings = Settings {
            v1_hierarchy: cgroups.v1_number,
            v1_subsystem: v1
                .and_then(|v1| types.enumerator("cgroup_subsys_id", v1.enumerator))
                .unwrap_or(0),
            ephemeral_low,
            ephemeral_high,
            hash_key: std::array::from_fn(|_| RandomState::new().build_hasher().finish()),
            host: host_namespaces()?,
            registers: registers(&types),
            ..Settings::UNSET
        };
        Ok(Self {
            offsets: Offsets::resolve(|name, path| types.offset(name, path)),
            settings,
            security_modules: security_modules(),
            cgroups,
        })
    }

    /// Why LSM programs would not fire; `None` when they would.
    #[must_use]
    pub fn lsm_obstacle(&self) -> Option<&'static str> {
        match &self.security_modules {
            Some(modules) if modules.iter().any(|module| module == "bpf") => None,
            Some(_) => Some("bpf is not among the active security modules (kernel parameter lsm=)"),
            None => Some("the kernel does not tell its active security modules"),
        }
    }

    /// A descriptor of the root of cgroup2; mounted detached when nobody mounted it.
    ///
    /// # Errors
    /// When the kernel has no cgroup2 or refuses to show it.
    pub fn cgroup2_root(&self) -> std::io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        match &self.cgroups.v2 {
            Some(path) => Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?),
            None => Ok(detached("cgroup2")?),
        }
    }
}

impl CgroupMounts {
    /// Why containers that exist already may not be found; `None` when the whole of a hierarchy is seen.
    pub(super) fn obstacle(&self) -> Option<String> {
        let mut roots = self.v2.iter().chain(&self.v1).peekable();
        if roots.peek().is_none() {
            return Some("no hierarchy of cgroups is mounted here".to_owned());
        }
        let inode = |root: &PathBuf| std::fs::metadata(root).map(|found| found.ino()).ok();
        let part = roots.find(|root| inode(root) != Some(ROOT_INODE))?;
        Some(format!(
            "{} is a part of its hierarchy (a cgroup namespace, or a mount of a part): containers outside it that ran \
             before the agent are not known; run the agent in the host's cgroup namespace",
            part.display()
        ))
    }
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn check_release(release: &str) -> Result<(), KernelError> {
    match version(release) {
        Some(version) if version >= OLDEST => Ok(()),
        _ => Err(KernelError::KernelTooOld(release.to_owned())),
    }
}

/// `6.18.44-cloud-amd64` → (6, 18).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

/// A v1 hierarchy.
struct V1 {
    number: u32,
    controller: &'static str,
    enumerator: &'static str,
}

fn v1_hierarchy() -> Option<V1> {
    let table = std::fs::read_to_string("/proc/cgroups").ok()?;
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

/// Where a filesystem of this type (and with this option) is mounted, as this process sees it.
fn mount_point(fstype: &str, option: Option<&str>) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|row| {
        let mut fields = row.split(' ').skip(1);
        let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = kind == fstype && option.is_none_or(|option| options.split(',').any(|o| o == option));
        matches.then(|| PathBuf::from(path))
    })
}

/// Lowest and highest port that the kernel gives to sockets that did not ask for one.
fn ephemeral_ports() -> (u32, u32) {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ports = range.split_whitespace().map_while(|port| port.parse().ok());
    match (ports.next(), ports.next()) {
        (Some(low), Some(high)) => (low, high),
        _ => (Settings::UNSET.ephemeral_low, Settings::UNSET.ephemeral_high),
    }
}

/// Those of the first process: what tells a container from the host. Where a security module closes it to us, those that
/// every boot has; older kernels number some of them anew each time.
fn host_namespaces() -> Result<Namespaces, KernelError> {
    let source = match namespaces(1) {
        Ok(found) => return Ok(found),
        Err(source) => source,
    };
    // `NotFound`: /proc hides what is closed to us.
    match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::NotFound => {
            first_namespaces(&release()).ok_or_else(|| KernelError::Permission(vec![permission::NAMESPACES]))
        }
        _ => Err(KernelError::Read {
            path: "/proc/1/ns".to_owned(),
            source,
        }),
    }
}

/// What the kernel's first namespaces are called; `None` where not all have a fixed number.
fn first_namespaces(release: &str) -> Option<Namespaces> {
    (version(release)? >= FIXED_NAMESPACES).then_some(FIRST)
}

/// Namespaces of a process. 0: a kind that this kernel does not have.
pub(super) fn namespaces(pid: u32) -> std::io::Result<Namespaces> {
    let read = |name| namespace(pid, name).unwrap_or(0);
    Ok(Namespaces {
        mnt: namespace(pid, "mnt")?,
        pid: read("pid"),
        net: read("net"),
        ipc: read("ipc"),
        uts: read("uts"),
        cgroup: read("cgroup"),
        user: read("user"),
        time: read("time"),
    })
}

/// Inode number of a process's namespace.
fn namespace(pid: u32, name: &str) -> std::io::Result<u32> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/{name}"))?;
    let number = || link.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok();
    number().ok_or_else(|| ErrorKind::InvalidData.into())
}

fn registers(types: &KernelTypes) -> Registers {
    let offset = |name: &str| types.offset("pt_regs", name).unwrap_or(MISSING);
    let mut args = REGISTERS.args.map(offset);
    // A register file that is one array: the arguments follow each other.
    for ((name, arg), index) in REGISTERS.args.iter().zip(&mut args).zip(0..) {
        if *name == "regs" && *arg != MISSING {
            *arg += 8 * index;
        }
    }
    Registers {
        number: offset(REGISTERS.number),
        args,
        compat_args: REGISTERS
            .compat_args
            .map_or([MISSING; 6], |names| names.map(offset)),
    }
}

/// The active security modules: from securityfs where it is mounted, else from a detached mount of it.
fn security_modules() -> Option<Vec<String>> {
    let visible = Path::new("/sys/kernel/security/lsm");
    let text = std::fs::read_to_string(visible)
        .ok()
        .or_else(|| read_detached("securityfs", "lsm"))?;
    Some(text.trim().split(',').map(str::to_owned).collect())
}

fn read_detached(fstype: &str, file: &str) -> Option<String> {
    let root = detached(fstype).ok()?;
    let file = rustix::fs::openat(
        root.as_fd(),
        file,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    std::io::read_to_string(std::fs::File::from(file)).ok()
}

/// Mounts a filesystem nowhere: only the descriptor shows it.
fn detached(fstype: &str) -> rustix::io::Result<OwnedFd> {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
    let context = fsopen(fstype, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hierarchy_that_is_seen_in_part_is_said_so() {
        let part = tempfile::tempdir().unwrap();
        let mounts = |v1: &Path| CgroupMounts {
            v1: Some(v1.to_owned()),
            ..CgroupMounts::default()
        };
        let obstacle = mounts(part.path()).obstacle().unwrap();
        assert!(obstacle.contains("cgroup namespace"), "{obstacle}");
        // The root of another filesystem that counts inodes from 1, as cgroups do.
        assert_eq!(mounts(Path::new("/proc")).obstacle(), None);
        assert!(CgroupMounts::default().obstacle().is_some());
    }

    #[test]
    fn the_first_namespaces_are_known_only_where_their_numbers_are_fixed() {
        assert_eq!(first_namespaces("6.18.44-cloud-amd64"), Some(FIRST));
        assert_eq!(first_namespaces("7.0"), Some(FIRST));
        assert_eq!(first_namespaces("6.12.117+deb12-cloud-amd64"), None);
        assert_eq!(first_namespaces("none"), None);
    }

    #[test]
    fn namespaces_are_read_as_numbers() {
        let own = namespaces(std::process::id()).unwrap();
        assert!(own.mnt != 0 && own.pid != 0 && own.net != 0, "{own:?}");
        assert!(namespaces(u32::MAX).is_err());
    }

    #[test]
    fn kernels_that_lack_what_the_programs_need_are_refused() {
        for release in ["4.18.0-553.el8.x86_64", "5.10.0-35-amd64", "5.14.21", "", "next"] {
            let refused = check_release(release);
            assert!(
                matches!(refused, Err(KernelError::KernelTooOld(named)) if named == release),
                "{release}"
            );
        }
        for release in [
            "5.15.0-91-generic",
            "6.1.0-40-amd64",
            "6.12.48+deb13-cloud",
            "10.0",
        ] {
            assert!(check_release(release).is_ok(), "{release}");
        }
    }
}
