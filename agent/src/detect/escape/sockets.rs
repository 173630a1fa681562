//! Use of a container runtime's API.

use super::Success;
use crate::detect::program::name;
use crate::detect::rules::escape;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::UnixConnect;
use bstr::ByteSlice;

/// Names of sockets, for those that did not exist when the agent looked.
const NAMES: [(&str, &str); 9] = [
    ("docker.sock", "docker"),
    ("containerd.sock", "containerd"),
    ("containerd.sock.ttrpc", "containerd"),
    ("crio.sock", "cri-o"),
    ("podman.sock", "podman"),
    ("dockershim.sock", "docker"),
    ("cri-dockerd.sock", "docker"),
    ("buildkitd.sock", "buildkit"),
    ("kubelet.sock", "kubelet"),
];

/// Where the kubelet serves those that extend it: device plugins register, and monitoring lists pods' devices. Neither
/// starts anything.
const KUBELET_PLUGINS: [&[u8]; 2] = [
    b"/kubelet/device-plugins/kubelet.sock",
    b"/kubelet/pod-resources/kubelet.sock",
];

const ENOENT: i32 = 2;

pub(super) fn inspect(context: &DetectContext<'_>, connect: &UnixConnect) -> Option<Finding> {
    let header = &context.event.raw.header;
    let own = header.slot;
    if connect.peer_slot != 0 && connect.peer_slot == own {
        // A runtime that runs inside this container: its own business.
        return None;
    }
    let by_identity =
        context.host.runtime_sockets.iter().find(|socket| {
            socket.ino != 0 && socket.ino == connect.file.ino && socket.dev == connect.file.dev
        });
    let runtime = by_identity
        .map(|socket| socket.runtime.as_str())
        .or_else(|| by_name(&connect.path.bytes))?;
    let success = Success::of(context.event);
    let summary = format!(
        "{} in {} {} the API of {runtime} at {}",
        context.actor(),
        context.container_name(),
        success.words("connected to", "tried to connect to"),
        connect.path
    );
    let severity = match (success, by_identity) {
        (Success::Done | Success::Denied, _) => Severity::Critical,
        (Success::Failed, Some(_)) => Severity::High,
        // The container's own namespace has no such socket: a client that waits for a runtime of its own.
        (Success::Failed, None) if header.ret == -ENOENT => Severity::Info,
        // Only shims have such names.
        (Success::Failed, None) if connect.path.bytes.starts_with(b"@") => Severity::Critical,
        // The socket is there, whoever's it is.
        (Success::Failed, None) => Severity::Medium,
    };
    let identified = if by_identity.is_some() { "inode" } else { "name" };
    Some(
        Finding::new(&escape::RUNTIME_SOCKET, runtime, summary)
            .severity(severity)
            .with("identified_by", identified),
    )
}

fn by_name(path: &[u8]) -> Option<&'static str> {
    if let Some(abstract_name) = path.strip_prefix(b"@") {
        return abstract_name
            .contains_str(b"containerd-shim")
            .then_some("containerd-shim");
    }
    if KUBELET_PLUGINS.iter().any(|known| path.ends_with(known)) {
        return None;
    }
    let file = name(path);
    NAMES
        .iter()
        .find(|(known, _)| known.as_bytes() == file)
        .map(|(_, runtime)| *runtime)
}
