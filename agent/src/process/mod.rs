//! Processes and their lineage. The lineage lives in the kernel's map, where it is made; here it is read
//! on demand and kept in a bounded cache.

pub mod lineage;
pub mod procfs;
pub mod sockets;

pub use lineage::{Chain, Completeness, Lineage, LineageStats};

use crate::event::{BootTime, ExecId, FileObject, KernelString, SlotKey};
use agent_common::lineage::LineageEntry;

/// A process image: one exec.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    pub exec_id: ExecId,
    pub parent: ExecId,
    /// Initial pid namespace.
    pub host_pid: u32,
    /// Innermost pid namespace.
    pub pid: u32,
    pub start: BootTime,
    pub uid: u32,
    pub slot: Option<SlotKey>,
    pub file: FileObject,
    /// Absolute path of the executable in the process's root. Empty: not known.
    pub exe: KernelString,
    /// NUL-separated.
    pub args: KernelString,
    pub cwd: KernelString,
    /// Arrived in its container by attach (`docker exec`, `nsenter`), not through the entrypoint.
    pub exec_session: ExecSession,
}

/// How a process came into its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecSession {
    /// Descends from the container's entrypoint, or from the host's init.
    Entrypoint,
    /// Attached later (`docker exec`, `nsenter`), or descends from a process that was.
    Attached,
}

impl Process {
    /// Arguments one by one, `argv[0]` included.
    pub fn arguments(&self) -> impl Iterator<Item = KernelString> + '_ {
        self.args.arguments()
    }

    /// Base name of the executable, for rules that know programs by name.
    #[must_use]
    pub fn exe_name(&self) -> &bstr::BStr {
        self.exe.file_name()
    }
}

/// Reads lineage entries: from the kernel's map when live, from the recording in a replay.
pub trait LineageReader {
    /// The entry of `exec_id`; `None` when it was evicted or never made.
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry>;
}
