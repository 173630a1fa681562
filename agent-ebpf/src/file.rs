//! Identity of files: what the kernel holds, not what a path says.

use crate::global::offset;
use crate::kernel::Kptr;
use crate::path::Location;
use agent_common::event::{FileFlags, FileObject};
use agent_common::magic::{OVERLAY, TMPFS};
use agent_common::mode::{S_IFBLK, S_IFDIR, S_IFMT};
use agent_common::offsets::MISSING;

/// `S_ISUID | S_ISGID`.
const SETID_BITS: u16 = 0o6000;
/// 2^64 by the golden ratio: spreads a small number over all bits.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A file, with the addresses that its paths are walked from.
#[derive(Clone, Copy)]
pub struct OpenFile {
    pub object: FileObject,
    pub location: Location,
}

impl OpenFile {
    /// Reads a `struct file`.
    #[inline(always)]
    pub fn read(file: Kptr) -> Option<Self> {
        let location = Location::read(file.field(offset!(file_f_path))?)?;
        let inode = file.follow(offset!(file_f_inode))?;
        Some(Self {
            object: object(inode, location)?,
            location,
        })
    }
}

/// Identity of the file that a dentry names; `None` for a negative one.
#[inline(always)]
pub fn at(location: Location) -> Option<FileObject> {
    object(Kptr(location.dentry).follow(offset!(dentry_inode))?, location)
}

/// A number for what a dentry names, without branches: [`object`] has many, and the verifier follows each. No function of its
/// own either: with it 6.1 left the paths of mounts out.
#[inline(always)]
pub fn place(dentry: u64) -> u64 {
    let inode = Kptr(Kptr(dentry).read_or_zero(offset!(dentry_inode)));
    let superblock = Kptr(inode.read_or_zero(offset!(inode_sb)));
    let dev = u64::from(superblock.read_or_zero::<u32>(offset!(sb_dev)));
    let number = inode.read_or_zero::<u64>(offset!(inode_ino)) ^ dev << 32;
    number ^ u64::from(generation(inode, superblock)).wrapping_mul(SPREAD)
}

/// Of an overlay's inode that of the one in the upper layer, as in [`identity_of_inode`]. Elsewhere the pointer to that is masked.
#[inline(always)]
fn generation(inode: Kptr, superblock: Kptr) -> u32 {
    let magic = superblock.read_or_zero::<u64>(offset!(sb_magic)) as u32;
    let mask = u64::from(core::hint::black_box(magic) == OVERLAY).wrapping_neg();
    let upper = Kptr(inode.read_or_zero::<u64>(upper_offset()) & mask);
    let real = Kptr(upper.read_or_zero(offset!(dentry_inode)));
    inode.read_or_zero::<u32>(offset!(inode_generation)) ^ real.read_or_zero::<u32>(offset!(inode_generation))
}

/// Identity of an inode seen at `location`.
#[inline(always)]
pub fn object(inode: Kptr, location: Location) -> Option<FileObject> {
    let superblock = inode.follow(offset!(inode_sb))?;
    let magic = superblock.read::<u64>(offset!(sb_magic))? as u32;
    let mode = inode.read::<u16>(offset!(inode_mode))?;
    let nlink = inode.read_or_zero::<u32>(offset!(inode_nlink));
    let mut flags = 0;
    if magic == OVERLAY {
        flags |= FileFlags::OVERLAY;
        if upper_dentry(inode).is_some() {
            flags |= FileFlags::UPPER;
        }
    }
    if nlink == 0 {
        flags |= FileFlags::UNLINKED;
        if magic == TMPFS && is_memfd(Kptr(location.dentry)) {
            flags |= FileFlags::MEMFD;
        }
    }
    if mode & SETID_BITS != 0 {
        flags |= FileFlags::SETID;
    }
    if is_bind_mount(superblock, Kptr(location.mnt)) {
        flags |= FileFlags::BIND_MOUNT;
    }
    Some(FileObject {
        ino: inode.read(offset!(inode_ino))?,
        dev: superblock.read(offset!(sb_dev))?,
        magic,
        nlink,
        rdev: inode.read_or_zero(offset!(inode_rdev)),
        mode,
        flags,
        uid: inode.read_or_zero(offset!(inode_uid)),
    })
}

/// What tells a file from every other on its device, also from those that had its inode number before it: the number,
/// and in the upper half the generation. Of an overlay's file that of the file in the upper layer.
#[inline(always)]
pub fn identity(file: Kptr, object: &FileObject) -> u64 {
    identity_of_inode(Kptr(file.read_or_zero(offset!(file_f_inode))), object)
}

/// The same for an inode.
#[inline(always)]
pub fn identity_of_inode(inode: Kptr, object: &FileObject) -> u64 {
    let mut inode = inode;
    if object.flags & FileFlags::UPPER != 0
        && let Some(upper) = upper_dentry(inode)
    {
        inode = Kptr(upper.read_or_zero(offset!(dentry_inode)));
    }
    let generation = u64::from(inode.read_or_zero::<u32>(offset!(inode_generation)));
    object.ino ^ generation << 32
}

/// An overlay inode is followed by the private part that points to its upper dentry, if there is one.
#[inline(always)]
fn upper_dentry(inode: Kptr) -> Option<Kptr> {
    inode.follow(upper_offset())
}

#[inline(always)]
fn upper_offset() -> u32 {
    if offset!(ovl_upperdentry) == MISSING {
        offset!(inode_size)
    } else {
        offset!(ovl_upperdentry).wrapping_sub(offset!(ovl_vfs_inode))
    }
}

#[inline(always)]
fn is_memfd(dentry: Kptr) -> bool {
    dentry
        .follow(offset!(dentry_name))
        .and_then(|name| name.read::<[u8; 6]>(0))
        .is_some_and(|name| name == *b"memfd:")
}

#[inline(always)]
fn is_bind_mount(superblock: Kptr, mnt: Kptr) -> bool {
    let top = superblock.follow(offset!(sb_root));
    let shown = mnt.follow(offset!(vfsmount_root));
    matches!((top, shown), (Some(top), Some(shown)) if top != shown)
}

/// True for block device nodes.
#[inline(always)]
pub fn is_block_device(object: &FileObject) -> bool {
    object.mode & S_IFMT == S_IFBLK
}

/// True for directories.
#[inline(always)]
pub fn is_directory(object: &FileObject) -> bool {
    object.mode & S_IFMT == S_IFDIR
}
