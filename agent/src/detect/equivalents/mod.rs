//! Rules of other agents that look for the same behaviour as ours. Their names are facts, read at the commits that [`Peer::source`] names.

mod credential;
mod drift;
mod escape;
mod lateral;
mod listener;
mod migration;
mod sensor;
mod tampering;
#[cfg(test)]
mod tests;
mod unmatched;

pub use migration::migration;

use serde::Serialize;

/// Another agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    Falco,
    Tracee,
    Kubescape,
    Tetragon,
}

impl Peer {
    const ALL: [Self; 4] = [Self::Falco, Self::Tracee, Self::Kubescape, Self::Tetragon];

    /// As it calls itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Falco => "Falco",
            Self::Tracee => "Tracee",
            Self::Kubescape => "Kubescape",
            Self::Tetragon => "Tetragon",
        }
    }

    /// Which of its rules were compared, in Markdown.
    const fn source(self) -> &'static str {
        match self {
            Self::Falco => {
                "All rules of [falcosecurity/rules](https://github.com/falcosecurity/rules) at c72713ee2e63 (2026-06-12): stable, \
                 incubating and sandbox. Rules for its plugins (`k8saudit`, `cloudtrail`, `github`, `okta` and others) read logs of \
                 other systems, which Vigia does not: none of them has a counterpart."
            }
            Self::Tracee => {
                "All detectors of [aquasecurity/tracee](https://github.com/aquasecurity/tracee) at 7c9ec9788ec5 (2026-08-01), by the \
                 names of their events, and those of its own events that tell of an attack rather than of a call."
            }
            Self::Kubescape => {
                "All runtime rules of the node agent, of [kubescape/rulelibrary](https://github.com/kubescape/rulelibrary) at \
                 e2fe00e543b5 (2026-06-26)."
            }
            Self::Tetragon => {
                "Policies below `examples` of [cilium/tetragon](https://github.com/cilium/tetragon) at 4fbfe2d74ecb (2026-08-21): its \
                 library, and what else looks for a behaviour. The other examples show how policies are written."
            }
        }
    }
}

/// A rule of another agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Equivalent {
    pub peer: Peer,
    /// As it stands in the peer's alerts; of Tetragon the policy's file.
    pub name: &'static str,
}

/// The id of a rule with its equivalents, sorted.
type Entry = (&'static str, &'static [Equivalent]);

const fn falco(name: &'static str) -> Equivalent {
    let peer = Peer::Falco;
    Equivalent { peer, name }
}

const fn tracee(name: &'static str) -> Equivalent {
    let peer = Peer::Tracee;
    Equivalent { peer, name }
}

const fn kubescape(name: &'static str) -> Equivalent {
    let peer = Peer::Kubescape;
    Equivalent { peer, name }
}

const fn tetragon(name: &'static str) -> Equivalent {
    let peer = Peer::Tetragon;
    Equivalent { peer, name }
}

/// In the order of the catalogue.
fn entries() -> impl Iterator<Item = &'static Entry> {
    [
        escape::ALL,
        listener::ALL,
        lateral::ALL,
        drift::ALL,
        credential::ALL,
        tampering::ALL,
        sensor::ALL,
    ]
    .into_iter()
    .flatten()
}

/// Those of the rule called `id`, sorted; `None`: it is not one that is shipped.
#[must_use]
pub fn equivalents(id: &str) -> Option<&'static [Equivalent]> {
    entries()
        .find(|(rule, _)| *rule == id)
        .map(|(_, equivalents)| *equivalents)
}

/// The same in one line, `none` where there is none.
pub(super) fn elsewhere(id: &str) -> Option<String> {
    let equivalents = equivalents(id)?;
    let of = |peer: Peer| {
        let names = equivalents.iter().filter(|rule| rule.peer == peer);
        let names: Vec<&str> = names.map(|rule| rule.name).collect();
        (!names.is_empty()).then(|| format!("{}: {}", peer.name(), names.join(", ")))
    };
    let peers: Vec<String> = Peer::ALL.into_iter().filter_map(of).collect();
    Some(if peers.is_empty() {
        "none".to_owned()
    } else {
        peers.join("; ")
    })
}
