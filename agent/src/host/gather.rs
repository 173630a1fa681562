//! Reads the facts from procfs, sysfs and the clocks. What cannot be read is left out and logged: a fact
//! less weakens a rule, it does not stop the agent.

use super::{HostDisk, HostFacts, HostNamespaces, RuntimeSocket, parse};
use crate::event::{Clock, Namespaces};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where runtimes listen unless they are told otherwise.
const SOCKETS: [(&str, &str); 9] = [
    ("docker", "/run/docker.sock"),
    ("docker", "/var/run/docker.sock"),
    ("docker", "/run/cri-dockerd.sock"),
    ("containerd", "/run/containerd/containerd.sock"),
    ("containerd", "/run/containerd/containerd.sock.ttrpc"),
    ("containerd", "/run/k3s/containerd/containerd.sock"),
    ("cri-o", "/run/crio/crio.sock"),
    ("cri-o", "/var/run/crio/crio.sock"),
    ("podman", "/run/podman/podman.sock"),
];

/// Number of the first UTS namespace: the same at each boot.
const FIRST_UTS: u32 = 0xEFFF_FFFE;

/// Differences of the clocks that are no step: reading both takes time, and NTP slews.
const CLOCK_TOLERANCE_NS: u64 = 10_000_000;

/// What the configuration adds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSources {
    /// Overrides the host's name.
    pub node: Option<String>,
    /// Runtime's name and socket.
    pub sockets: Vec<(String, PathBuf)>,
}

impl HostFacts {
    /// Reads everything.
    #[must_use]
    pub fn gather(sources: &HostSources) -> Self {
        let mut facts = Self {
            node: sources.node.clone().unwrap_or_else(host_name),
            agent: own_pid(),
            ephemeral_ports: read("/proc/sys/net/ipv4/ip_local_port_range")
                .and_then(|text| parse::port_range(&text))
                .unwrap_or_default(),
            namespaces: namespaces(),
            clock: clock(),
            kubernetes_api: parse::kubernetes_api(|name| std::env::var(name).ok()),
            ..Self::default()
        };
        facts.refresh(sources);
        facts
    }

    /// Reads again what changes while the agent runs: sockets (a runtime that restarts makes a new one), addresses,
    /// disks, the wall clock. A few milliseconds; worth it when a runtime connects and every minute.
    pub fn refresh(&mut self, sources: &HostSources) {
        self.clock = renewed(self.clock, clock());
        self.runtime_sockets = sockets(sources);
        self.addresses = addresses();
        self.disks = disks();
    }
}

impl HostNamespaces {
    /// In the order of [`crate::event::Namespaces`].
    #[must_use]
    pub fn to_array(self) -> [u32; 8] {
        [
            self.mnt,
            self.pid,
            self.net,
            self.ipc,
            self.uts,
            self.cgroup,
            self.user,
            self.time,
        ]
    }
}

/// `st_dev` or `st_rdev` in the kernel's internal encoding.
#[must_use]
pub fn kernel_device(device: u64) -> u32 {
    rustix::fs::major(device) << 20 | (rustix::fs::minor(device) & 0xf_ffff)
}

/// A file of process 1, else of this process: process 1 may be closed to us (no CAP_SYS_PTRACE).
fn of_init(file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/1/{file}"))
        .ok()
        .or_else(|| read(&format!("/proc/self/{file}")))
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path)
        .inspect_err(|error| tracing::debug!(path, error = %error, "host fact not readable"))
        .ok()
}

/// The host's, also in a container, whose own name says nothing of the node.
fn host_name() -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    if namespace("self", "uts") == FIRST_UTS {
        return own();
    }
    let file = fs::read_to_string("/proc/1/root/etc/hostname").unwrap_or_default();
    let name = file
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    name.map_or_else(own, str::to_owned)
}

/// `None` in another pid namespace: there the number is somebody else's.
fn own_pid() -> Option<u32> {
    (namespace("self", "pid") == Namespaces::FIRST_PID).then(std::process::id)
}

/// Inode number of a process's namespace; 0: not known.
fn namespace(process: &str, name: &str) -> u32 {
    let metadata = fs::metadata(format!("/proc/{process}/ns/{name}"));
    metadata.map_or(0, |metadata| u32::try_from(metadata.ino()).unwrap_or(0))
}

fn addresses() -> Vec<std::net::IpAddr> {
    let v4 = of_init("net/fib_trie").unwrap_or_default();
    let v6 = of_init("net/if_inet6").unwrap_or_default();
    let all: BTreeSet<_> = parse::fib_trie(&v4).chain(parse::if_inet6(&v6)).collect();
    all.into_iter().filter(|address| !address.is_loopback()).collect()
}

/// Sockets that exist, each once however many paths lead to it.
fn sockets(sources: &HostSources) -> Vec<RuntimeSocket> {
    let configured = sources
        .sockets
        .iter()
        .map(|(runtime, path)| (runtime.as_str(), path.as_path()));
    let usual = SOCKETS.iter().map(|(runtime, path)| (*runtime, Path::new(*path)));
    let mut seen = BTreeSet::new();
    configured
        .chain(usual)
        .filter_map(|(runtime, path)| {
            let metadata = host_metadata(path).filter(|metadata| metadata.file_type().is_socket())?;
            let (dev, ino) = (kernel_device(metadata.dev()), metadata.ino());
            seen.insert((dev, ino)).then(|| RuntimeSocket {
                path: path.to_owned(),
                runtime: runtime.to_owned(),
                dev,
                ino,
            })
        })
        .collect()
}

