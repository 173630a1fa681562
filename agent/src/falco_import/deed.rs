//! What Falco's system calls are here: kinds of events, and what tells calls of one kind apart.

use super::logic::Node;
use super::report::Shift;
use super::syntax::{Check, Operator};
use super::text::one_of;
use crate::event::EventKind;

/// What is done, as conditions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed {
    Exec,
    /// A descriptor 0, 1 or 2 that became a socket, seen when a program is executed with it.
    Redirect,
    Open,
    Bind,
    Listen,
    Connect,
    Send,
    UnixConnect,
    UnixBind,
    Mount,
    Ptrace,
    /// `PTRACE_TRACEME`
    TraceMe,
    Setns,
    Unshare,
    Module,
    Bpf,
    Unlink,
    Rename,
    Link,
    Symlink,
    Chroot,
    Chdir,
    Mknod,
    Setattr,
    Mmap,
    Socket,
    Signal,
    Credentials,
    Syscall,
}

/// A call, and which deed it is; with the operation that its events name, where a kind has several.
struct Call(&'static str, Deed, &'static str);

const CALLS: [Call; 93] = [
    Call("execve", Deed::Exec, ""),
    Call("execveat", Deed::Exec, ""),
    Call("dup", Deed::Redirect, ""),
    Call("dup2", Deed::Redirect, ""),
    Call("dup3", Deed::Redirect, ""),
    Call("open", Deed::Open, ""),
    Call("openat", Deed::Open, ""),
    Call("openat2", Deed::Open, ""),
    Call("creat", Deed::Open, ""),
    Call("open_by_handle_at", Deed::Open, ""),
    Call("bind", Deed::Bind, ""),
    Call("bind", Deed::UnixBind, ""),
    Call("listen", Deed::Listen, ""),
    Call("connect", Deed::Connect, ""),
    Call("connect", Deed::UnixConnect, ""),
    Call("sendto", Deed::Send, ""),
    Call("sendmsg", Deed::Send, ""),
    Call("sendmmsg", Deed::Send, ""),
    Call("mount", Deed::Mount, "mount"),
    Call("umount", Deed::Mount, "umount"),
    Call("umount2", Deed::Mount, "umount"),
    Call("move_mount", Deed::Mount, "move_mount"),
    Call("fsmount", Deed::Mount, "fsmount"),
    Call("open_tree", Deed::Mount, "open_tree"),
    Call("pivot_root", Deed::Mount, "pivot_root"),
    Call("mount_setattr", Deed::Mount, "mount_setattr"),
    Call("ptrace", Deed::Ptrace, "ptrace"),
    Call("process_vm_readv", Deed::Ptrace, "process_vm_read"),
    Call("process_vm_writev", Deed::Ptrace, "process_vm_write"),
    Call("ptrace", Deed::TraceMe, "ptrace"),
    Call("setns", Deed::Setns, ""),
    Call("unshare", Deed::Unshare, ""),
    Call("init_module", Deed::Module, "init_module"),
    Call("finit_module", Deed::Module, "finit_module"),
    Call("delete_module", Deed::Module, "delete_module"),
    Call("bpf", Deed::Bpf, ""),
    Call("unlink", Deed::Unlink, ""),
    Call("unlinkat", Deed::Unlink, ""),
    Call("rmdir", Deed::Unlink, ""),
    Call("rename", Deed::Rename, ""),
    Call("renameat", Deed::Rename, ""),
    Call("renameat2", Deed::Rename, ""),
    Call("link", Deed::Link, ""),
    Call("linkat", Deed::Link, ""),
    Call("symlink", Deed::Symlink, ""),
    Call("symlinkat", Deed::Symlink, ""),
    Call("chroot", Deed::Chroot, ""),
    Call("chdir", Deed::Chdir, ""),
    Call("fchdir", Deed::Chdir, ""),
    Call("mknod", Deed::Mknod, ""),
    Call("mknodat", Deed::Mknod, ""),
    Call("chmod", Deed::Setattr, "chmod"),
    Call("fchmod", Deed::Setattr, "chmod"),
    Call("fchmodat", Deed::Setattr, "chmod"),
    Call("fchmodat2", Deed::Setattr, "chmod"),
    Call("truncate", Deed::Setattr, "truncate"),
    Call("ftruncate", Deed::Setattr, "truncate"),
    Call("setxattr", Deed::Setattr, "setxattr"),
    Call("fsetxattr", Deed::Setattr, "setxattr"),
    Call("lsetxattr", Deed::Setattr, "setxattr"),
    Call("utimensat", Deed::Setattr, "utimes"),
    Call("mmap", Deed::Mmap, "mmap"),
    Call("mmap2", Deed::Mmap, "mmap"),
    Call("mprotect", Deed::Mmap, "mprotect"),
    Call("socket", Deed::Socket, ""),
    Call("kill", Deed::Signal, ""),
    Call("tkill", Deed::Signal, ""),
    Call("tgkill", Deed::Signal, ""),
    Call("setuid", Deed::Credentials, "setuid"),
    Call("setreuid", Deed::Credentials, "setuid"),
    Call("setresuid", Deed::Credentials, "setuid"),
    Call("capset", Deed::Credentials, "capset"),
    Call("userfaultfd", Deed::Syscall, "userfaultfd"),
    Call("perf_event_open", Deed::Syscall, "perf_event_open"),
    Call("keyctl", Deed::Syscall, "keyctl"),
    Call("add_key", Deed::Syscall, "add_key"),
    Call("request_key", Deed::Syscall, "request_key"),
    Call("io_uring_setup", Deed::Syscall, "io_uring_setup"),
    Call("iopl", Deed::Syscall, "iopl"),
    Call("ioperm", Deed::Syscall, "ioperm"),
    Call("clock_settime", Deed::Syscall, "clock_settime"),
    Call("settimeofday", Deed::Syscall, "settimeofday"),
    Call("fsopen", Deed::Syscall, "fsopen"),
    Call("fsconfig", Deed::Syscall, "fsconfig"),
    Call("kexec_load", Deed::Syscall, "kexec_load"),
    Call("kexec_file_load", Deed::Syscall, "kexec_file_load"),
    Call("reboot", Deed::Syscall, "reboot"),
    Call("acct", Deed::Syscall, "acct"),
    Call("swapon", Deed::Syscall, "swapon"),
    Call("fanotify_init", Deed::Syscall, "fanotify_init"),
    Call("sethostname", Deed::Syscall, "sethostname"),
    Call("setdomainname", Deed::Syscall, "setdomainname"),
    Call("memfd_create", Deed::Syscall, "memfd_create"),
];

