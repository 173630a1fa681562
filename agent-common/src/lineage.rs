//! Lineage: exec id → what was executed, by whom. Written by the kernel at exec, read by the daemon on demand.

use crate::event::FileObject;
use crate::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_LONG_TEXT, LINEAGE_PATH, LINEAGE_TEXT};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What was executed, but for the text that tells it. Its exec id is unique while the sensor is loaded, and never 0.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LineageHead {
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
}

/// The same with its text, as the daemon and recordings have it.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LineageEntry {
    pub head: LineageHead,
    /// Absolute path of the executable in the task's root.
    pub path: [u8; LINEAGE_PATH],
    /// NUL-separated arguments.
    pub args: [u8; LINEAGE_ARGS],
    pub cwd: [u8; LINEAGE_CWD],
}
const _: () = assert!(size_of::<LineageEntry>() == 728);

/// Value of the lineage map, by exec id (`u64`): most images are described by little text. Path, arguments and working directory stand
/// one behind the other, as much of them as fits.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct ShortLineage {
    pub head: LineageHead,
    pub text: [u8; LINEAGE_TEXT as usize],
}
const _: () = assert!(size_of::<ShortLineage>() == 256);

/// The same with room for all text, of those whose text is cut there.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LongLineage {
    pub head: LineageHead,
    pub text: [u8; LINEAGE_LONG_TEXT],
}
const _: () = assert!(size_of::<LongLineage>() == size_of::<LineageEntry>());

impl LineageHead {
    /// Lengths cut to what fits `room` bytes of text, path first.
    #[inline(always)]
    pub fn fit(&mut self, room: u16) {
        let path = least(self.path_len, room);
        let args = least(self.args_len, room - path);
        let cwd = least(self.cwd_len, room - path - args);
        let cut = |kept: u16, len: u16, flag: u32| if kept < len { flag } else { 0 };
        self.flags |= cut(path, self.path_len, LineageFlags::PATH_TRUNCATED)
            | cut(args, self.args_len, LineageFlags::ARGS_TRUNCATED)
            | cut(cwd, self.cwd_len, LineageFlags::CWD_TRUNCATED);
        (self.path_len, self.args_len, self.cwd_len) = (path, args, cwd);
    }

    /// Something of the text is missing.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.flags & LineageFlags::TRUNCATED != 0
    }

    /// Bytes of text.
    #[must_use]
    #[inline(always)]
    pub const fn text_len(&self) -> u32 {
        self.path_len as u32 + self.args_len as u32 + self.cwd_len as u32
    }
}

#[inline(always)]
const fn least(one: u16, other: u16) -> u16 {
    if one < other { one } else { other }
}

/// What the daemon knows of a process that runs before the sensor, by its id.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Seed {
    pub exec_id: u64,
    /// Effective user, as the initial user namespace counts.
    pub uid: u32,
    pub reserved: u32,
}

/// Bits of [`LineageHead::flags`].
#[derive(Debug)]
pub struct LineageFlags;

impl LineageFlags {
    pub const PATH_TRUNCATED: u32 = 1;
    pub const ARGS_TRUNCATED: u32 = 2;
    pub const CWD_TRUNCATED: u32 = 4;
    /// Any of the three.
    pub const TRUNCATED: u32 = Self::PATH_TRUNCATED | Self::ARGS_TRUNCATED | Self::CWD_TRUNCATED;
    /// The process was running before the sensor: read from procfs by the daemon.
    pub const FROM_PROCFS: u32 = 8;
    /// See [`crate::slot::TaskFlags::EXEC_SESSION`].
    pub const EXEC_SESSION: u32 = 16;
    /// Written by the kernel for a process of the host that was not the current one: its arguments are in procfs.
    pub const ARGS_IN_PROCFS: u32 = 32;
}

/// Exec ids made by the daemon for processes that ran before the sensor have this bit set.
pub const EXEC_ID_FROM_PROCFS: u64 = 1 << 63;
/// Exec ids of the host's other processes have this bit set.
pub const EXEC_ID_OF_HOST: u64 = 1 << 62;
