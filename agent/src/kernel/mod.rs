//! The kernel adapter: loads the sensor, reads its rings, maps and counters. With `agent-ebpf` the only place
//! that may use `unsafe`, and the only one that knows aya.

mod adopt;
mod attach;
mod backend;
mod btf;
mod counter;
mod coverage;
mod error;
mod existing;
mod feature;
mod lineage;
mod loader;
mod object;
mod permission;
mod plan;
mod ring;
mod scan;
mod seed;
mod slots;
mod stats;
#[cfg(test)]
mod support;
mod syscalls;

pub use backend::{Backend, Capability};
pub use counter::{Books, Mismatch, Totals};
pub use coverage::{BEHAVIOURS, Behaviour, Coverage, Sight, coverage};
pub use error::KernelError;
pub use feature::Features;
pub use lineage::KernelLineage;
pub use loader::{CapabilityReport, Sensor, SensorConfig};
pub use ring::RingReader;
pub use slots::{ContainerSlot, Slots};
pub use stats::{ProgramStats, StatisticsOn, enable as enable_statistics};

use aya::Ebpf;
use aya::maps::{Map, MapError};

/// Takes a map of the object.
fn map<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl FnOnce(Map) -> Result<T, MapError>,
) -> Result<T, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::NoMap(name))?;
    convert(map).map_err(|source| KernelError::Map { map: name, source })
}
