//! What the engine's task needs of the kernel's maps, so that the task is tested without them.

use crate::control::{KindCounters, StatusReport};
use crate::detect::SensorFinding;
use crate::engine::KernelView;
use crate::event::SlotKey;
use crate::profile::{CompiledProfile, ImageName};
use crate::telemetry::Metrics;
use crate::telemetry::http::Ready;
use agent_common::counter::SlotBooks;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// How much of a container's activity leaves the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// Each distinct behaviour once.
    FirstOccurrences,
    /// Every single event: somebody watches or learns.
    EveryEvent,
}

/// The kernel's side of the books at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelBooks {
    /// By kind; only those that occurred.
    pub kinds: BTreeMap<String, KindCounters>,
    /// Errors inside kernel programs, by cause; only those that occurred.
    pub errors: BTreeMap<String, u64>,
}

/// The kernel's maps, as the engine's task uses them.
pub trait SensorMaps: KernelView + Send + 'static {
    /// Changes what leaves the kernel for a container. One that is gone is ignored.
    fn export(&mut self, container: SlotKey, export: Export);

    /// Somebody looks at what no rule looks at, or nobody any more: the former is seen from now on. Called often.
    fn watch(&mut self, on: bool);

    /// What a container did was judged by what holds no longer: each of its behaviours leaves the kernel once more. One
    /// that is gone is ignored.
    fn renew(&mut self, container: SlotKey);

    /// Tells the kernel what a container may do. One that is gone is ignored.
    fn assign(&mut self, container: SlotKey, profile: Option<&Arc<CompiledProfile>>, own: &[IpNet]);

    /// Tells it which addresses a container of `image` has; none: it is gone.
    fn peer(&mut self, container: SlotKey, image: Option<&ImageName>, addresses: &[IpAddr]);

    /// Tells it which addresses the host has. Called often.
    fn host(&mut self, addresses: &[IpAddr]);

    /// Whether the container is excepted from what is denied in every one. One that is gone is ignored.
    fn except(&mut self, container: SlotKey, excepted: bool);

    /// A container is gone: its slot can be used again, after a while.
    fn release(&mut self, container: SlotKey);

    /// Containers that are gone although no record said so: found now and then by looking. Each is told once.
    fn lost_ends(&mut self) -> Vec<SlotKey>;

    /// Finds out whether somebody else changed the sensor, whether it answers, and what it skipped; puts right what can be.
    /// Each incident is told once. To be called about once a second.
    fn inspect(&mut self) -> Vec<SensorFinding>;

    /// Whether what is required is attached, unchanged and answers.
    fn ready(&self) -> Ready;

    /// Detaches the programs. Records and books can be read on, and change no more.
    fn detach(&mut self);

    /// The books of a container; `None` when they are another's by now.
    fn container_books(&mut self, container: SlotKey) -> Option<SlotBooks>;

    /// Reads the kernel's side of the books; `None` when the kernel refuses.
    fn books(&mut self) -> Option<KernelBooks>;

    /// Adds capabilities, the kernel's side of the books, its errors.
    fn describe(&mut self, report: &mut StatusReport);

    /// Copies what the kernel counts.
    fn collect(&mut self, metrics: &Metrics);

    /// The maps as the engine sees them.
    fn view(&mut self) -> &mut dyn KernelView;
}
