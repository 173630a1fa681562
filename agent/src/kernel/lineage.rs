//! Lineage entries, read from the kernel's map on demand.

use super::error::KernelError;
use crate::event::ExecId;
use crate::process::LineageReader;
use agent_common::lineage::{LineageEntry, Seed};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};

/// Reader of the lineage map.
#[derive(Debug)]
pub struct KernelLineage {
    entries: HashMap<MapData, u64, LineageEntry>,
    seed: HashMap<MapData, u32, Seed>,
}

impl KernelLineage {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            entries: super::map(ebpf, "LINEAGE", HashMap::try_from)?,
            seed: super::map(ebpf, "SEED", HashMap::try_from)?,
        })
    }

    /// Adds a process that ran before the sensor; false when the maps have no room.
    pub(super) fn plant(&mut self, exec_id: u64, entry: &LineageEntry) -> bool {
        let seed = Seed {
            exec_id,
            uid: entry.uid,
            reserved: 0,
        };
        self.entries.insert(exec_id, entry, 0).is_ok() && self.seed.insert(entry.tgid, seed, 0).is_ok()
    }

    pub(super) fn is_planted(&self, tgid: u32) -> bool {
        self.seed.get(&tgid, 0).is_ok()
    }
}

impl LineageReader for KernelLineage {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        self.entries.get(&exec_id.0, 0).ok()
    }
}
