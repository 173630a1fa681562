//! Programs that pass connections on.

use super::clients::{is_among, names};
use crate::detect::program::{is_shell, name};
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{Exec, KernelString};
use bstr::ByteSlice;

/// They do nothing else.
const RELAYS: [&str; 14] = [
    "chisel",
    "gost",
    "frpc",
    "frps",
    "ngrok",
    "rinetd",
    "redir",
    "ligolo",
    "ligolo-ng",
    "ligolo-agent",
    "iox",
    "pwncat",
    "pwncat-cs",
    "cryptcat",
];
const NETCATS: [&str; 5] = ["nc", "ncat", "netcat", "nc.traditional", "nc.openbsd"];
/// Addresses of socat that are a socket.
const SOCKETS: [&str; 10] = [
    "TCP", "UDP", "SCTP", "DCCP", "OPENSSL", "SSL", "SOCKS", "PROXY", "UNIX", "VSOCK",
];

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let names = names(context, exec);
    let is = |known: &[&str]| known.iter().any(|name| is_among(&names, name));
    let arguments: Vec<KernelString> = exec.arguments().skip(1).collect();
    let relays = is(&RELAYS) && !is_question(&arguments)
        || is_among(&names, "socat") && joins_sockets(&arguments)
        || is(&NETCATS) && executes(&arguments);
    if is_among(&names, "socat") && gives_a_shell(&arguments) {
        return Some(shell(context));
    }
    relays.then(|| relayed(context))
}

/// Terminal or pair of sockets: what the shell itself reads leads to nobody any more.
fn shell(context: &DetectContext<'_>) -> Finding {
    let summary = format!(
        "Reverse shell: {} in {} gives a shell to whom it connects to: {}",
        context.actor(),
        context.container_name(),
        words(&context.event.process.args)
    );
    Finding::new(&lateral::REVERSE_SHELL, context.actor(), summary)
}

/// Of the acting program.
pub(super) fn relayed(context: &DetectContext<'_>) -> Finding {
    let summary = format!(
        "{} in {} passes connections on: {}",
        context.actor(),
        context.container_name(),
        words(&context.event.process.args)
    );
    Finding::new(&lateral::RELAY_TOOL, context.actor(), summary)
}

fn words(arguments: &KernelString) -> String {
    let words: Vec<String> = arguments.arguments().map(|argument| argument.to_text()).collect();
    words.join(" ")
}

/// Only asked what it is.
fn is_question(arguments: &[KernelString]) -> bool {
    let question = |argument: &KernelString| {
        matches!(
            argument.bytes.as_slice(),
            b"-h" | b"--help" | b"help" | b"-v" | b"-V" | b"--version" | b"version"
        )
    };
    !arguments.is_empty() && arguments.iter().all(question)
}

/// The last two arguments are the two ends: one that waits for connections, and another socket.
fn joins_sockets(arguments: &[KernelString]) -> bool {
    let [.., first, second] = arguments else {
        return false;
    };
    let ends = [kind(first), kind(second)];
    ends.iter().any(|kind| waits(kind)) && ends.iter().all(|kind| is_socket(kind))
}

/// One end is a socket that connects to somebody else, the other a shell, or what a shell is told.
fn gives_a_shell(arguments: &[KernelString]) -> bool {
    let [.., first, second] = arguments else {
        return false;
    };
    let connects = |end: &KernelString| {
        let kind = kind(end);
        is_socket(&kind) && !waits(&kind) && !leads_home(end)
    };
    (connects(first) && is_command(second)) || (connects(second) && is_command(first))
}

fn leads_home(address: &KernelString) -> bool {
    let bytes: &[u8] = &address.bytes;
    let unix = kind(address).starts_with("UNIX") || kind(address).starts_with("ABSTRACT");
    let own = [&b":localhost:"[..], b":127.", b":[::1]:"];
    unix || own.iter().any(|host| bytes.contains_str(host))
}

/// `EXEC:'bash -li',pty`, `SYSTEM:id`.
fn is_command(address: &KernelString) -> bool {
    match kind(address).as_str() {
        "SYSTEM" | "SHELL" => true,
        "EXEC" => {
            let command = address.bytes.splitn_str(2, ":").nth(1).unwrap_or_default();
            let end = command.iter().position(|byte| b" ,".contains(byte));
            is_shell(name(&command[..end.unwrap_or(command.len())]))
        }
        _ => false,
    }
}

/// What stands before the first colon or comma, in capitals.
fn kind(address: &KernelString) -> String {
    let text = address.to_text().to_uppercase();
    text.split([':', ',']).next().unwrap_or_default().to_owned()
}

fn is_socket(kind: &str) -> bool {
    SOCKETS.iter().any(|socket| kind.starts_with(socket)) || kind.starts_with("ABSTRACT")
}

fn waits(kind: &str) -> bool {
    kind.ends_with("-LISTEN") || kind.ends_with("-L") || kind.contains("-RECV")
}

/// netcat that executes a program for its peer.
fn executes(arguments: &[KernelString]) -> bool {
    arguments.iter().any(|argument| {
        let option: &[u8] = &argument.bytes;
        match option {
            [b'-', b'-', name @ ..] => {
                name.starts_with(b"exec") || name.starts_with(b"sh-exec") || name.starts_with(b"lua-exec")
            }
            [b'-', letters @ ..] => has_letter(letters, b"ec"),
            _ => false,
        }
    })
}

/// Options in one word: what follows one that has a value is its value.
fn has_letter(letters: &[u8], wanted: &[u8]) -> bool {
    const WITH_VALUE: &[u8] = b"iwpsqxXPTVIOMmGgo";
    let own = letters
        .iter()
        .position(|letter| WITH_VALUE.contains(letter))
        .unwrap_or(letters.len());
    letters[..own].iter().any(|letter| wanted.contains(letter))
}
