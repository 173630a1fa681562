//! Ways out of a container. Universal: no profile can allow them.

mod host_files;
mod kernel_files;
mod mounts;
mod processes;
mod sockets;

#[cfg(test)]
mod denied_tests;
#[cfg(test)]
mod tests;

use super::rules::escape;
use super::{DetectContext, Detector, Finding};
use crate::event::{ContainerOp, EnrichedEvent, FileOpen, Lifecycle, Payload, RecordFlags, Trust};

/// Finds escapes.
#[derive(Debug)]
pub(super) struct EscapeDetector;

impl Detector for EscapeDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        let finding = match &context.event.raw.payload {
            Payload::FileOpen(open) => kernel_files::inspect(context, open)
                .or_else(|| host_files::device(context, open))
                .or_else(|| processes::namespace(context, open))
                .or_else(|| host_files::runtime_binary(context, open))
                .or_else(|| host_files::sensitive_write(context, open)),
            Payload::UnixConnect(connect) => sockets::inspect(context, connect),
            Payload::Mount(mount) => mounts::inspect(context, mount),
            Payload::Ptrace(ptrace) => processes::ptrace(context, ptrace),
            Payload::Setns(setns) => processes::setns(context, setns),
            Payload::Module(module) => processes::module(context, module),
            Payload::Bpf(bpf) => processes::bpf(context, bpf),
            Payload::Container(Lifecycle {
                op: ContainerOp::LEFT,
                cgroup,
                ..
            }) => Some(Finding::new(
                &escape::CGROUP_LEFT,
                "cgroup",
                format!(
                    "{} in {} moved out of its container's cgroup to {cgroup}",
                    context.actor(),
                    context.container_name()
                ),
            )),
            _ => None,
        };
        findings.extend(finding);
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

/// The last component.
fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
