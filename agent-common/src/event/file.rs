use super::{EventHeader, StrRef};
use crate::magic::is_kernel_interface;
use crate::mode::{S_IFMT, S_IFREG};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Identity of a file, as the kernel holds it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FileObject {
    pub ino: u64,
    /// `super_block.s_dev`: the kernel's internal encoding, major << 20 | minor.
    pub dev: u32,
    /// Superblock magic (`statfs(2)`); 0 when there is no file.
    pub magic: u32,
    /// Hard links; 0: unlinked, or a memfd.
    pub nlink: u32,
    /// For device nodes, internal encoding.
    pub rdev: u32,
    /// Type and permission bits (`S_IFMT` and below).
    pub mode: u16,
    /// Bits of [`FileFlags`].
    pub flags: u16,
    /// Owner in the initial user namespace.
    pub uid: u32,
}

impl FileObject {
    /// Whether profiles say who writes it: regular files that are no controls of the kernel.
    #[must_use]
    #[inline(always)]
    pub const fn is_profiled(&self) -> bool {
        self.mode & S_IFMT == S_IFREG && !is_kernel_interface(self.magic)
    }
}
const _: () = assert!(size_of::<FileObject>() == 32);

/// Bits of [`FileObject::flags`].
#[derive(Debug)]
pub struct FileFlags;

impl FileFlags {
    /// On an overlay mount.
    pub const OVERLAY: u16 = 1;
    /// In the overlay's upper layer: not in the image (or changed since).
    pub const UPPER: u16 = 2;
    /// An anonymous memory file.
    pub const MEMFD: u16 = 4;
    /// No name leads to it any more.
    pub const UNLINKED: u16 = 8;
    /// The mount shows only a part of its filesystem (a bind mount): `fs_path` differs from the path.
    pub const BIND_MOUNT: u16 = 16;
    /// Set-user-ID or set-group-ID, or file capabilities.
    pub const SETID: u16 = 32;
}

/// FILE_OPEN.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct FileOpenEvent {
    pub header: EventHeader,
    pub file: FileObject,
    /// `O_*` flags of the open.
    pub open_flags: u32,
    /// `FMODE_*` bits: 1 read, 2 write, 32 exec.
    pub f_mode: u32,
    /// Absolute, in the task's root. Of a refused attempt (`file` is zero) what was asked for.
    pub path: StrRef,
    /// From the root of the file's own filesystem; for a bind mount of the host's disk, the host's path. May be empty. Of a
    /// refused attempt the directory that a relative path begins at.
    pub fs_path: StrRef,
}
const _: () = assert!(size_of::<FileOpenEvent>() == 200);

/// UNLINK, RENAME, LINK, SYMLINK and MKNOD: a directory changes.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct NameEvent {
    pub header: EventHeader,
    /// What the name stands for; zero where only the arguments are known. MKNOD: type and number of the node.
    pub file: FileObject,
    /// The directory that changes: of UNLINK the name's, else the new name's. Zero where it is not known.
    pub directory: FileObject,
    /// RENAME: `RENAME_*` flags.
    pub rename_flags: u32,
    /// SYMLINK: the text that the link holds. Else the name.
    pub path: StrRef,
    /// RENAME, LINK, SYMLINK: the new name.
    pub new_path: StrRef,
    /// The name that changes, from the root of its filesystem, of mounts that show a part of one or the host's. May be empty.
    /// Where only the arguments are known (`directory` is zero): the directory that a relative name begins at.
    pub fs_path: StrRef,
}
const _: () = assert!(size_of::<NameEvent>() == 232);

/// CHROOT and CHDIR.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct DirectoryEvent {
    pub header: EventHeader,
    /// The new root or working directory.
    pub file: FileObject,
    /// In its mount namespace; of a refused chroot what was asked for.
    pub path: StrRef,
    /// From the root of its own filesystem.
    pub fs_path: StrRef,
    /// 1: the working directory is outside the task's root.
    pub outside: u32,
    pub reserved: u32,
}
const _: () = assert!(size_of::<DirectoryEvent>() == 200);

/// What a SETATTR record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AttributeOp(pub u32);

