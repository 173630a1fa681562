//! Where files decide who may do what, or keep what was done.

use super::changes::Change;
use crate::detect::Rule;
use crate::detect::program::name;
use crate::detect::rules::tampering;
use bstr::ByteSlice;

/// Files of one sort, by their absolute paths in the container.
pub(super) struct Place {
    pub(super) rule: &'static Rule,
    pub(super) is: fn(&[u8]) -> bool,
    pub(super) changes: &'static [Change],
    /// Programs of the image whose work it is.
    pub(super) writers: &'static [&'static str],
    /// It is also the work of package managers, and of what the container was made for.
    pub(super) is_served: bool,
}

use Change::{Emptied, Placed, Removed, Written};

const CONTENT: &[Change] = &[Written, Emptied, Placed];

pub(super) const PLACES: [Place; 9] = [
    Place {
        rule: &tampering::PRELOADED_LIBRARY,
        // By its name alone: the folder may be known only as it was asked for, and no other file is called so.
        is: |path| name(path) == b"ld.so.preload",
        changes: CONTENT,
        writers: &[],
        is_served: false,
    },
    Place {
        rule: &tampering::LIBRARY_PATH,
        is: |path| {
            path == b"/etc/ld.so.conf"
                || path == b"/etc/ld.so.cache"
                || path.starts_with(b"/etc/ld.so.conf.d/")
        },
        changes: CONTENT,
        writers: &["ldconfig", "ldconfig.real"],
        is_served: true,
    },
    Place {
        rule: &tampering::AUTHORIZED_KEYS,
        is: |path| path.contains_str(b"/.ssh/") && name(path).starts_with(b"authorized_keys"),
        changes: CONTENT,
        writers: &[],
        is_served: false,
    },
    Place {
        rule: &tampering::SCHEDULED_TASK,
        is: is_schedule,
        changes: CONTENT,
        writers: &[],
        is_served: true,
    },
    Place {
        rule: &tampering::ACCOUNTS,
        is: is_accounts,
        changes: CONTENT,
        writers: &[
            "useradd",
            "usermod",
            "userdel",
            "groupadd",
            "groupmod",
            "groupdel",
            "adduser",
            "addgroup",
            "deluser",
            "delgroup",
            "passwd",
            "chpasswd",
            "chgpasswd",
            "chage",
            "chfn",
            "chsh",
            "gpasswd",
            "newusers",
            "vipw",
            "vigr",
            "pwconv",
            "pwunconv",
            "grpconv",
            "grpunconv",
            "visudo",
            "pam-auth-update",
            "systemd-sysusers",
        ],
        is_served: true,
    },
    Place {
        rule: &tampering::NAME_RESOLUTION,
        is: |path| matches!(path, b"/etc/hosts" | b"/etc/resolv.conf" | b"/etc/hostname"),
        changes: CONTENT,
        writers: &[
            "dhclient",
            "dhcpcd",
            "udhcpc",
            "resolvconf",
            "systemd-resolved",
            "NetworkManager",
            "tailscaled",
            "pppd",
        ],
        is_served: true,
    },
    Place {
        rule: &tampering::PROGRAM_FOLDER,
        is: is_program,
        changes: CONTENT,
        writers: &["update-alternatives", "dpkg-divert", "update-ca-certificates"],
        is_served: true,
    },
    Place {
        rule: &tampering::LOG,
        is: |path| path.starts_with(b"/var/log/"),
        changes: &[Emptied, Placed, Removed],
        writers: &[
            "logrotate",
            "savelog",
            "newsyslog",
            "rsyslogd",
            "syslogd",
            "syslog-ng",
            "systemd-journald",
            "journalctl",
            "systemd-tmpfiles",
            "gzip",
            "xz",
            "bzip2",
            "zstd",
            "svlogd",
            "multilog",
            "login",
            "sshd",
        ],
        is_served: true,
    },
    Place {
        rule: &tampering::HISTORY,
        is: is_history,
        changes: &[Emptied, Placed, Removed],
        writers: &[],
        is_served: false,
    },
];

/// Cron, at, and what is started with a system.
fn is_schedule(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 8] = [
        b"/etc/cron",
        b"/etc/anacrontab",
        b"/var/spool/cron/",
        b"/var/spool/at/",
        b"/etc/systemd/system/",
        b"/etc/init.d/",
        b"/etc/rc.local",
        b"/etc/periodic/",
    ];
    FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn is_accounts(path: &[u8]) -> bool {
    matches!(
        path,
        b"/etc/passwd"
            | b"/etc/shadow"
            | b"/etc/group"
            | b"/etc/gshadow"
            | b"/etc/sudoers"
            | b"/etc/nsswitch.conf"
    ) || path.starts_with(b"/etc/sudoers.d/")
        || path.starts_with(b"/etc/pam.d/")
}

/// Programs, and libraries beside them: what interpreters keep below `/usr/lib` is neither.
fn is_program(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 6] = [
        b"/bin/",
        b"/sbin/",
        b"/usr/bin/",
        b"/usr/sbin/",
        b"/usr/local/bin/",
        b"/usr/local/sbin/",
    ];
    const LIBRARIES: [&[u8]; 4] = [b"/lib/", b"/lib64/", b"/usr/lib/", b"/usr/lib64/"];
    let name = name(path);
    let library = name.ends_with(b".so") || name.contains_str(b".so.");
    FOLDERS.iter().any(|folder| path.starts_with(folder))
        || library && LIBRARIES.iter().any(|folder| path.starts_with(folder))
}

pub(super) fn is_history(path: &[u8]) -> bool {
    matches!(
        name(path),
        b".bash_history"
            | b".zsh_history"
            | b".ash_history"
            | b".sh_history"
            | b".history"
            | b"fish_history"
            | b".python_history"
            | b".mysql_history"
            | b".psql_history"
            | b".rediscli_history"
    )
}
