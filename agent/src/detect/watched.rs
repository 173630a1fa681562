/// Base names whose removal and renaming leaves the kernel: traces that attackers wipe, files that decide who may do
/// what, sockets that lead to the host.
pub const WATCHED_NAMES: [&str; 34] = [
    // logs
    "audit.log",
    "auth.log",
    "btmp",
    "faillog",
    "kern.log",
    "lastlog",
    "messages",
    "secure",
    "syslog",
    "tallylog",
    "utmp",
    "wtmp",
    // histories of shells
    ".ash_history",
    ".bash_history",
    ".sh_history",
    ".zsh_history",
    "fish_history",
    // users, rights, what is started
    "authorized_keys",
    "crontab",
    "group",
    "gshadow",
    "hosts",
    "ld.so.conf",
    "ld.so.preload",
    "passwd",
    "resolv.conf",
    "shadow",
    "sshd_config",
    "sudoers",
    // sockets of runtimes
    "containerd.sock",
    "crio.sock",
    "docker.sock",
    "dockershim.sock",
    "podman.sock",
];

const _: () = assert!(WATCHED_NAMES.len() <= agent_common::limits::WATCHED_NAME_ENTRIES as usize);
