use crate::alert::{Alert, Occurrences};
use crate::container::RuntimeEvent;
use crate::detect::SensorFinding;
use crate::enrich::KernelTables;
use crate::event::{BootTime, ContainerOp, EnrichedEvent, KernelString, Lifecycle, SlotKey};
use crate::host::HostFacts;
use crate::profile::{CompiledProfile, ImageName, ProfileSet};
use crate::user_rules::UserRuleSet;
use agent_common::behaviour::BehaviourKey;
use agent_common::slot::SlotFlags;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

/// What the engine is fed, in the order in which it must see it. Everything that decides about alerts is here, so a
/// recording of inputs is a recording of the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Bytes from a ring.
    Record(Vec<u8>),
    /// A container that ran before the sensor.
    Running(RunningContainer),
    /// A container that is gone, found so in the kernel's table: the record that says so was lost.
    Ended(SlotKey),
    /// What a runtime told.
    Runtime(RuntimeEvent),
    /// Something about the sensor itself.
    Sensor(SensorFinding),
    /// Newer facts of the host: a runtime that started again has another socket.
    Host(Box<HostFacts>),
    /// Other profiles are in force from here on.
    Profiles(Arc<ProfileSet>),
    /// Other rules of users are.
    Rules(Arc<UserRuleSet>),
    /// Time passes: windows close, waiting ends. At least once a second.
    Tick(BootTime),
    /// The agent stops: every open window is closed.
    End,
}

/// A slot that was in use when the sensor was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningContainer {
    pub key: SlotKey,
    pub created: BootTime,
    /// Bits of [`SlotFlags`].
    pub flags: u32,
    /// Container id, or the cgroup's name for candidates.
    pub id: String,
}

impl RunningContainer {
    /// As if its lifecycle had been seen.
    pub(super) fn lifecycle(&self) -> Lifecycle {
        Lifecycle {
            op: if self.flags & SlotFlags::LIVE == 0 {
                ContainerOp::CREATED
            } else {
                ContainerOp::LIVE
            },
            slot_flags: self.flags,
            id: KernelString::from(self.id.as_bytes()),
            cgroup: KernelString::default(),
        }
    }
}

/// What comes out.
#[derive(Debug, Clone)]
pub enum Output {
    /// To the spool.
    Alert(Box<Alert>),
    /// To whoever watches.
    Activity(Arc<EnrichedEvent>),
    /// What the container did was judged without its image and not kept: each of its behaviours is to leave the kernel
    /// once more.
    Renew(SlotKey),
    /// What the container may do by the profile that its image has; `None`: it has none.
    Policy {
        container: SlotKey,
        profile: Option<Arc<CompiledProfile>>,
        /// Its addresses, in their networks where these are known.
        own: Vec<IpNet>,
    },
    /// Who has these addresses now, and no others; none: the container is gone.
    Peer {
        container: SlotKey,
        image: Option<ImageName>,
        addresses: Vec<IpAddr>,
    },
    /// The last cgroup of the slot is gone: it can be used again, once what is still on its way has arrived.
    Released(SlotKey),
}

/// What the engine reads from the kernel's maps (or from a recording of what they answered).
pub trait KernelView: KernelTables {
    /// Removes a behaviour from the kernel's cache, so that its next occurrence leaves again; its occurrences
    /// so far, or `None` when it was not there any more.
    fn forget(&mut self, behaviour: &BehaviourKey) -> Option<Occurrences>;
}
