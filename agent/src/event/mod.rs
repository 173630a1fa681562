//! Events: what records become once they are decoded and attributed.
//!
//! Types only. Numbers of the kernel stay the newtypes of `agent-common`; strings are bytes until they
//! are shown ([`KernelString`]).

mod address;
mod dns;
mod id;
mod payload;
mod script;
mod text;
mod time;

pub use address::{canonical, is_internal, is_nobody, peer_address};
pub use agent_common::event::{
    AttributeOp, CallName, ContainerOp, CredentialsOp, EventHeader, EventKind, FileFlags, FileObject, MmapOp,
    ModuleOp, MountOp, Namespaces, PtraceOp, RecordFlags, SocketAddress, StdioFlags, Trust,
};
pub use dns::{AddressRecord, Dns, DnsDirection, DomainName, Question, QuestionType, ResponseCode};
pub use id::{ContainerId, ExecId, ProcessKey, SlotKey};
pub use payload::{
    Attempt, Attribute, Bpf, Call, Capable, Credentials, Directory, Exec, FileOpen, Lifecycle, Mapping,
    Module, Mount, Name, Net, Payload, Ptrace, RawEvent, Received, Setns, Signal, Socket, UnixConnect,
};
pub use script::Script;
pub use text::KernelString;
pub use time::{BootTime, Clock, Timestamp};

use crate::container::Container;
use crate::process::Process;
use std::sync::Arc;

/// An event with everything that is known of who caused it.
#[derive(Debug, Clone)]
pub struct EnrichedEvent {
    pub raw: RawEvent,
    /// Wall-clock time of the event.
    pub time: Timestamp,
    /// `None`: a process of the host, or of a container that nobody knows any more.
    pub container: Option<Arc<Container>>,
    /// The acting process image. For EXEC the new one.
    pub process: Arc<Process>,
    /// Parent first; ends at the oldest known one.
    pub ancestors: Vec<Arc<Process>>,
    /// An ancestor is missing: evicted, or older than the sensor.
    pub ancestors_truncated: bool,
}