const ALL: [Deed; 29] = [
    Deed::Exec,
    Deed::Redirect,
    Deed::Open,
    Deed::Bind,
    Deed::Listen,
    Deed::Connect,
    Deed::Send,
    Deed::UnixConnect,
    Deed::UnixBind,
    Deed::Mount,
    Deed::Ptrace,
    Deed::TraceMe,
    Deed::Setns,
    Deed::Unshare,
    Deed::Module,
    Deed::Bpf,
    Deed::Unlink,
    Deed::Rename,
    Deed::Link,
    Deed::Symlink,
    Deed::Chroot,
    Deed::Chdir,
    Deed::Mknod,
    Deed::Setattr,
    Deed::Mmap,
    Deed::Socket,
    Deed::Signal,
    Deed::Credentials,
    Deed::Syscall,
];

/// True when some event is made of the call.
pub(super) fn is_known(call: &str) -> bool {
    CALLS.iter().any(|Call(name, ..)| *name == call)
}

/// True when `check` asks for calls by name.
pub(super) fn names_calls(check: &Check) -> bool {
    matches!(check.field.as_str(), "evt.type" | "syscall.type") && check.transformers.is_empty()
}

impl Deed {
    pub(super) const fn all() -> [Self; 29] {
        ALL
    }

    /// Of which kind its events are.
    pub(super) const fn kind(self) -> EventKind {
        match self {
            Self::Exec | Self::Redirect => EventKind::EXEC,
            Self::Open => EventKind::FILE_OPEN,
            Self::Bind => EventKind::BIND,
            Self::Listen => EventKind::LISTEN,
            Self::Connect => EventKind::CONNECT,
            Self::Send => EventKind::SEND,
            Self::UnixConnect => EventKind::UNIX_CONNECT,
            Self::UnixBind => EventKind::UNIX_BIND,
            Self::Mount => EventKind::MOUNT,
            Self::Ptrace => EventKind::PTRACE,
            Self::TraceMe | Self::Syscall => EventKind::SYSCALL,
            Self::Setns => EventKind::SETNS,
            Self::Unshare => EventKind::UNSHARE,
            Self::Module => EventKind::MODULE,
            Self::Bpf => EventKind::BPF,
            Self::Unlink => EventKind::UNLINK,
            Self::Rename => EventKind::RENAME,
            Self::Link => EventKind::LINK,
            Self::Symlink => EventKind::SYMLINK,
            Self::Chroot => EventKind::CHROOT,
            Self::Chdir => EventKind::CHDIR,
            Self::Mknod => EventKind::MKNOD,
            Self::Setattr => EventKind::SETATTR,
            Self::Mmap => EventKind::MMAP,
            Self::Socket => EventKind::SOCKET,
            Self::Signal => EventKind::SIGNAL,
            Self::Credentials => EventKind::CREDENTIALS,
        }
    }

