//! Whoever does one thing so often that nobody can look at it any more.

use super::finding;
use crate::detect::described::executes;
use crate::detect::program::builds;
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding};
use crate::event::{Exec, RecordFlags};
use agent_common::behaviour::Burst;

/// A program was executed, which the kernel calls one of very many.
pub(super) fn executed(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let burst = context.event.raw.header.flags.has(RecordFlags::BURST);
    if !burst || builds(context.event) || executes(context, exec.script().as_ref()) == Some(true) {
        return None;
    }
    let Burst { size, within, .. } = Burst::EXECUTIONS;
    let did = format!("was executed {size} times within {within} s");
    Some(finding(context, &tampering::EVENT_FLOOD, &context.actor(), &did).with("executions", size))
}
