//! System calls that few containers have a use for.

use super::{Success, finding, lacks_right};
use crate::detect::listener::Unusual;
use crate::detect::program::is_of_image;
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Rule, Severity};
use crate::event::{Call, CallName, RecordFlags, Socket};

/// `PERF_TYPE_TRACEPOINT` and `PERF_TYPE_BREAKPOINT`: the kernel's own code. Behind them come kprobes and devices.
const PERF_TRACEPOINT: u64 = 2;
const PERF_BREAKPOINT: u64 = 5;
/// `KEYCTL_DESCRIBE`, `SEARCH`, `READ`, `LINK`, `GET_PERSISTENT`.
const READING_KEYS: [u64; 5] = [6, 10, 11, 8, 22];
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
/// What copies a file moves more at once, but for its end.
const FEW: u64 = 64;
const KEEPERS: [&str; 9] = [
    "request-key",
    "key.dns_resolver",
    "nfsidmap",
    "rpc.gssd",
    "cifs.upcall",
    "kinit",
    "sssd",
    "systemd",
    "e4crypt",
];
const FAULT_HANDLERS: [&str; 4] = ["criu", "qemu-system-x86_64", "qemu-system-aarch64", "qemu-kvm"];

/// UNIX, IPv4, IPv6, netlink; raw and packet sockets are the listener class's.
const ORDINARY_FAMILIES: [u16; 5] = [1, 2, 10, 16, 17];

pub(super) fn inspect(context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
    let (rule, did) = rule(context, call)?;
    let finding = finding(context, rule, &context.actor(), &did);
    let refused = lacks_right(context.event);
    // It is a try then and no more; but for terminals the error is another's.
    Some(match finding.severity {
        _ if rule == &escape::TERMINAL_INJECTION => finding,
        severity if refused && severity > Severity::Medium => finding.severity(Severity::Medium),
        Severity::Medium if refused => finding.severity(Severity::Low),
        _ => finding,
    })
}

fn rule(context: &DetectContext<'_>, call: &Call) -> Option<(&'static Rule, String)> {
    let process = &context.event.process;
    let tried = |what: &str| Success::of(context.event).words("", "tried to call ").to_owned() + what;
    let said = |rule, what: &str| Some((rule, format!("called, or tried to call, {what}")));
    match call.call {
        CallName::PERF_EVENT_OPEN if watches_all(call) => said(
            &escape::PERF_EVENT,
            "perf_event_open for the whole machine or the kernel",
        ),
        CallName::USERFAULTFD if !is_of_image(process, &FAULT_HANDLERS) => {
            said(&escape::USERFAULTFD, "userfaultfd")
        }
        CallName::KEYCTL if READING_KEYS.contains(&call.args[0]) && !is_of_image(process, &KEEPERS) => {
            Some((
                &escape::KEYRING,
                "listed, searched or read keys of the kernel".to_owned(),
            ))
        }
        CallName::ADD_KEY | CallName::REQUEST_KEY if !is_of_image(process, &KEEPERS) => Some((
            &escape::KEYRING,
            "added or requested a key of the kernel".to_owned(),
        )),
        CallName::OPEN_BY_HANDLE_AT => Some((
            &escape::OPENED_BY_HANDLE,
            Success::of(context.event)
                .words("opened", "tried to open")
                .to_owned()
                + " a file by a handle, without a name",
        )),
        CallName::IOPL | CallName::IOPERM => said(&escape::IO_PORTS, call.call.name()),
        CallName::KEXEC_LOAD | CallName::KEXEC_FILE_LOAD | CallName::SWAPON | CallName::ACCT => {
            said(&escape::KERNEL_CONTROL, call.call.name())
        }
        CallName::REBOOT if !is_init(context) => said(&escape::KERNEL_CONTROL, "reboot"),
        CallName::IOCTL if matches!(call.args[1], TIOCSTI | TIOCLINUX) => Some((
            &escape::TERMINAL_INJECTION,
            tried("an ioctl that types into a terminal"),
        )),
        CallName::SPLICE if call.args[2] <= FEW => Some((
            &escape::PIPE_SPLICE,
            format!(
                "put {} bytes of {} into a pipe without copying them",
                call.args[2], call.text
            ),
        )),
        CallName::USERMODEHELPER if !is_of_system(&call.text.bytes) => Some((
            &escape::HELPER_STARTED,
            format!("made the kernel start {} as root on the host", call.text),
        )),
        _ => None,
    }
}

/// Another process is everybody (-1), or the event is the kernel's.
fn watches_all(call: &Call) -> bool {
    let [kind, pid, ..] = call.args;
    let everybody = pid & 0xffff_ffff == 0xffff_ffff;
    everybody || kind == PERF_TRACEPOINT || kind > PERF_BREAKPOINT
}

/// The first process of its namespace ends it so.
fn is_init(context: &DetectContext<'_>) -> bool {
    context.event.raw.header.ns_tgid == 1
}

/// Helpers that distributions configure.
fn is_of_system(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 5] = [b"/sbin/", b"/bin/", b"/usr/", b"/lib/", b"/lib64/"];
    path.is_empty() || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Families of sockets that applications do not use.
pub(super) fn socket(context: &DetectContext<'_>, socket: &Socket) -> Option<Finding> {
    // What is done with a socket later is not that it is asked for.
    let used = context.event.raw.header.flags.0 & (RecordFlags::BINDS | RecordFlags::CONNECTS) != 0;
    let between_machines = Unusual::of(socket) == Some(Unusual::Vsock);
    if used
        || ORDINARY_FAMILIES.contains(&socket.family)
        || between_machines && Unusual::Vsock.is_expected(context)
    {
        return None;
    }
    let family = socket.family.to_string();
    let did = format!("asked for a socket of the unusual family {family}");
    // A list of families that is tried is one deed.
    Some(
        finding(context, &escape::UNUSUAL_SOCKET, &family, &did)
            .step_of(format!("sockets {}", context.actor())),
    )
}
