//! Tells the programs since when they see every fork: who is younger and has no label is the host's, who is older has to be looked up.

use super::error::KernelError;
use aya::Ebpf;
use aya::maps::{Array, MapData};
use rustix::time::{ClockId, clock_gettime};

const MAP: &str = "FORKS_SEEN_SINCE";

/// The map.
pub(super) struct Forks(Array<MapData, u64>);

impl Forks {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        super::map(ebpf, MAP, Array::try_from).map(Self)
    }

    /// From now on.
    pub(super) fn are_seen(&mut self) -> Result<(), KernelError> {
        let now = clock_gettime(ClockId::Boottime);
        let nanos = now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs();
        let set = self.0.set(0, nanos, 0);
        set.map_err(|source| KernelError::Map { map: MAP, source })
    }
}
