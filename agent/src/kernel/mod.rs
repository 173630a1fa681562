//! The kernel adapter: loads the sensor, reads its rings, maps and counters. With `agent-ebpf` the only place
//! that may use `unsafe`, and the only one that knows aya.

mod adopt;
mod attach;
mod backend;
mod behaviours;
mod bpf;
mod btf;
mod calls;
mod cgroups;
mod counter;
mod coverage;
mod enforcement;
mod error;
mod escapes;
mod existing;
mod feature;
mod forks;
mod guard;
mod kept;
mod lineage;
mod links;
mod loader;
mod memory;
#[cfg(feature = "debug-log")]
mod messages;
mod object;
mod permission;
mod place;
mod plan;
mod policies;
mod refusal;
mod report;
mod ring;
mod scan;
mod seals;
mod seed;
mod slots;
mod states;
mod stats;
#[cfg(test)]
mod support;
mod symbols;
mod syscalls;
mod told;
mod watching;

pub use agent_common::policy::Verdict;
pub use backend::{Backend, Capability};
pub use counter::{Books, Mismatch, Totals};
pub use coverage::{Behaviour, Coverage, Sight, behaviours, coverage};
pub use enforcement::EnforcementReport;
pub use error::KernelError;
pub use feature::Features;
pub use guard::{Change, Part};
pub use lineage::KernelLineage;
pub use loader::{Sensor, SensorConfig};
pub use plan::Means;
pub use policies::Policies;
pub use report::{CapabilityReport, LeftOut};
pub use ring::RingReader;
pub use slots::{ContainerSlot, MapUsage, Slots};
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
