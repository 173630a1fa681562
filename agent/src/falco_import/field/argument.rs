//! `evt.arg.*`: what calls are given.

use super::super::compare::Operand;
use super::super::deed::Deed;
use super::super::logic::Node;
use super::{NO_COUNTERPART, number, whole};

const OPEN_FLAGS: &[(&str, i64)] = &[
    ("O_WRONLY", 0o1),
    ("O_RDWR", 0o2),
    ("O_CREAT", 0o100),
    ("O_EXCL", 0o200),
    ("O_TRUNC", 0o1000),
    ("O_APPEND", 0o2000),
];
const NAMESPACES: &[(&str, i64)] = &[
    ("CLONE_NEWTIME", 0x80),
    ("CLONE_NEWNS", 0x2_0000),
    ("CLONE_NEWCGROUP", 0x200_0000),
    ("CLONE_NEWUTS", 0x400_0000),
    ("CLONE_NEWIPC", 0x800_0000),
    ("CLONE_NEWUSER", 0x1000_0000),
    ("CLONE_NEWPID", 0x2000_0000),
    ("CLONE_NEWNET", 0x4000_0000),
];
const MODES: &[(&str, i64)] = &[
    ("S_ISUID", 0o4000),
    ("S_ISGID", 0o2000),
    ("S_ISVTX", 0o1000),
    ("S_IXUSR", 0o100),
    ("S_IXGRP", 0o10),
    ("S_IWOTH", 0o2),
    ("S_IXOTH", 0o1),
];
const PROTECTION: &[(&str, i64)] = &[("PROT_READ", 1), ("PROT_WRITE", 2), ("PROT_EXEC", 4)];
const MAPPING: &[(&str, i64)] = &[
    ("MAP_SHARED", 1),
    ("MAP_PRIVATE", 2),
    ("MAP_FIXED", 0x10),
    ("MAP_ANONYMOUS", 0x20),
];
const REQUESTS: &[(&str, i64)] = &[
    ("PTRACE_PEEKTEXT", 1),
    ("PTRACE_PEEKDATA", 2),
    ("PTRACE_PEEKUSR", 3),
    ("PTRACE_POKETEXT", 4),
    ("PTRACE_POKEDATA", 5),
    ("PTRACE_POKEUSR", 6),
    ("PTRACE_GETREGS", 12),
    ("PTRACE_SETREGS", 13),
    ("PTRACE_SETFPREGS", 15),
    ("PTRACE_ATTACH", 16),
    ("PTRACE_SETREGSET", 0x4205),
    ("PTRACE_SEIZE", 0x4206),
];
const COMMANDS: &[(&str, i64)] = &[
    ("BPF_MAP_CREATE", 0),
    ("BPF_PROG_LOAD", 5),
    ("BPF_OBJ_PIN", 6),
    ("BPF_OBJ_GET", 7),
    ("BPF_PROG_ATTACH", 8),
    ("BPF_RAW_TRACEPOINT_OPEN", 17),
    ("BPF_BTF_LOAD", 18),
    ("BPF_LINK_CREATE", 28),
];
const SIGNALS: &[(&str, i64)] = &[
    ("SIGHUP", 1),
    ("SIGINT", 2),
    ("SIGQUIT", 3),
    ("SIGKILL", 9),
    ("SIGUSR1", 10),
    ("SIGSEGV", 11),
    ("SIGUSR2", 12),
    ("SIGTERM", 15),
    ("SIGCONT", 18),
    ("SIGSTOP", 19),
];
const FAMILIES: [(&str, &str); 8] = [
    ("AF_UNIX", "unix"),
    ("AF_LOCAL", "unix"),
    ("AF_INET", "inet"),
    ("AF_INET6", "inet6"),
    ("AF_NETLINK", "netlink"),
    ("AF_PACKET", "packet"),
    ("AF_ALG", "alg"),
    ("AF_VSOCK", "vsock"),
];
const TYPES: [(&str, &str); 4] = [
    ("SOCK_STREAM", "stream"),
    ("SOCK_DGRAM", "dgram"),
    ("SOCK_RAW", "raw"),
    ("SOCK_SEQPACKET", "seqpacket"),
];

pub(super) fn operand(name: &str, deed: Deed) -> Operand {
    use Deed::{
        Bpf, Chdir, Chroot, Exec, Link, Mknod, Mmap, Mount, Open, Ptrace, Rename, Setattr, Setns, Signal,
        Socket, Symlink, TraceMe, Unlink, Unshare,
    };
    match (name, deed) {
        ("path" | "name" | "pathname" | "filename", Open | Unlink | Setattr | Chroot | Chdir | Mknod) => {
            whole("event.path")
        }
        ("filename" | "pathname", Exec) => whole("event.filename"),
        ("target", Symlink) | ("oldpath", Rename | Link) => whole("event.path"),
        ("linkpath", Symlink) | ("newpath", Rename | Link) => whole("event.new_path"),
        ("flags", Open) => bits("event.open_flags", OPEN_FLAGS),
        ("flags", Exec) => of_executable(),
        ("flags", Unshare) | ("nstype", Setns) => bits("event.nstype", NAMESPACES),
        ("mode", Setattr) => bits("event.value", MODES),
        ("prot", Mmap) => bits("event.prot", PROTECTION),
        ("flags", Mmap) => bits("event.mmap_flags", MAPPING),
        ("request", Ptrace) => named("event.request", REQUESTS),
        ("request", TraceMe) => {
            let asked = "size(event.args) > 0 && event.args[0] == 0".to_owned();
            Operand::Words(vec![("PTRACE_TRACEME", Node::comparison(asked))])
        }
        ("cmd", Bpf) => named("event.cmd", COMMANDS),
        ("sig", Signal) => named("event.signal", SIGNALS),
        ("domain", Socket) => words("event.family", &FAMILIES),
        ("type", Socket) => words("event.type", &TYPES),
        ("proto", Socket) => number("event.protocol"),
        ("dev" | "source", Mount) => whole("event.source"),
        ("dir" | "target", Mount) => whole("event.target"),
        ("type" | "fstype", Mount) => whole("event.fstype"),
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn bits(path: &str, names: &'static [(&'static str, i64)]) -> Operand {
    Operand::Bits {
        path: path.to_owned(),
        names,
    }
}

fn named(path: &str, names: &'static [(&'static str, i64)]) -> Operand {
    Operand::Named {
        path: path.to_owned(),
        names,
    }
}

fn words(path: &str, words: &[(&'static str, &str)]) -> Operand {
    let of = |(word, own): &(&'static str, &str)| (*word, Node::equality(path, &format!("\"{own}\"")));
    Operand::Words(words.iter().map(of).collect())
}

/// What Falco says of the file that is executed.
fn of_executable() -> Operand {
    Operand::Words(vec![
        ("EXE_UPPER_LAYER", Node::equality("event.in_image", "false")),
        (
            "EXE_FROM_MEMFD",
            Node::call("event.exe.startsWith(\"memfd:\")".to_owned()),
        ),
    ])
}
