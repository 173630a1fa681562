//! Which maps nobody outside the kernel may write once the sensor is loaded: not root, and not the daemon. Deleting a container's cgroups,
//! zeroing a table or marking a behaviour as seen would blind the sensor without a trace.

use super::bpf;
use super::error::KernelError;
use aya::Ebpf;
use aya::maps::{Map, MapData, MapError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Maps whose last write by the daemon is at load. The others: rings (their readers write positions), what the daemon decides
/// (compared instead: see [`super::guard`]), states of slots (compared by the daemon), free slots (programs refuse what is not free), and
/// books, which have to balance.
const SEALED: [&str; 17] = [
    "TASKS",
    "CGROUPS",
    "CONTAINER_IDS",
    "BEHAVIOURS",
    "DEVIATIONS",
    "LINEAGE",
    "LONG_LINEAGE",
    "SEED",
    "FORKS_SEEN_SINCE",
    "QUOTAS",
    "COUNTERS",
    "ERRORS",
    "SCRATCH",
    "CPU_STATE",
    "SYSCALLS",
    "WANTED_SYSCALLS",
    "CALLS",
];

/// Descriptors of the maps to be sealed.
pub(super) struct Seals(Vec<(&'static str, OwnedFd)>);

impl Seals {
    /// Before others take the maps out of `ebpf`.
    pub(super) fn of(ebpf: &Ebpf) -> Result<Self, KernelError> {
        let all = SEALED.into_iter().map(|name| Ok((name, descriptor(ebpf, name)?)));
        Ok(Self(all.collect::<Result<_, KernelError>>()?))
    }

    /// Nothing more is to be written from here.
    pub(super) fn close(self) -> Result<(), KernelError> {
        for (name, map) in self.0 {
            bpf::freeze(map.as_fd()).map_err(|source| KernelError::Seal { map: name, source })?;
        }
        Ok(())
    }
}

/// A descriptor of the map of one's own.
pub(super) fn descriptor(ebpf: &Ebpf, name: &'static str) -> Result<OwnedFd, KernelError> {
    let map = ebpf.map(name).ok_or(KernelError::NoMap(name))?;
    let data = data(map).ok_or(KernelError::Map {
        map: name,
        source: MapError::InvalidMapType { map_type: 0 },
    })?;
    let own = data.fd().as_fd().try_clone_to_owned();
    own.map_err(|source: io::Error| KernelError::Seal { map: name, source })
}

/// Of the types of map that the sensor has.
fn data(map: &Map) -> Option<&MapData> {
    match map {
        Map::Array(data)
        | Map::HashMap(data)
        | Map::LruHashMap(data)
        | Map::PerCpuArray(data)
        | Map::ProgramArray(data)
        | Map::Queue(data)
        | Map::Unsupported(data) => Some(data),
        _ => None,
    }
}
