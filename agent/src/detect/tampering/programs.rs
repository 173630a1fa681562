//! Programs that tamper with something by what they are.

use super::finding;
use crate::detect::program::{called, inner_ancestors, is_of_image};
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding, described};
use crate::event::{Exec, KernelString, RecordFlags};

const WIPERS: [&[u8]; 7] = [b"shred", b"wipe", b"srm", b"sfill", b"sswap", b"scrub", b"bcwipe"];
const CHANGERS_OF_USER: [&[u8]; 6] = [b"su", b"sudo", b"sudoedit", b"doas", b"pkexec", b"runuser"];
const FIREWALLS: [&[u8]; 9] = [
    b"iptables",
    b"ip6tables",
    b"xtables-nft-multi",
    b"xtables-legacy-multi",
    b"nft",
    b"ebtables",
    b"arptables",
    b"ipset",
    b"ipvsadm",
];
/// Programs whose work the network of containers is.
const NETWORKERS: [&str; 16] = [
    "dockerd",
    "containerd",
    "kube-proxy",
    "calico-node",
    "flanneld",
    "cilium-agent",
    "cilium-cni",
    "pilot-agent",
    "istio-iptables",
    "linkerd2-proxy-init",
    "tailscaled",
    "wg-quick",
    "openvpn",
    "keepalived",
    "netbird",
    "podman",
];
/// Verbs of `ip` and `tc`.
const CHANGES: [&[u8]; 12] = [
    b"add", b"a", b"del", b"d", b"delete", b"change", b"chg", b"replace", b"repl", b"set", b"s", b"flush",
];

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if context.event.raw.header.flags.has(RecordFlags::DENIED) {
        return None;
    }
    odd_name(context, exec).or_else(|| by_program(context, exec))
}

/// What the profile has the image execute is its work.
fn by_program(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if described::executes(context, exec.script().as_ref()) == Some(true) {
        return None;
    }
    let (name, actor) = (called(&context.event.process), context.actor());
    let name = name.as_slice();
    let arguments: Vec<KernelString> = exec.arguments().skip(1).collect();
    if WIPERS.contains(&name) {
        return Some(finding(
            context,
            &tampering::WIPING_TOOL,
            &actor,
            "overwrites files so that nobody can read them",
        ));
    }
    if CHANGERS_OF_USER.contains(&name) {
        // Who tries one way to become somebody else tries the next.
        let found = finding(
            context,
            &tampering::CHANGE_OF_USER,
            &actor,
            "acts as another user",
        );
        return Some(found.step_of("change of user"));
    }
    let networker = inner_ancestors(context.event).any(|above| is_of_image(above, &NETWORKERS));
    if changes_network(name, &arguments) && !networker {
        return Some(finding(
            context,
            &tampering::NETWORK_CONFIGURATION,
            &actor,
            "changes routes, addresses or filters",
        ));
    }
    None
}

fn changes_network(name: &[u8], arguments: &[KernelString]) -> bool {
    let has = |words: &[&[u8]]| {
        arguments
            .iter()
            .any(|argument| words.contains(&argument.bytes.as_slice()))
    };
    match name {
        b"ip" | b"tc" => has(&CHANGES),
        b"route" => has(&[b"add", b"del"]),
        b"ifconfig" => arguments.len() > 1,
        b"brctl" => has(&[b"addbr", b"delbr", b"addif", b"delif"]),
        name if FIREWALLS.contains(&name) => {
            let lists = has(&[
                b"-L",
                b"-S",
                b"--list",
                b"--list-rules",
                b"-V",
                b"--version",
                b"list",
                b"-nL",
                b"-vnL",
                b"-C",
                b"--check",
            ]);
            !arguments.is_empty() && !lists
        }
        _ => false,
    }
}

/// What was executed cannot be told, or is written so that a terminal shows something else.
fn odd_name(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let name = exec.path.file_name();
    let odd = name.iter().any(u8::is_ascii_control) || std::str::from_utf8(name).is_err();
    (odd || exec.path.truncated).then(|| {
        let did = "was executed: its name is too long to be told, or made to be misread";
        finding(context, &tampering::ODD_NAME, &context.actor(), did)
    })
}
