//! What an image declares of itself. It fills gaps only: where somebody was seen, who it was is worth more.

use super::{Learner, Port};
use crate::container::ContainerMetadata;
use crate::profile::value::AddressScope;
use crate::profile::{Exec, Listen, PathPattern, Protocol, Provenance, Source, generalise};
use std::collections::BTreeSet;

const FROM_IMAGE: Provenance = Provenance {
    source: Source::Image,
    first_seen: None,
    last_seen: None,
    replicas: None,
};

/// Facts of the image.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Program or script that the entrypoint names by its path.
    entrypoint: Option<PathPattern>,
    /// EXPOSE.
    ports: BTreeSet<(Protocol, u16)>,
}

impl Declared {
    pub(super) fn of(known: &ContainerMetadata) -> Self {
        let entrypoint = known.command.first().filter(|word| word.starts_with('/'));
        Self {
            entrypoint: entrypoint.and_then(|path| generalise::path(path.as_bytes())),
            ports: known
                .exposed_ports
                .iter()
                .filter_map(|port| exposed(port))
                .collect(),
        }
    }
}

impl Learner {
    pub(super) fn declared_exec(&self) -> Option<Exec> {
        let path = self.declared.entrypoint.clone()?;
        (!self.exec.contains_key(&path)).then_some(Exec {
            path,
            parents: Vec::new(),
            args: None,
            provenance: FROM_IMAGE,
        })
    }

    pub(super) fn declared_listen(&self) -> impl Iterator<Item = Listen> + '_ {
        let unseen = |proto: Protocol, port: Port| {
            let seen = |(p, number, address, _): &&super::Listener| {
                (*p, *number) == (proto, port) && *address == AddressScope::Any
            };
            !self.listen.keys().any(|listener| seen(&listener))
        };
        let ports = self.declared.ports.iter();
        ports
            .map(|(proto, port)| (*proto, self.port(*port)))
            .filter(move |(proto, port)| unseen(*proto, *port))
            .map(|(proto, port)| Listen {
                proto,
                port,
                address: AddressScope::Any,
                exe: None,
                provenance: FROM_IMAGE,
            })
    }
}

/// `80/tcp`; a number alone is TCP.
fn exposed(port: &str) -> Option<(Protocol, u16)> {
    let (number, proto) = port.split_once('/').unwrap_or((port, "tcp"));
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let proto = known.into_iter().find(|known| known.name() == proto)?;
    Some((proto, number.parse().ok().filter(|port| *port != 0)?))
}
