//! What was seen, as sections of the profile.

use super::{Learner, Peer, Seen, Started};
use crate::profile::{Capability, Connect, Exec, Listen, PathEntry, PathPattern};

impl Learner {
    pub(super) fn exec_entries(&self) -> Vec<Exec> {
        let entry = |path: &PathPattern, started: &Started, parents| Exec {
            path: path.clone(),
            parents,
            args: None,
            provenance: started.seen.provenance(),
        };
        let entries = |(path, started): (&PathPattern, &Started)| {
            let parents: Vec<_> = started.parents.iter().cloned().collect();
            let anybody = started.before || parents.is_empty();
            let anybody = anybody.then(|| entry(path, started, Vec::new()));
            // That anybody may start it does not say whose work it is.
            let known = (!parents.is_empty()).then(|| entry(path, started, parents));
            [anybody, known].into_iter().flatten()
        };
        let seen = self.exec.iter().flat_map(entries);
        seen.chain(self.declared_exec()).collect()
    }

    pub(super) fn listen_entries(&self) -> Vec<Listen> {
        let entries = self
            .listen
            .iter()
            .map(|((proto, port, address, exe), seen)| Listen {
                proto: *proto,
                port: *port,
                address: *address,
                exe: exe.clone(),
                provenance: seen.provenance(),
            });
        entries.chain(self.declared_listen()).collect()
    }

    pub(super) fn connect_entries(&self) -> Vec<Connect> {
        let entries = self.connect.iter().map(|((_, proto, port, exe), (peer, seen))| {
            let (cidr, image, dns) = match peer {
                Peer::Image(image) => (None, Some(image.clone()), None),
                Peer::Name(name) => (None, None, Some(name.clone())),
                Peer::Network(cidr) => (Some(*cidr), None, None),
            };
            Connect {
                cidr,
                image,
                dns,
                proto: *proto,
                port: *port,
                exe: exe.clone(),
                provenance: seen.provenance(),
            }
        });
        entries.collect()
    }

    pub(super) fn write_entries(&self) -> Vec<PathEntry> {
        let entries = self.write.iter().map(|(path, seen)| PathEntry {
            path: path.clone(),
            exe: None,
            provenance: seen.provenance(),
        });
        entries.collect()
    }

    /// `None` when no use was seen: on some kernels none can be.
    pub(super) fn capability_entries(&self) -> Option<Vec<Capability>> {
        let entry = |(number, seen): (&u32, &Seen)| {
            let known = caps::all()
                .into_iter()
                .find(|known| u32::from(known.index()) == *number)?;
            Some(Capability {
                name: known.to_string(),
                provenance: seen.provenance(),
            })
        };
        let entries: Vec<_> = self.capabilities.iter().filter_map(entry).collect();
        (!entries.is_empty()).then_some(entries)
    }

    pub(super) fn read_entries(&self) -> Vec<PathEntry> {
        let entries = self.read.iter().map(|((path, exe), seen)| PathEntry {
            path: path.clone(),
            exe: exe.clone(),
            provenance: seen.provenance(),
        });
        entries.collect()
    }
}
