//! The behaviours. What is refused before a hook on objects is seen at the call's return, with every backend.

mod files;
mod images;
mod processes;
mod sockets;
mod system;

use super::{Behaviour, Sight};
use crate::kernel::backend::Capability;

/// The same on every kernel.
const fn seen(
    name: &'static str,
    what: &'static str,
    capability: Capability,
    sight: [Sight; 3],
) -> Behaviour {
    Behaviour {
        name,
        what,
        capability,
        natively: None,
        weakly: None,
        only: &[],
        sight,
    }
}

/// By tracepoints it is another capability's.
const fn natively(capability: Capability, behaviour: Behaviour) -> Behaviour {
    Behaviour {
        natively: Some(capability),
        ..behaviour
    }
}

/// Only these programs show it.
const fn only(programs: &'static [&'static str], behaviour: Behaviour) -> Behaviour {
    Behaviour {
        only: programs,
        ..behaviour
    }
}

/// On kernels where only this program's way can be attached.
const fn weakly(way: (&'static str, Sight), behaviour: Behaviour) -> Behaviour {
    Behaviour {
        weakly: Some(way),
        ..behaviour
    }
}

/// Everything that the sensor claims to see, and what it does not.
pub fn behaviours() -> impl Iterator<Item = &'static Behaviour> {
    images::BEHAVIOURS
        .iter()
        .chain(files::BEHAVIOURS)
        .chain(sockets::BEHAVIOURS)
        .chain(processes::BEHAVIOURS)
        .chain(system::BEHAVIOURS)
}
