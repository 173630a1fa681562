//! What this kernel and host offer: read once, before anything is loaded.

use super::btf::KernelTypes;
use super::cgroups::{CgroupMounts, v1_hierarchy};
use super::error::KernelError;
use super::permission;
use super::symbols;
use super::syscalls::{REGISTERS, numbers};
use agent_common::event::Namespaces;
use agent_common::offsets::{MISSING, Offsets};
use agent_common::settings::{Registers, Settings};
use rustix::fs::{CWD, Mode, OFlags};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Functions of the kernel that identity rests on, the newest since 5.15. Asked for by name: distributions bring them back
/// to older kernels.
const HELPERS: [&str; 4] = [
    "bpf_ringbuf_output",
    "bpf_get_current_task_btf",
    "bpf_task_storage_get",
    "bpf_task_pt_regs",
];
/// The kernel's enumeration of its functions for programs.
const HELPER_NUMBERS: &str = "bpf_func_id";
/// Since then the first namespace of every kind has the same number at each boot.
const FIXED_NAMESPACES: (u32, u32) = (6, 18);
/// `include/uapi/linux/nsfs.h` of such a kernel.
const FIRST: Namespaces = Namespaces {
    mnt: 0xEFFF_FFF8,
    pid: Namespaces::FIRST_PID,
    net: 0xEFFF_FFF9,
    ipc: 0xEFFF_FFFF,
    uts: 0xEFFF_FFFE,
    cgroup: Namespaces::FIRST_CGROUP,
    user: 0xEFFF_FFFD,
    time: 0xEFFF_FFFA,
};
/// The kernel's function that its workers start programs by.
const HELPER_STARTER: &str = "call_usermodehelper_exec_work";

/// The host, as far as loading needs it.
#[derive(Debug)]
pub struct Features {
    pub offsets: Offsets,
    pub settings: Settings,
    /// The kernel can load modules, and asks for those that it lacks.
    pub has_modules: bool,
    /// Active Linux security modules; `None` when the kernel does not say.
    pub security_modules: Option<Vec<String>>,
    pub cgroups: CgroupMounts,
}

impl Features {
    /// Reads them.
    ///
    /// # Errors
    /// When the kernel is too old or offers no type information.
    pub fn read() -> Result<Self, KernelError> {
        let mut wanted = Offsets::STRUCTS.to_vec();
        wanted.extend(["pt_regs", "cgroup_subsys_id", HELPER_NUMBERS]);
        let types = KernelTypes::read(&wanted)?;
        check_helpers(|enumerator| types.enumerator(HELPER_NUMBERS, enumerator))?;
        let v1 = v1_hierarchy();
        let cgroups = CgroupMounts::find(v1.as_ref());
        let (ephemeral_low, ephemeral_high) = ephemeral_ports();
        let settings = Settings {
            v1_hierarchy: cgroups.v1_number,
            v1_subsystem: v1
                .and_then(|v1| types.enumerator("cgroup_subsys_id", v1.enumerator))
                .unwrap_or(0),
            ephemeral_low,
            ephemeral_high,
            bpf_call: numbers("bpf").native.unwrap_or(MISSING),
            helper_starter: symbols::address(HELPER_STARTER).unwrap_or(0),
            hash_key: std::array::from_fn(|_| RandomState::new().build_hasher().finish()),
            policy_key: std::array::from_fn(|_| RandomState::new().build_hasher().finish()),
            heartbeat_key: RandomState::new().build_hasher().finish(),
            host: host_namespaces()?,
            registers: registers(&types),
            ..Settings::UNSET
        };
        Ok(Self {
            offsets: Offsets::resolve(|name, path| types.offset(name, path)),
            settings,
            has_modules: has_modules(),
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

/// Why processes outside the agent's pid namespace are not seen; `None` when it is the host's.
pub(super) fn hidden_processes() -> Option<String> {
    let own = namespace(std::process::id(), "pid").ok()?;
    (own != Namespaces::FIRST_PID).then(|| {
        "/proc shows the agent's own pid namespace: what tells the host from containers is not known; run the agent in \
         the host's pid namespace (docker run --pid host, hostPID: true)"
            .to_owned()
    })
}

/// The running kernel's, as uname(2) says it.
pub(super) fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// `number` gives an enumerator of [`HELPER_NUMBERS`].
fn check_helpers(number: impl Fn(&str) -> Option<u32>) -> Result<(), KernelError> {
    let is_lacking = |helper: &&str| {
        let name = helper.strip_prefix("bpf_").unwrap_or(helper);
        number(&format!("BPF_FUNC_{name}")).is_none()
    };
    let lacking: Vec<&str> = HELPERS.into_iter().filter(is_lacking).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(KernelError::KernelTooOld {
        release: release(),
        lacking,
    })
}

/// `6.18.44-cloud-amd64` → (6, 18).
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
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
pub(super) fn namespace(pid: u32, name: &str) -> std::io::Result<u32> {
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

/// A kernel without modules has no setting for the program that loads them. Whoever hides all settings hides nothing of this.
fn has_modules() -> bool {
    let settings = Path::new("/proc/sys/kernel");
    !settings.exists() || settings.join("modprobe").exists()
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
    fn a_kernel_that_lacks_a_helper_is_refused_and_told_which() {
        assert!(check_helpers(|_| Some(1)).is_ok());
        let without = |missing: &'static str| move |name: &str| (name != missing).then_some(1);
        let refused = check_helpers(without("BPF_FUNC_task_pt_regs"))
            .unwrap_err()
            .to_string();
        for said in [release().as_str(), "lacks bpf_task_pt_regs,", "5.15"] {
            assert!(refused.contains(said), "{refused}");
        }
    }
}
