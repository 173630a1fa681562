//! Clients of runtimes and clusters.

use crate::detect::program::called;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::Exec;

const CLIENTS: [&str; 12] = [
    "kubectl",
    "docker",
    "crictl",
    "ctr",
    "nerdctl",
    "podman",
    "helm",
    "kubeadm",
    "oc",
    "k9s",
    "etcdctl",
    "calicoctl",
];
/// Whose work it is to have containers started.
const RUNTIME_ROLE: &str = "runtime";

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if context.role.is_some_and(|role| role.name() == RUNTIME_ROLE) {
        return None;
    }
    let names = names(context, exec);
    let client = CLIENTS.iter().find(|client| is_among(&names, client))?;
    let summary = format!(
        "{} in {} is a client of runtimes or clusters: {client}",
        context.actor(),
        context.container_name()
    );
    Some(Finding::new(&lateral::CONTROL_CLIENT, *client, summary))
}

/// What was executed is called: by its file, by the name that was asked for, and by its own word.
pub(super) fn names(context: &DetectContext<'_>, exec: &Exec) -> Vec<Vec<u8>> {
    let own_word = exec.arguments().next();
    let own_word = own_word.map(|name| name.file_name().to_vec());
    [called(&context.event.process), exec.filename.file_name().to_vec()]
        .into_iter()
        .chain(own_word)
        .collect()
}

pub(super) fn is_among(names: &[Vec<u8>], name: &str) -> bool {
    names.iter().any(|known| known == name.as_bytes())
}
