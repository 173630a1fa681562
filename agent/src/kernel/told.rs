//! What the daemon tells the programs, beside what it remembers of it: who changes the maps meanwhile is found out.

use super::error::KernelError;
use super::{bpf, seals};
use agent_common::limits::MAX_SLOTS;
use agent_common::slot::SlotControl;
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData, MapError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// What is decided about each slot.
pub(super) struct Controls {
    map: Array<MapData, SlotControl>,
    descriptor: OwnedFd,
    told: Vec<SlotControl>,
}

impl Controls {
    const MAP: &str = "SLOT_CONTROL";

    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            descriptor: seals::descriptor(ebpf, Self::MAP)?,
            map: super::map(ebpf, Self::MAP, Array::try_from)?,
            told: vec![SlotControl::default(); MAX_SLOTS as usize],
        })
    }

    pub(super) fn told(&self, slot: u32) -> SlotControl {
        self.told.get(slot as usize).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, slot: u32, control: SlotControl) -> Result<(), KernelError> {
        self.map
            .set(slot, control, 0)
            .map_err(|source| KernelError::Map {
                map: Self::MAP,
                source,
            })?;
        if let Some(told) = self.told.get_mut(slot as usize) {
            *told = control;
        }
        Ok(())
    }

    /// Entries that somebody else changed; they are as they were told afterwards. The first is written in any case: a map that somebody
    /// froze would be found when a decision is to be told, too late.
    pub(super) fn restore(&mut self) -> Result<usize, KernelError> {
        let mut found = vec![SlotControl::default(); self.told.len()];
        // SAFETY: the map's values are such.
        let read = unsafe { bpf::read_array(self.descriptor.as_fd(), &mut found, 1) };
        read.map_err(|source: io::Error| KernelError::Read {
            path: format!("map {}", Self::MAP),
            source,
        })?;
        let changed: Vec<u32> = (0..MAX_SLOTS)
            .zip(self.told.iter().zip(&found))
            .filter(|(_, (told, found))| told != found)
            .map(|(slot, _)| slot)
            .collect();
        self.set(0, self.told(0))?;
        for slot in &changed {
            self.set(*slot, self.told(*slot))?;
        }
        Ok(changed.len())
    }
}

/// Names whose removal and renaming is reported, as hashes.
pub(super) struct Names {
    map: HashMap<MapData, u64, u32>,
    told: Vec<u64>,
}

impl Names {
    const MAP: &str = "WATCHED_NAMES";

    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            map: super::map(ebpf, Self::MAP, HashMap::try_from)?,
            told: Vec::new(),
        })
    }

    pub(super) fn add<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) -> Result<(), KernelError> {
        for name in names {
            let hash = agent_common::name_hash(name.as_bytes());
            self.insert(hash)?;
            self.told.push(hash);
        }
        Ok(())
    }

    fn insert(&mut self, hash: u64) -> Result<(), KernelError> {
        let inserted = self.map.insert(hash, 1, 0);
        inserted.map_err(|source| KernelError::Map {
            map: Self::MAP,
            source,
        })
    }

    /// Names that somebody else took out; they are there again afterwards. More names than were told harm nobody.
    pub(super) fn restore(&mut self) -> Result<usize, KernelError> {
        let is_gone = |hash: &u64| matches!(self.map.get(hash, 0), Err(MapError::KeyNotFound));
        let gone: Vec<u64> = self.told.iter().copied().filter(is_gone).collect();
        for hash in &gone {
            self.insert(*hash)?;
        }
        Ok(gone.len())
    }
}
