//! System calls that tell by themselves: clocks, rings that the kernel serves, capabilities.

use super::finding;
use crate::detect::program::is_of_image;
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding};
use crate::event::{Call, CallName, Credentials, CredentialsOp};

/// `IORING_SETUP_SQPOLL`.
const SQPOLL: u64 = 2;
const TIMEKEEPERS: [&str; 9] = [
    "chronyd",
    "ntpd",
    "openntpd",
    "ntpdate",
    "systemd-timesyncd",
    "ptp4l",
    "phc2sys",
    "timemaster",
    "sntp",
];
/// Programs that change what they may do, mostly to less.
const DROPPERS: [&str; 11] = [
    "setpriv",
    "setcap",
    "capsh",
    "su-exec",
    "gosu",
    "systemd",
    "runuser",
    "s6-setuidgid",
    "chpst",
    "sudo",
    "su",
];

pub(super) fn inspect(context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
    let actor = context.actor();
    match call.call {
        CallName::CLOCK_SETTIME | CallName::SETTIMEOFDAY | CallName::ADJTIMEX | CallName::CLOCK_ADJTIME
            if !is_of_image(&context.event.process, &TIMEKEEPERS) =>
        {
            Some(finding(
                context,
                &tampering::CLOCK,
                &actor,
                "set, or tried to set, the clock of the host",
            ))
        }
        CallName::IO_URING_SETUP if call.args[1] & SQPOLL != 0 => {
            let did = "made a ring that a thread of the kernel serves: what it asks for is done by nobody";
            Some(finding(context, &tampering::RING_SERVED_BY_KERNEL, &actor, did))
        }
        _ => None,
    }
}

/// Capabilities that were not there before.
pub(super) fn credentials(context: &DetectContext<'_>, change: &Credentials) -> Option<Finding> {
    let by_call = matches!(change.op, CredentialsOp::CAPSET | CredentialsOp::AMBIENT);
    let gained = change.after & !change.before != 0;
    if !by_call || !gained || is_of_image(&context.event.process, &DROPPERS) {
        return None;
    }
    let did = "gave itself, or what it executes, capabilities";
    Some(finding(
        context,
        &tampering::CAPABILITY_GAIN,
        &context.actor(),
        did,
    ))
}
