//! Names of the kernel's numbers.

use agent_common::magic;

/// In the order of their numbers (`linux/capability.h`).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Name of a capability; its number where it has none here.
pub(super) fn capability(number: u32) -> String {
    let name = usize::try_from(number)
        .ok()
        .and_then(|index| CAPABILITIES.get(index));
    name.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

/// Names of the capabilities in a mask.
pub(super) fn capabilities(mask: u64) -> Vec<String> {
    (0..u64::BITS)
        .filter(|number| mask >> number & 1 == 1)
        .map(capability)
        .collect()
}

/// What `S_IFMT` says.
pub(super) fn file_type(mode: u16) -> &'static str {
    match mode & 0o170_000 {
        0o010_000 => "fifo",
        0o020_000 => "char",
        0o040_000 => "directory",
        0o060_000 => "block",
        0o100_000 => "file",
        0o120_000 => "symlink",
        0o140_000 => "socket",
        _ => "unknown",
    }
}

/// Address family.
pub(super) fn family(number: u16) -> String {
    let name = match number {
        1 => "unix",
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        29 => "can",
        30 => "tipc",
        31 => "bluetooth",
        38 => "alg",
        40 => "vsock",
        44 => "xdp",
        other => return other.to_string(),
    };
    name.to_owned()
}

/// `SOCK_*`.
pub(super) fn socket_type(number: u16) -> String {
    let name = match number {
        1 => "stream",
        2 => "dgram",
        3 => "raw",
        5 => "seqpacket",
        other => return other.to_string(),
    };
    name.to_owned()
}

pub(super) fn device(number: u32) -> String {
    format!("{}:{}", number >> 20, number & 0xf_ffff)
}

pub(super) fn filesystem(number: u32) -> String {
    let name = match number {
        magic::PROC => "proc",
        magic::SYSFS => "sysfs",
        magic::CGROUP => "cgroup",
        magic::CGROUP2 => "cgroup2",
        magic::BINFMT => "binfmt_misc",
        magic::DEBUGFS => "debugfs",
        magic::TRACEFS => "tracefs",
        magic::SECURITYFS => "securityfs",
        magic::BPF => "bpf",
        magic::TMPFS => "tmpfs",
        magic::OVERLAY => "overlay",
        0xef53 => "ext",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x1cd1 => "devpts",
        0x534f_434b => "sockfs",
        other => return format!("{other:#x}"),
    };
    name.to_owned()
}