/// `stat` in the host's root, where that is open to us, else in ours.
fn host_metadata(path: &Path) -> Option<fs::Metadata> {
    let relative = path.strip_prefix("/").ok()?;
    fs::metadata(Path::new("/proc/1/root").join(relative))
        .or_else(|_| fs::metadata(path))
        .ok()
}

/// Mounted block devices, with the disks that they are parts of.
fn disks() -> Vec<HostDisk> {
    let mut disks: Vec<HostDisk> = Vec::new();
    for mount in parse::mountinfo(&of_init("mountinfo").unwrap_or_default()) {
        if !mount.source.starts_with("/dev/") {
            continue;
        }
        // btrfs and zfs mounts have a device number of their own; the node's is what a container would open.
        let node = host_metadata(Path::new(mount.source))
            .filter(|metadata| metadata.file_type().is_block_device())
            .map(|metadata| kernel_device(metadata.rdev()));
        let devices: BTreeSet<u32> = [Some(mount.dev), node].into_iter().flatten().collect();
        for dev in devices.into_iter().flat_map(with_parents) {
            if dev >> 20 != 0 && disks.iter().all(|disk| disk.dev != dev) {
                disks.push(HostDisk {
                    dev,
                    source: mount.source.to_owned(),
                    mount_point: PathBuf::from(mount.mount_point),
                    fstype: mount.fstype.to_owned(),
                });
            }
        }
    }
    disks
}

/// The device, the disk of a partition, the devices below a mapping.
fn with_parents(dev: u32) -> Vec<u32> {
    let folder = PathBuf::from(format!("/sys/dev/block/{}:{}", dev >> 20, dev & 0xf_ffff));
    let mut devices = vec![dev];
    if folder.join("partition").exists() {
        devices.extend(sys_device(&folder.join("../dev")));
    }
    let slaves = fs::read_dir(folder.join("slaves"))
        .into_iter()
        .flatten()
        .flatten();
    devices.extend(slaves.filter_map(|slave| sys_device(&slave.path().join("dev"))));
    devices
}

fn sys_device(path: &Path) -> Option<u32> {
    parse::device(fs::read_to_string(path).ok()?.trim())
}

fn namespaces() -> HostNamespaces {
    let inode = |name: &str| match namespace("1", name) {
        0 => namespace("self", name),
        found => found,
    };
    HostNamespaces {
        mnt: inode("mnt"),
        pid: inode("pid"),
        net: inode("net"),
        ipc: inode("ipc"),
        uts: inode("uts"),
        cgroup: inode("cgroup"),
        user: inode("user"),
        time: inode("time"),
    }
}

/// The old offset, unless the wall clock was set since (an agent may start before the host knows the time): times that
/// alerts repeat, such as a process's start, must not tremble.
fn renewed(old: Clock, now: Clock) -> Clock {
    if old.boot_unix_ns.abs_diff(now.boot_unix_ns) > CLOCK_TOLERANCE_NS {
        now
    } else {
        old
    }
}

/// The offset between the clocks now.
fn clock() -> Clock {
    let nanos = |time: Timespec| {
        time.tv_sec
            .saturating_mul(1_000_000_000)
            .saturating_add(time.tv_nsec)
    };
    let wall = nanos(clock_gettime(ClockId::Realtime));
    let boot = nanos(clock_gettime(ClockId::Boottime));
    Clock {
        boot_unix_ns: wall.saturating_sub(boot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_has_a_name_a_clock_and_namespaces() {
        let facts = HostFacts::gather(&HostSources::default());
        assert!(!facts.node.is_empty());
        assert!([None, Some(std::process::id())].contains(&facts.agent));
        assert!(facts.clock.boot_unix_ns > 0);
        assert!(facts.namespaces.to_array()[..7].iter().all(|inode| *inode != 0));
        assert!(facts.ephemeral_ports.first < facts.ephemeral_ports.last);
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<HostFacts>(&text).unwrap(), facts);
    }

    #[test]
    fn a_socket_is_known_by_its_inode_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let link = dir.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let socket = |path: &Path| ("docker".to_owned(), path.to_owned());
        let sources = HostSources {
            node: Some("n1".to_owned()),
            sockets: vec![socket(&path), socket(&link), socket(dir.path())],
        };
        let facts = HostFacts::gather(&sources);
        let ino = fs::metadata(&path).unwrap().ino();
        let found = facts.runtime_sockets.iter().filter(|socket| socket.ino == ino);
        assert_eq!((found.count(), facts.node.as_str()), (1, "n1"));
    }

    #[test]
    fn a_clock_that_was_set_is_read_again_and_one_that_trembles_is_not() {
        let (sources, now) = (HostSources::default(), clock());
        let mut facts = HostFacts::gather(&sources);
        facts.clock.boot_unix_ns -= 3_600_000_000_000;
        facts.refresh(&sources);
        assert!(facts.clock.boot_unix_ns.abs_diff(now.boot_unix_ns) < 1_000_000_000);
        let trembling = Clock {
            boot_unix_ns: now.boot_unix_ns + 1_000_000,
        };
        assert_eq!(renewed(now, trembling), now);
    }

    #[test]
    fn device_numbers_are_in_the_kernels_encoding() {
        assert_eq!(kernel_device(rustix::fs::makedev(254, 3)), 254 << 20 | 3);
    }
}
