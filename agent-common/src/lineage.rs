//! Lineage: exec id → what was executed, by whom. Written by the kernel at exec, read by the daemon on demand.

use crate::event::FileObject;
use crate::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_PATH};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the lineage map. Its key is the exec id (`u64`, unique while the sensor is loaded, never 0).
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LineageEntry {
    /// Exec id of the image that the parent executed when this one was forked; 0: none known.
    pub parent: u64,
    /// Time of the exec, boot clock.
    pub time_boot_ns: u64,
    /// Start of the thread-group leader, boot clock.
    pub start_boot_ns: u64,
    pub file: FileObject,
    pub tgid: u32,
    /// Process id in its innermost pid namespace.
    pub ns_tgid: u32,
    pub uid: u32,
    pub slot: u32,
    pub generation: u32,
    /// Bits of [`LineageFlags`].
    pub flags: u32,
    pub path_len: u16,
    pub args_len: u16,
    pub cwd_len: u16,
    pub reserved: u16,
    /// Absolute path of the executable in the task's root.
    pub path: [u8; LINEAGE_PATH],
    /// NUL-separated arguments.
    pub args: [u8; LINEAGE_ARGS],
    pub cwd: [u8; LINEAGE_CWD],
}
const _: () = assert!(size_of::<LineageEntry>() == 728);

/// What the daemon knows of a process that runs before the sensor, by its id.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Seed {
    pub exec_id: u64,
    /// Effective user, as the initial user namespace counts.
    pub uid: u32,
    pub reserved: u32,
}

/// Bits of [`LineageEntry::flags`].
#[derive(Debug)]
pub struct LineageFlags;

impl LineageFlags {
    pub const PATH_TRUNCATED: u32 = 1;
    pub const ARGS_TRUNCATED: u32 = 2;
    pub const CWD_TRUNCATED: u32 = 4;
    /// The process was running before the sensor: read from procfs by the daemon.
    pub const FROM_PROCFS: u32 = 8;
    /// See [`crate::slot::TaskFlags::EXEC_SESSION`].
    pub const EXEC_SESSION: u32 = 16;
}

/// Exec ids made by the daemon for processes that ran before the sensor have this bit set.
pub const EXEC_ID_FROM_PROCFS: u64 = 1 << 63;
