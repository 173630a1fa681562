//! Other processes: what is written into them, and signals beyond the container.

use super::finding;
use crate::detect::credential::{DEBUGGERS, file_of_process, is_own};
use crate::detect::program::is_of_image;
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{FileOpen, Ptrace, Signal};
use agent_common::event::PtraceOp;
use agent_common::magic;

/// `/proc/PID/mem` of another process, for writing.
pub(super) fn opened(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    if open.file.magic != magic::PROC || !open.writes() || context.event.raw.header.ret < 0 {
        return None;
    }
    let (pid, file) = file_of_process(&open.path.bytes)?;
    (file == b"mem" && !is_own(context, pid)).then(|| injected(context).with("target_pid", pid))
}

/// `process_vm_writev(2)` within the container; beyond it, it is an escape.
pub(super) fn accessed(context: &DetectContext<'_>, access: &Ptrace) -> Option<Finding> {
    let header = &context.event.raw.header;
    let writes = access.op == PtraceOp::PROCESS_VM_WRITE && header.ret >= 0;
    let own = access.target_slot == header.slot && access.target_tgid != header.tgid;
    (writes && own).then(|| injected(context).with("target_host_pid", access.target_tgid))
}

fn injected(context: &DetectContext<'_>) -> Finding {
    let actor = context.actor();
    let finding = finding(
        context,
        &tampering::PROCESS_INJECTION,
        &actor,
        "wrote into the memory of another process",
    );
    if is_of_image(&context.event.process, &DEBUGGERS) {
        finding.severity(Severity::Low)
    } else {
        finding
    }
}

/// A signal to a process of the host, or of another container than those of its own pod.
pub(super) fn signalled(context: &DetectContext<'_>, signal: &Signal) -> Option<Finding> {
    let header = &context.event.raw.header;
    if signal.target_tgid == 0 || signal.target_slot == header.slot {
        return None;
    }
    let peer = context.neighbours.by_slot(signal.target_slot);
    let pod = peer.as_ref().and_then(|peer| peer.known()?.pod.as_ref());
    if pod.is_some() && pod == context.known().and_then(|own| own.pod.as_ref()) {
        return None;
    }
    let whose = match (&peer, signal.target_slot) {
        (Some(peer), _) => format!("container {}", peer.display_name()),
        (None, 0) => "the host".to_owned(),
        (None, _) => "another container".to_owned(),
    };
    let did = format!(
        "sent signal {} to process {} of {whose}",
        signal.signal, signal.target_tgid
    );
    let finding = finding(context, &tampering::FOREIGN_SIGNAL, &whose, &did);
    Some(if header.ret < 0 {
        finding.severity(Severity::Medium)
    } else {
        finding
    })
}