    /// The field of its events that names the operation.
    const fn operation(self) -> &'static str {
        match self {
            Self::Syscall | Self::TraceMe => "event.name",
            _ => "event.operation",
        }
    }

    /// That an event of the deed is of one of the calls that `check` names.
    pub(super) fn of_calls(self, check: &Check) -> Node {
        let named = |name: &str| check.values.iter().any(|word| word.text == name);
        match check.operator {
            Operator::Equal | Operator::In => self.is_one_of(named),
            Operator::NotEqual => self.is_one_of(named).negated(),
            Operator::Exists => Node::Always,
            _ => Node::unknown(check.name(), "calls are compared by `=`, `!=` and `in` only"),
        }
    }

    fn is_one_of(self, named: impl Fn(&str) -> bool) -> Node {
        let own = CALLS.iter().filter(|Call(_, deed, _)| *deed == self);
        let (asked, others): (Vec<&Call>, Vec<&Call>) = own.partition(|Call(name, ..)| named(name));
        let holds = |operation: &str| asked.iter().any(|Call(.., own)| *own == operation);
        if asked.is_empty() {
            return Node::Never;
        }
        if self == Self::Redirect {
            return Node::comparison("size(event.socket_descriptors) > 0".to_owned()).noted(
                Shift::Narrower,
                "duplicates of a socket's descriptor are seen when a program is executed that has it as descriptor 0, 1 or 2",
            );
        }
        let is_whole = holds("") || others.iter().all(|Call(.., operation)| holds(operation));
        // Other calls are of the kind of `ptrace(PTRACE_TRACEME)`, too.
        if is_whole && self != Self::TraceMe {
            return Node::Always;
        }
        let mut operations: Vec<String> = asked.iter().map(|Call(.., own)| (*own).to_owned()).collect();
        operations.dedup();
        one_of(self.operation(), &operations)
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{Expr, parse};
    use super::*;
    use crate::event::CallName;
    use std::collections::BTreeSet;

    fn asked(deed: Deed, condition: &str) -> String {
        match parse(condition) {
            Ok(Expr::Check(check)) => deed.of_calls(&check).cel(),
            other => panic!("{condition}: {other:?}"),
        }
    }

    #[test]
    fn calls_decide_by_kind_and_operation() {
        let opens = "evt.type in (open, openat)";
        assert_eq!(asked(Deed::Open, opens), "true");
        assert_eq!(asked(Deed::Exec, opens), "false");
        assert_eq!(
            asked(Deed::Module, "evt.type = finit_module"),
            "event.operation == \"finit_module\""
        );
        assert_eq!(
            asked(
                Deed::Module,
                "evt.type in (init_module, finit_module, delete_module)"
            ),
            "true"
        );
        assert_eq!(
            asked(Deed::TraceMe, "evt.type = ptrace"),
            "event.name == \"ptrace\""
        );
        assert_eq!(asked(Deed::Connect, "evt.type != connect"), "false");
    }

    #[test]
    fn the_tables_are_whole() {
        let deeds: BTreeSet<Deed> = Deed::all().into_iter().collect();
        assert_eq!(deeds.len(), 29);
        for deed in deeds {
            assert!(CALLS.iter().any(|Call(_, own, _)| *own == deed), "{deed:?}");
        }
        for Call(_, deed, operation) in &CALLS {
            let known = CallName::ALL.iter().any(|(_, name)| name == operation);
            assert!(*deed != Deed::Syscall || known, "{operation}");
        }
    }
}
