//! Who looks for secrets by their names or their text.

use crate::detect::program::{builds, called};
use crate::detect::rules::credential;
use crate::detect::{DetectContext, Finding};
use crate::event::{Exec, KernelString};

const FINDERS: [&[u8]; 8] = [
    b"find", b"fd", b"fdfind", b"locate", b"mlocate", b"plocate", b"tree", b"bfs",
];
const GREPS: [&[u8]; 10] = [
    b"grep",
    b"egrep",
    b"fgrep",
    b"zgrep",
    b"rg",
    b"ag",
    b"ack",
    b"ugrep",
    b"strings",
    b"git-grep",
];
/// In names that are looked for.
const NAMES: [&str; 19] = [
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    ".ssh",
    "credential",
    ".pgpass",
    ".netrc",
    ".kdbx",
    ".ppk",
    ".ovpn",
    ".htpasswd",
    ".aws",
    ".kube",
    "kubeconfig",
    ".git-cred",
    "_history",
    "shadow",
    ".vault-token",
];
/// In text that is looked for.
const TEXTS: [&str; 9] = [
    "private key",
    "begin rsa",
    "begin openssh",
    "begin ec ",
    "openssh private",
    "akia",
    "aws_secret",
    "aws_access_key",
    "xoxb-",
];
/// The same in a whole tree only: configuration is asked for single words all the time.
const WORDS: [&str; 5] = ["passw", "secret", "api_key", "apikey", "token"];

/// Of a program that was executed.
pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let name = called(&context.event.process);
    let arguments: Vec<String> = exec
        .arguments()
        .skip(1)
        .map(|argument| lower(&argument))
        .collect();
    let has = |words: &[&str]| {
        arguments
            .iter()
            .any(|argument| words.iter().any(|word| argument.contains(word)))
    };
    let found = if FINDERS.contains(&name.as_slice()) {
        has(&NAMES)
    } else if GREPS.contains(&name.as_slice()) {
        has(&TEXTS) || is_recursive(&name, &arguments) && has(&WORDS)
    } else {
        false
    };
    if !found || builds(context.event) {
        return None;
    }
    let summary = format!(
        "{} in {} looks for secrets: {}",
        context.actor(),
        context.container_name(),
        arguments.join(" ")
    );
    let finding = Finding::new(&credential::SECRET_SEARCH, context.actor(), summary);
    Some(finding.step_of(super::deed(context)))
}

fn is_recursive(name: &[u8], arguments: &[String]) -> bool {
    let asks = |argument: &String| {
        argument == "--recursive"
            || argument.starts_with('-') && !argument.starts_with("--") && argument.contains('r')
    };
    matches!(name, b"rg" | b"ag" | b"ack" | b"ugrep") || arguments.iter().any(asks)
}

fn lower(argument: &KernelString) -> String {
    argument.to_text().to_lowercase()
}
