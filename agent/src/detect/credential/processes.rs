//! What other processes of the container hold in memory and environment, and what the kernel tells of itself.

use crate::detect::program::{called, is_main, is_of_image};
use crate::detect::rules::credential;
use crate::detect::{DetectContext, Finding, Severity, finding};
use crate::event::{FileOpen, Ptrace};
use agent_common::event::PtraceOp;
use agent_common::magic;

/// Programs that look into others' memory for a living.
pub(in crate::detect) const DEBUGGERS: [&str; 16] = [
    "gdb",
    "gdbserver",
    "lldb",
    "lldb-server",
    "strace",
    "ltrace",
    "perf",
    "criu",
    "dlv",
    "rr",
    "jmap",
    "jstack",
    "jcmd",
    "jhsdb",
    "py-spy",
    "gcore",
];
/// Programs that ask init for its environment: whether this is a container.
const ASKERS: [&str; 9] = [
    "ps",
    "systemd",
    "systemctl",
    "systemd-detect-virt",
    "systemd-tmpfiles",
    "systemd-sysctl",
    "loginctl",
    "udevadm",
    "dbus-daemon",
];
/// What tells where things are in the kernel, and what it does.
const TELLING: [&[u8]; 5] = [
    b"/kallsyms",
    b"/sched_debug",
    b"/kernel/notes",
    b"/kernel/randomize_va_space",
    b"/keys",
];
const OBSERVERS: [&str; 5] = ["perf", "bpftrace", "bpftool", "crash", "node_exporter"];

/// A file of procfs, or of what the kernel shows of itself.
pub(super) fn opened(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    if !open.reads() || context.event.raw.header.ret < 0 {
        return None;
    }
    let path = &open.path.bytes;
    match open.file.magic {
        magic::PROC => of_process(context, path).or_else(|| telling(context, path)),
        magic::SYSFS => telling(context, path),
        magic::DEBUGFS => telling(context, path),
        _ => None,
    }
}

/// `/proc/7/environ`, `/proc/7/task/9/mem`, and the same of a procfs elsewhere: the process, and the file.
pub(in crate::detect) fn file_of_process(path: &[u8]) -> Option<(u32, &[u8])> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let (name, folders) = parts.split_last()?;
    let folders = match folders {
        [before @ .., task, _] if *task == b"task" => before,
        all => all,
    };
    let pid = std::str::from_utf8(folders.last()?).ok()?.parse().ok()?;
    Some((pid, name))
}

/// The number may be that of any pid namespace: procfs shows one, the process is in another.
pub(in crate::detect) fn is_own(context: &DetectContext<'_>, pid: u32) -> bool {
    let (header, process) = (&context.event.raw.header, &context.event.process);
    [header.tgid, header.ns_tgid, process.pid, process.host_pid].contains(&pid)
}

fn of_process(context: &DetectContext<'_>, path: &[u8]) -> Option<Finding> {
    let (pid, file) = file_of_process(path)?;
    if is_own(context, pid) {
        return None;
    }
    let process = &context.event.process;
    match file {
        b"environ" if !is_of_image(process, &ASKERS) => {
            let finding = finding(
                context,
                &credential::FOREIGN_ENVIRONMENT,
                &context.actor(),
                "read the environment of another process",
            );
            Some(finding.with("target_pid", pid))
        }
        b"mem" => Some(memory(context).with("target_pid", pid)),
        _ => None,
    }
}

/// `process_vm_readv(2)`, of a process of the own container; of others it is an escape.
pub(super) fn accessed(context: &DetectContext<'_>, access: &Ptrace) -> Option<Finding> {
    let header = &context.event.raw.header;
    let reads = access.op == PtraceOp::PROCESS_VM_READ && header.ret >= 0;
    let own = access.target_slot == header.slot && access.target_tgid != header.tgid;
    (reads && own).then(|| memory(context).with("target_host_pid", access.target_tgid))
}

fn memory(context: &DetectContext<'_>) -> Finding {
    let finding = finding(
        context,
        &credential::PROCESS_MEMORY,
        &context.actor(),
        "read the memory of another process",
    );
    if is_of_image(&context.event.process, &DEBUGGERS) {
        finding.severity(Severity::Low)
    } else {
        finding
    }
}

fn telling(context: &DetectContext<'_>, path: &[u8]) -> Option<Finding> {
    let debug = path.starts_with(b"/sys/kernel/debug/");
    if !debug && !TELLING.iter().any(|file| path.ends_with(file))
        || is_main(context.event)
        || is_of_image(&context.event.process, &OBSERVERS)
    {
        return None;
    }
    let finding = finding(
        context,
        &credential::KERNEL_LAYOUT,
        &context.actor(),
        "read what the kernel tells of itself",
    );
    Some(finding.step_of(format!(
        "kernel layout {}",
        String::from_utf8_lossy(&called(&context.event.process))
    )))
}
