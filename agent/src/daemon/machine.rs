//! What the engine's task needs of the engine and of the kernel's maps, so that the task is tested without either.

use crate::container::Container;
use crate::control::protocol::{LearnTarget, Reloaded};
use crate::control::{Refusal, StatusReport};
use crate::engine::{Input, KernelView, Output};
use crate::event::{EnrichedEvent, SlotKey};
use crate::host::HostFacts;
use crate::telemetry::Metrics;
use std::sync::Arc;

/// The pure state machine, as its task drives it.
pub trait Machine: Send + 'static {
    /// A set of profiles that was read and found valid.
    type Profiles: Send + 'static;
    /// Names a learning session.
    type Session: Copy + Send + 'static;

    /// See [`crate::engine`].
    fn handle(&mut self, input: Input, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>);

    /// Closes every open window: the agent stops.
    fn finish(&mut self, kernel: &mut dyn KernelView, outputs: &mut Vec<Output>);

    /// Puts profiles in force.
    fn set_profiles(&mut self, profiles: Self::Profiles) -> Reloaded;

    /// Puts newer facts of the host in force.
    fn set_host(&mut self, host: HostFacts);

    /// Begins to learn.
    ///
    /// # Errors
    /// When nothing matches, or too much is learned already.
    fn learn(&mut self, target: &LearnTarget) -> Result<Self::Session, Refusal>;

    /// Ends a session: the profile as YAML.
    ///
    /// # Errors
    /// When there is no such session.
    fn learned(&mut self, session: Self::Session) -> Result<String, Refusal>;

    /// True when `target` means `container`.
    fn selects(&self, target: &LearnTarget, container: &Container) -> bool;

    /// A line of `vigia.event/v1` for watchers.
    fn render(&self, event: &EnrichedEvent) -> String;

    /// Containers that run now.
    fn containers(&self) -> Vec<Arc<Container>>;

    /// Adds containers, profiles, alerts and the daemon's side of the books.
    fn describe(&self, report: &mut StatusReport);

    /// Copies what it counts.
    fn collect(&self, metrics: &Metrics);
}

/// How much of a container's activity leaves the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// Each distinct behaviour once.
    FirstOccurrences,
    /// Every single event: somebody watches or learns.
    EveryEvent,
}

/// The kernel's maps, as the engine's task uses them.
pub trait SensorMaps: KernelView + Send + 'static {
    /// Changes what leaves the kernel for a container. One that is gone is ignored.
    fn export(&mut self, container: SlotKey, export: Export);

    /// A container is gone: its slot can be used again, after a while.
    fn release(&mut self, container: SlotKey);

    /// Adds capabilities, the kernel's side of the books, its errors.
    fn describe(&mut self, report: &mut StatusReport);

    /// Copies what the kernel counts.
    fn collect(&mut self, metrics: &Metrics);

    /// The maps as the engine sees them.
    fn view(&mut self) -> &mut dyn KernelView;
}
