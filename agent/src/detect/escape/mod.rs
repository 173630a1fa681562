//! Ways out of a container. Universal: no profile can allow them.

mod calls;
mod host_files;
mod kernel_files;
mod mounts;
mod namespaces;
mod nodes;
mod processes;
mod roots;
mod sandboxes;
mod sockets;

#[cfg(test)]
mod tests;

use super::per_container::PerContainer;
use super::rules::escape;
use super::{DetectContext, Detector, Finding, finding};
use crate::event::{
    CallName, ContainerOp, EnrichedEvent, FileOpen, Lifecycle, Payload, RecordFlags, SlotKey, Trust,
};
use sandboxes::Sandboxes;

/// Finds escapes.
#[derive(Debug, Default)]
pub(super) struct EscapeDetector {
    sandboxes: PerContainer<Sandboxes>,
}

impl Detector for EscapeDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        if let Payload::Unshare(made) = &context.event.raw.payload {
            sandboxes::note(&mut self.sandboxes, context, made);
        }
        findings.extend(object(context).or_else(|| self.in_sandbox(context)));
    }

    fn forget(&mut self, container: SlotKey) {
        self.sandboxes.forget(container);
    }

    fn kept(&self) -> usize {
        self.sandboxes.kept()
    }

    fn capacity(&self) -> usize {
        self.sandboxes.capacity()
    }

    fn refused(&self) -> u64 {
        self.sandboxes.refused()
    }
}

impl EscapeDetector {
    /// What is worse in a user namespace of the container's own.
    fn in_sandbox(&mut self, context: &DetectContext<'_>) -> Option<Finding> {
        // Walks lineage: only for events that it matters to.
        let (made, event) = (&mut self.sandboxes, context.event);
        match &event.raw.payload {
            Payload::Mount(mount) => mounts::inspect(context, mount, sandboxes::of(made, event)),
            Payload::Socket(socket) => namespaces::filters(context, socket, sandboxes::of(made, event)),
            Payload::Setattr(change) => namespaces::rights(context, change, sandboxes::of(made, event)),
            Payload::Syscall(call) if call.call == CallName::FSCONFIG => {
                namespaces::configured(context, call, sandboxes::of(made, event))
            }
            _ => None,
        }
    }
}

/// What tells by its object alone.
fn object(context: &DetectContext<'_>) -> Option<Finding> {
    match &context.event.raw.payload {
        Payload::FileOpen(open) => kernel_files::inspect(context, open)
            .or_else(|| host_files::device(context, open))
            .or_else(|| processes::namespace(context, open))
            .or_else(|| host_files::runtime_binary(context, open))
            .or_else(|| host_files::sensitive_write(context, open))
            .or_else(|| roots::foreign(context, open)),
        Payload::UnixConnect(connect) => sockets::inspect(context, connect),
        Payload::Ptrace(ptrace) => processes::ptrace(context, ptrace),
        Payload::Setns(setns) => processes::setns(context, setns),
        Payload::Unshare(made) => namespaces::made(context, made),
        Payload::Module(module) => processes::module(context, module),
        Payload::Bpf(bpf) => processes::bpf(context, bpf),
        Payload::Exec(exec) => roots::program(context, exec),
        Payload::Chroot(directory) => roots::directory(context, directory, true),
        Payload::Chdir(directory) => roots::directory(context, directory, false),
        Payload::Mknod(node) => nodes::made(context, node),
        Payload::Rename(name) => nodes::renamed(context, name),
        Payload::Link(name) => nodes::linked(context, name),
        Payload::Symlink(link) => nodes::symlinked(context, link),
        Payload::Unlink(name) => nodes::replaced(context, &name.path),
        Payload::Socket(socket) => calls::socket(context, socket),
        Payload::Syscall(call) => calls::inspect(context, call),
        Payload::Credentials(change) => namespaces::became_root(context, change),
        Payload::Container(Lifecycle {
            op: ContainerOp::LEFT,
            cgroup,
            ..
        }) => {
            let did = format!("moved out of its container's cgroup to {cgroup}");
            Some(finding(context, &escape::CGROUP_LEFT, "cgroup", &did))
        }
        _ => None,
    }
}

/// Whether the kernel let it happen. Hooks that run before the result report no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Success {
    Done,
    Failed,
    /// It was kept from it: no less serious for that.
    Denied,
}

impl Success {
    fn of(event: &EnrichedEvent) -> Self {
        if event.raw.header.flags.has(RecordFlags::DENIED) {
            Self::Denied
        } else if event.raw.header.ret < 0 {
            Self::Failed
        } else {
            Self::Done
        }
    }

    /// `opened` or `tried to open`.
    fn words(self, done: &'static str, tried: &'static str) -> &'static str {
        match self {
            Self::Done => done,
            Self::Failed | Self::Denied => tried,
        }
    }
}

/// It failed for want of a right to it: a try, whereas other errors say that only the object was no good.
fn lacks_right(event: &EnrichedEvent) -> bool {
    const EPERM: i32 = 1;
    event.raw.header.ret == -EPERM
}

/// An open for writing. Of failed attempts only the flags that were asked for are known.
fn writes(event: &EnrichedEvent, open: &FileOpen) -> bool {
    let asked = event.raw.header.flags.trust() == Trust::ARGUMENTS || event.raw.header.ret < 0;
    // O_WRONLY 1, O_RDWR 2.
    open.writes() || (asked && open.open_flags & 3 != 0)
}

/// The path in the file's own filesystem where it is known, else the path in the task's root.
fn own_path(open: &FileOpen) -> &[u8] {
    if open.fs_path.is_empty() {
        &open.path.bytes
    } else {
        &open.fs_path.bytes
    }
}
