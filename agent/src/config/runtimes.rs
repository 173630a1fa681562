//! Runtimes that are asked by their socket: containerd and CRI-O by CRI, Podman by Docker's API.

use super::raw::{RawRuntimes, RawSocket};
use super::validate::Problem;
use std::path::{Path, PathBuf};

/// A runtime that has a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeKind {
    Containerd,
    Crio,
    Podman,
}

impl RuntimeKind {
    /// Its name in alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Podman => "podman",
        }
    }

    /// Where it listens unless it is told otherwise.
    fn usual(self) -> &'static str {
        match self {
            Self::Containerd => "/run/containerd/containerd.sock",
            Self::Crio => "/var/run/crio/crio.sock",
            Self::Podman => "/run/podman/podman.sock",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Containerd => "runtimes.containerd.socket",
            Self::Crio => "runtimes.crio.socket",
            Self::Podman => "runtimes.podman.socket",
        }
    }
}

/// Where a runtime is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSocket {
    pub kind: RuntimeKind,
    pub path: PathBuf,
    /// Somebody wrote it down: that it does not answer is worth a warning. Else it may never be there.
    pub expected: bool,
}

/// Those that are switched on.
pub(super) fn sockets(raw: &RawRuntimes) -> Result<Vec<RuntimeSocket>, Problem> {
    let all = [
        (RuntimeKind::Containerd, &raw.containerd),
        (RuntimeKind::Crio, &raw.crio),
        (RuntimeKind::Podman, &raw.podman),
    ];
    let enabled = all.into_iter().filter(|(_, raw)| raw.enabled);
    enabled.map(|(kind, raw)| socket(kind, raw)).collect()
}

fn socket(kind: RuntimeKind, raw: &RawSocket) -> Result<RuntimeSocket, Problem> {
    let written = raw.socket.as_deref();
    let path = written.map_or(kind.usual(), |text| text.strip_prefix("unix://").unwrap_or(text));
    if !Path::new(path).is_absolute() {
        let reason = format!("`{}` is no socket", written.unwrap_or_default());
        return Err(Problem::new(
            kind.key(),
            reason,
            "write an absolute path or unix:///path; or switch the runtime off with `enabled: false`",
        ));
    }
    Ok(RuntimeSocket {
        kind,
        path: path.into(),
        expected: written.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(socket: &str) -> RawSocket {
        RawSocket {
            enabled: true,
            socket: Some(socket.to_owned()),
        }
    }

    #[test]
    fn every_runtime_is_looked_for_where_it_listens_by_itself() {
        let sockets = sockets(&RawRuntimes::default()).unwrap();
        let found: Vec<_> = sockets
            .iter()
            .map(|socket| (socket.kind.name(), socket.path.to_str().unwrap(), socket.expected))
            .collect();
        assert_eq!(
            found,
            [
                ("containerd", "/run/containerd/containerd.sock", false),
                ("cri-o", "/var/run/crio/crio.sock", false),
                ("podman", "/run/podman/podman.sock", false),
            ]
        );
    }

    #[test]
    fn a_written_socket_is_expected_and_one_switched_off_is_not_asked() {
        let off = |socket: &str| RawSocket {
            enabled: false,
            ..written(socket)
        };
        let raw = RawRuntimes {
            containerd: written("unix:///run/k3s/containerd/containerd.sock"),
            crio: off("wrong"),
            podman: written("/run/p.sock"),
            ..RawRuntimes::default()
        };
        let sockets = sockets(&raw).unwrap();
        let paths: Vec<_> = sockets
            .iter()
            .map(|socket| (socket.path.to_str().unwrap(), socket.expected))
            .collect();
        assert_eq!(
            paths,
            [
                ("/run/k3s/containerd/containerd.sock", true),
                ("/run/p.sock", true)
            ]
        );
    }

    #[test]
    fn what_is_no_socket_is_named() {
        for text in ["tcp://127.0.0.1:1", "run/containerd.sock", "unix://x", ""] {
            let raw = RawRuntimes {
                containerd: written(text),
                ..RawRuntimes::default()
            };
            let problem = sockets(&raw).unwrap_err();
            assert_eq!(problem.reason, format!("`{text}` is no socket"));
            assert!(problem.help.contains("enabled: false"));
        }
    }
}
