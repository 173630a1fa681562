//! Modes: of inodes (`S_IF*`), of open files (`FMODE_*`).

/// What kind of file it is.
pub const S_IFMT: u16 = 0o170_000;
pub const S_IFREG: u16 = 0o100_000;
pub const S_IFBLK: u16 = 0o060_000;
pub const S_IFDIR: u16 = 0o040_000;
pub const S_IFLNK: u16 = 0o120_000;
pub const S_IFCHR: u16 = 0o020_000;

pub const FMODE_READ: u32 = 1;
pub const FMODE_WRITE: u32 = 2;
/// The file was made by this open.
pub const FMODE_CREATED: u32 = 0x10_0000;
