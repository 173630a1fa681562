//! What a container is doing now, from procfs: its entrypoint's descendants and the sockets on which they wait.
//!
//! Processes that came by `docker exec` descend from the runtime, so they are not among them. Everything is bounded,
//! since the task that reads this has records to handle; what is missing only makes a profile stricter.

use crate::container::{Container, cgroup};
use crate::event::KernelString;
use crate::process::sockets::{Socket, SocketState, inode_of_link, sockets};
use crate::profile::{Protocol, Standing, StandingListener};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Containers that are read when one session begins: replicas of one image do the same.
pub(super) const MAX_CONTAINERS: usize = 16;
/// Processes of one container.
const MAX_PROCESSES: usize = 512;
/// Threads of one container: each may have children.
const MAX_THREADS: usize = 4096;
/// Descriptors of one process. Listeners are opened before the connections that they accept.
const MAX_DESCRIPTORS: usize = 4096;
/// Bytes of a table of sockets; the kernel lists listeners first.
const MAX_TABLE: u64 = 1 << 20;

/// What `container` is doing; nothing when its first process is not known, or is not its own any more.
pub(super) fn of(container: &Container) -> Standing {
    let init = container.known().map_or(0, |known| known.pid);
    if init == 0 || !is_of(container, init) {
        return Standing::default();
    }
    of_tree(init)
}

/// Process ids are used again.
fn is_of(container: &Container, pid: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    cgroup::of_process(&text).is_some_and(|identity| identity.id == container.id)
}

fn of_tree(init: u32) -> Standing {
    let waiting = waiting_sockets(init);
    let mut standing = Standing::default();
    for pid in tree(init) {
        let Some(exe) = executable(pid) else { continue };
        for (proto, socket) in held(pid, &waiting) {
            let listener = StandingListener {
                proto,
                address: socket.local,
                port: socket.port,
                exe: exe.clone(),
            };
            if !standing.listeners.contains(&listener) {
                standing.listeners.push(listener);
            }
        }
        if !standing.programs.contains(&exe) {
            standing.programs.push(exe);
        }
    }
    standing
}

/// A process and its descendants.
fn tree(init: u32) -> Vec<u32> {
    let mut pids = vec![init];
    let mut next = 0;
    let mut threads = 0;
    while let Some(pid) = pids.get(next).copied() {
        next += 1;
        for thread in numbers(&PathBuf::from(format!("/proc/{pid}/task"))) {
            threads += 1;
            if threads > MAX_THREADS {
                return pids;
            }
            let children = std::fs::read_to_string(thread.join("children")).unwrap_or_default();
            let children = children
                .split_ascii_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok());
            pids.extend(children.take(MAX_PROCESSES.saturating_sub(pids.len())));
        }
    }
    pids
}

fn executable(pid: u32) -> Option<KernelString> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let path = path.as_os_str().as_bytes();
    Some(path.strip_suffix(b" (deleted)").unwrap_or(path).into())
}

/// Sockets of the network namespace that wait for others, by inode.
fn waiting_sockets(init: u32) -> HashMap<u64, (Protocol, Socket)> {
    const TABLES: [(&str, Protocol, SocketState); 4] = [
        ("tcp", Protocol::Tcp, SocketState::Listens),
        ("tcp6", Protocol::Tcp, SocketState::Listens),
        ("udp", Protocol::Udp, SocketState::Unconnected),
        ("udp6", Protocol::Udp, SocketState::Unconnected),
    ];
    let mut waiting = HashMap::new();
    for (table, proto, state) in TABLES {
        let text = text_of(&format!("/proc/{init}/net/{table}"));
        let sockets = sockets(&text).filter(|socket| socket.state == state && socket.port != 0);
        waiting.extend(sockets.map(|socket| (socket.inode, (proto, socket))));
    }
    waiting
}

fn text_of(path: &str) -> String {
    let mut text = String::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error stays.
        let _cut = file.take(MAX_TABLE).read_to_string(&mut text);
    }
    text
}

fn held(
    pid: u32,
    waiting: &HashMap<u64, (Protocol, Socket)>,
) -> impl Iterator<Item = (Protocol, Socket)> + '_ {
    let descriptors = numbers(&PathBuf::from(format!("/proc/{pid}/fd")));
    descriptors.take(MAX_DESCRIPTORS).filter_map(|descriptor| {
        let link = std::fs::read_link(descriptor).ok()?;
        let inode = inode_of_link(link.as_os_str().as_bytes())?;
        waiting.get(&inode).copied()
    })
}

fn numbers(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(Result::ok).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{ContainerMetadata, Metadata};
    use crate::event::{BootTime, ContainerId, SlotKey};
    use std::net::TcpListener;
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    #[test]
    fn a_process_is_found_with_its_listeners_and_children() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let standing = of_tree(std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        let own = KernelString::from(std::env::current_exe().unwrap().as_os_str().as_bytes());
        let expected = StandingListener {
            proto: Protocol::Tcp,
            address: [127, 0, 0, 1].into(),
            port,
            exe: own.clone(),
        };
        assert!(standing.listeners.contains(&expected), "{standing:?}");
        assert!(standing.programs.contains(&own), "{standing:?}");
        let of_others = standing.programs.iter().filter(|exe| **exe != own);
        assert!(of_others.count() > 0, "{standing:?}");
    }

    #[test]
    fn a_process_of_another_container_is_not_taken_for_this_one() {
        let metadata = ContainerMetadata {
            pid: std::process::id(),
            ..ContainerMetadata::default()
        };
        let container = Container {
            key: SlotKey {
                slot: 1,
                generation: 1,
            },
            id: ContainerId::from("a".repeat(64).as_str()),
            cgroup: String::new(),
            first_seen: BootTime(0),
            metadata: Metadata::Resolved(Arc::new(metadata)),
        };
        assert_eq!(of(&container), Standing::default());
    }
}