impl AttributeOp {
    /// `value`: mode bits.
    pub const CHMOD: Self = Self(1);
    /// Times were set to values of the caller's choice. `value`: 0.
    pub const UTIMES: Self = Self(2);
    /// `name`: the attribute's name.
    pub const SETXATTR: Self = Self(3);
    /// Inode flags (`chattr`). `value`: `FS_*_FL` bits.
    pub const SETFLAGS: Self = Self(4);
    /// truncate(2) by name. `value`: the new length.
    pub const TRUNCATE: Self = Self(5);
}

/// SETATTR.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AttributeEvent {
    pub header: EventHeader,
    /// Zero where only the arguments are known.
    pub file: FileObject,
    pub value: u64,
    pub op: AttributeOp,
    pub path: StrRef,
    /// See [`FileOpenEvent::fs_path`].
    pub fs_path: StrRef,
    pub name: StrRef,
}
const _: () = assert!(size_of::<AttributeEvent>() == 208);

/// What a MMAP record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MmapOp(pub u32);

impl MmapOp {
    pub const MMAP: Self = Self(1);
    /// Memory that was mapped before becomes executable.
    pub const MPROTECT: Self = Self(2);
}

/// MMAP.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MmapEvent {
    pub header: EventHeader,
    /// Zero for anonymous memory, or where it is not known.
    pub file: FileObject,
    /// `PROT_*` bits.
    pub prot: u32,
    /// `MAP_*` bits; 0 for mprotect.
    pub map_flags: u32,
    pub op: MmapOp,
    pub path: StrRef,
    /// See [`FileOpenEvent::fs_path`].
    pub fs_path: StrRef,
    pub reserved: u32,
}
const _: () = assert!(size_of::<MmapEvent>() == 208);

/// EXEC_ATTEMPT: what was asked for.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct AttemptEvent {
    pub header: EventHeader,
    pub path: StrRef,
    /// Directory that a relative path begins at; empty for an absolute one.
    pub directory: StrRef,
}
const _: () = assert!(size_of::<AttemptEvent>() == 160);

/// UNIX_CONNECT: a stream connection to a unix socket, by the identity of the server's socket. UNIX_BIND: the socket's own.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct UnixConnectEvent {
    pub header: EventHeader,
    /// The socket's inode in its filesystem; zero for abstract and unnamed sockets.
    pub file: FileObject,
    /// Process that made the server's socket, initial pid namespace; 0: not known.
    pub peer_tgid: u32,
    /// Container of that process; 0: host or not known.
    pub peer_slot: u32,
    /// Path of the socket in its own filesystem's mount, or `@name` for an abstract one.
    pub path: StrRef,
    pub reserved: u32,
}
const _: () = assert!(size_of::<UnixConnectEvent>() == 200);

/// What a MOUNT record reports.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MountOp(pub u32);

impl MountOp {
    /// mount(2) in all its forms: see `flags` (MS_BIND 0x1000, MS_REMOUNT 0x20, MS_MOVE 0x2000).
    pub const MOUNT: Self = Self(1);
    /// move_mount(2): a mount object is attached.
    pub const MOVE_MOUNT: Self = Self(2);
    /// fsmount(2) or fsconfig(2): a superblock was made.
    pub const FSMOUNT: Self = Self(3);
    /// open_tree(2) with OPEN_TREE_CLONE.
    pub const OPEN_TREE: Self = Self(4);
    pub const UMOUNT: Self = Self(5);
    pub const PIVOT_ROOT: Self = Self(6);
    /// mount_setattr(2). `mount_flags`: `MOUNT_ATTR_*` bits set, and in the upper half those cleared.
    pub const SETATTR: Self = Self(7);
}

/// MOUNT.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct MountEvent {
    pub header: EventHeader,
    /// Root of what is mounted, where it is known.
    pub file: FileObject,
    /// `MS_*` flags of mount(2).
    pub mount_flags: u64,
    pub op: MountOp,
    pub source: StrRef,
    pub target: StrRef,
    pub fstype: StrRef,
}
const _: () = assert!(size_of::<MountEvent>() == 208);
