//! Access to other processes, namespaces and the kernel itself.

use super::{Success, lacks_right};
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{Bpf, FileOpen, Module, ModuleOp, Namespaces, Ptrace, PtraceOp, RecordFlags, Setns};
use agent_common::magic;

/// `BPF_PROG_GET_NEXT_ID`, `BPF_MAP_GET_NEXT_ID`, `BPF_PROG_GET_FD_BY_ID`, `BPF_MAP_GET_FD_BY_ID`, and of BTF and links.
const TAKING: [u32; 8] = [11, 12, 13, 14, 19, 23, 30, 31];
/// `PTRACE_MODE_ATTACH`: without it a check is only for reading what `ps` shows.
const MODE_ATTACH: u32 = 2;
const PTRACE_TRACEME: u32 = 0;

pub(super) fn ptrace(context: &DetectContext<'_>, ptrace: &Ptrace) -> Option<Finding> {
    if is_harmless(ptrace) && was_kept(context) {
        return Some(kept_from_entering(context));
    }
    let own = context.event.raw.header.slot;
    if ptrace.target_tgid == 0 || ptrace.target_slot == own || is_harmless(ptrace) {
        return None;
    }
    let peer = context.neighbours.by_slot(ptrace.target_slot);
    let pod = |container: &crate::container::Container| container.known().and_then(|known| known.pod.clone());
    let same_pod = peer
        .as_ref()
        .and_then(|peer| pod(peer))
        .is_some_and(|peer| context.event.container.as_ref().and_then(|own| pod(own)) == Some(peer));
    let whose = match (&peer, ptrace.target_slot) {
        (Some(peer), _) => format!("container {}", peer.display_name()),
        (None, 0) => "the host".to_owned(),
        (None, _) => "another container".to_owned(),
    };
    let summary = format!(
        "{} in {} {} process {} of {whose}",
        context.actor(),
        context.container_name(),
        Success::of(context.event).words("accessed", "tried to access"),
        ptrace.target_tgid
    );
    let severity = if same_pod {
        Severity::Medium
    } else {
        Severity::Critical
    };
    Some(Finding::new(&escape::FOREIGN_PROCESS, whose, summary).severity(severity))
}

fn is_harmless(ptrace: &Ptrace) -> bool {
    match ptrace.op {
        PtraceOp::ACCESS_CHECK => ptrace.request & MODE_ATTACH == 0,
        PtraceOp::PTRACE => ptrace.request == PTRACE_TRACEME,
        _ => false,
    }
}

/// Opens of the host's namespaces are told where they are denied; elsewhere it is entering one that matters.
pub(super) fn namespace(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    (was_kept(context) && open.file.magic == magic::NAMESPACE).then(|| kept_from_entering(context))
}

/// By an error, or by the end of the process.
fn was_kept(context: &DetectContext<'_>) -> bool {
    let flags = context.event.raw.header.flags;
    flags.has(RecordFlags::DENIED) || flags.has(RecordFlags::KILLED)
}

/// One alert, however many namespaces it tries.
fn kept_from_entering(context: &DetectContext<'_>) -> Finding {
    let summary = format!(
        "{} in {} was kept from entering a namespace of the host",
        context.actor(),
        context.container_name()
    );
    Finding::new(&escape::HOST_NAMESPACE, "host", summary)
}

pub(super) fn setns(context: &DetectContext<'_>, setns: &Setns) -> Option<Finding> {
    let gained: Vec<&str> = (0_u32..)
        .zip(Namespaces::NAMES)
        .filter(|(bit, _)| setns.gained_mask & (1 << bit) != 0)
        .map(|(_, name)| name)
        .collect();
    if gained.is_empty() {
        return None;
    }
    let summary = format!(
        "{} in {} entered the host's namespaces: {}",
        context.actor(),
        context.container_name(),
        gained.join(", ")
    );
    // nsenter enters one after the other: one alert for all of them.
    Some(Finding::new(&escape::HOST_NAMESPACE, "host", summary).with("gained", gained))
}

