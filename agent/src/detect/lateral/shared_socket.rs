//! Unix sockets that two containers share: a channel that no network sees.

use super::contact::{are_related, is_same};
use crate::container::MountPoint;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{RecordFlags, UnixConnect};

/// Sockets that lead to a runtime are escapes' business, those for logs everybody's.
const KNOWN: [&[u8]; 9] = [
    b"docker.sock",
    b"containerd.sock",
    b"containerd.sock.ttrpc",
    b"crio.sock",
    b"podman.sock",
    b"dockershim.sock",
    b"cri-dockerd.sock",
    b"buildkitd.sock",
    b"kubelet.sock",
];
const LOGS: [&[u8]; 2] = [b"/dev/log", b"/run/systemd/journal/"];
/// Where the kubelet keeps the volumes of one pod.
const POD_VOLUMES: &str = "/volumes/kubernetes.io~";

pub(super) fn inspect(context: &DetectContext<'_>, connect: &UnixConnect) -> Option<Finding> {
    let path: &[u8] = &connect.path.bytes;
    let chrooted = context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    if chrooted || !path.starts_with(b"/") || is_known(path) {
        return None;
    }
    let whose = server(context, connect)?;
    let success = context.event.raw.header.ret >= 0;
    let summary = format!(
        "{} in {} {} {} of {whose}",
        context.actor(),
        context.container_name(),
        if success {
            "connected to"
        } else {
            "tried to connect to"
        },
        connect.path
    );
    Some(Finding::new(
        &lateral::SHARED_SOCKET,
        connect.path.to_text(),
        summary,
    ))
}

fn is_known(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    KNOWN.contains(&name) || LOGS.iter().any(|log| path.starts_with(log))
}

/// Who serves it, in words. `None`: the container itself, its relatives, or the host.
fn server(context: &DetectContext<'_>, connect: &UnixConnect) -> Option<String> {
    if connect.peer_slot == context.event.raw.header.slot {
        return None;
    }
    if connect.peer_slot == 0 {
        // The host's daemons are the operator's choice; of a refused attempt nobody is known.
        let unknown = connect.peer_tgid == 0 && is_shared(context, connect);
        return unknown.then(|| "a server that is not known, below a mount that others share".to_owned());
    }
    let own = context.known()?;
    let peer = context.neighbours.by_slot(connect.peer_slot);
    let related = peer.as_ref().is_some_and(|peer| {
        is_same(context, peer) || peer.known().is_some_and(|known| are_related(own, known))
    });
    let name = peer.as_ref().map(|peer| peer.display_name().to_owned());
    (!related).then(|| format!("container {}", name.as_deref().unwrap_or("that nobody knows")))
}

/// Below a folder of the host that the runtime mounted, other than a pod's own volume.
fn is_shared(context: &DetectContext<'_>, connect: &UnixConnect) -> bool {
    let path: &[u8] = &connect.path.bytes;
    let below = |mount: &&MountPoint| {
        let folder = mount.destination.trim_end_matches('/').as_bytes();
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    let mounts = context.known().into_iter().flat_map(|known| &known.mounts);
    mounts
        .filter(below)
        .max_by_key(|mount| mount.destination.len())
        .is_some_and(|mount| mount.bind && !mount.source.contains(POD_VOLUMES))
}