pub(super) fn module(context: &DetectContext<'_>, module: &Module) -> Option<Finding> {
    let success = Success::of(context.event);
    let said = format!("{} in {}", context.actor(), context.container_name());
    if module.op == ModuleOp::REQUEST {
        if is_ordinary(&module.path.bytes) {
            return None;
        }
        let summary = format!("{said} made the kernel look for the module {}", module.path);
        return Some(Finding::new(
            &escape::MODULE_REQUEST,
            module.path.to_text(),
            summary,
        ));
    }
    let (done, tried) = match module.op {
        ModuleOp::INIT | ModuleOp::FINIT => ("loaded", "tried to load"),
        ModuleOp::DELETE => ("removed", "tried to remove"),
        _ => return None,
    };
    // Without the right to it, it is a try; else only the module was no good.
    let severity = if lacks_right(context.event) && success == Success::Failed {
        Severity::High
    } else {
        Severity::Critical
    };
    let summary = format!(
        "{said} {} the kernel module {}",
        success.words(done, tried),
        module.path
    );
    Some(Finding::new(&escape::MODULE_LOAD, module.path.to_text(), summary).severity(severity))
}

/// What ordinary work asks for: common protocol families (UNIX, IPv4, IPv6, netlink, packet), firewalls' tables, formats of
/// executables, ciphers, congestion control.
fn is_ordinary(name: &[u8]) -> bool {
    const FAMILIES: [&str; 5] = ["1", "2", "10", "16", "17"];
    const PREFIXES: [&str; 10] = [
        "iptable",
        "ip_tables",
        "ip6",
        "ipt_",
        "xt_",
        "nf",
        "binfmt-",
        "crypto-",
        "tcp_",
        "netdev-",
    ];
    if let Some(family) = name.strip_prefix(b"net-pf-") {
        let number = family.split(|byte| *byte == b'-').next().unwrap_or_default();
        return FAMILIES.iter().any(|known| known.as_bytes() == number);
    }
    PREFIXES.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}

pub(super) fn bpf(context: &DetectContext<'_>, bpf: &Bpf) -> Option<Finding> {
    let command = command(bpf.cmd)?;
    let success = Success::of(context.event);
    let severity = match success {
        Success::Failed => Severity::Medium,
        // Objects of others, by their numbers.
        Success::Done | Success::Denied if TAKING.contains(&bpf.cmd) => Severity::Critical,
        Success::Done | Success::Denied => Severity::High,
    };
    let summary = format!(
        "{} in {} {} bpf({command})",
        context.actor(),
        context.container_name(),
        success.words("called", "tried")
    );
    // A loader makes maps, programs and links in a row: one alert for the executable.
    Some(
        Finding::new(&escape::BPF, context.actor(), summary)
            .severity(severity)
            .with("command", command),
    )
}

/// Commands that create, fetch or attach; reading and writing a map that one already has is no news.
fn command(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "BPF_MAP_CREATE",
        5 => "BPF_PROG_LOAD",
        7 => "BPF_OBJ_GET",
        8 => "BPF_PROG_ATTACH",
        9 => "BPF_PROG_DETACH",
        11 => "BPF_PROG_GET_NEXT_ID",
        12 => "BPF_MAP_GET_NEXT_ID",
        13 => "BPF_PROG_GET_FD_BY_ID",
        14 => "BPF_MAP_GET_FD_BY_ID",
        17 => "BPF_RAW_TRACEPOINT_OPEN",
        18 => "BPF_BTF_LOAD",
        19 => "BPF_BTF_GET_FD_BY_ID",
        23 => "BPF_BTF_GET_NEXT_ID",
        28 => "BPF_LINK_CREATE",
        30 => "BPF_LINK_GET_FD_BY_ID",
        31 => "BPF_LINK_GET_NEXT_ID",
        _ => return None,
    })
}
