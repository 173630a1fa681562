//! Directories in behaviours' keys, by what they are or by the text that names them.

use crate::file;
use crate::global::offset;
use crate::hash::Hasher;
use crate::kernel::{self, Kptr};
use crate::scratch::Memory;
use crate::text;

/// What of a name is in a behaviour's key: the directory that it stands in, and the name itself when it is watched, which the
/// lowest bit says.
#[derive(Clone, Copy, Default)]
pub struct Entry(u64);

impl Entry {
    /// What a dentry names.
    #[inline(always)]
    pub fn of(dentry: u64) -> Self {
        let parent = Kptr(dentry).read_or_zero(offset!(dentry_parent));
        Self(entry(number(parent), text::dentry_hash(dentry)))
    }

    /// What a path names that begins, when it is relative, at the dentry `from`. `None` without scratch memory.
    #[inline(always)]
    pub fn asked(path: Memory, from: u64) -> Option<Self> {
        match text::entry(path, file::place(from)) {
            0 => None,
            entry => Some(Self(entry)),
        }
    }

    #[inline(always)]
    pub fn number(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub fn is_watched(self) -> bool {
        self.0 & WATCHED != 0
    }
}

const WATCHED: u64 = 1;
/// Set in each, so that none is 0.
const PRESENT: u64 = 2;

/// Of a number for the directory, and the hash of the base name.
#[inline(always)]
pub fn entry(directory: u64, name: u64) -> u64 {
    let directory = directory & !WATCHED | PRESENT;
    if text::is_watched(name) {
        directory ^ name & !(WATCHED | PRESENT) | WATCHED
    } else {
        directory
    }
}

/// A number for what a dentry names: inode, its generation, device.
#[inline(always)]
pub fn number(dentry: u64) -> u64 {
    directory_number(kernel::number(dentry))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn directory_number(dentry: u64) -> u64 {
    let inode = Kptr(Kptr(dentry).read_or_zero(offset!(dentry_inode)));
    let superblock = Kptr(inode.read_or_zero(offset!(inode_sb)));
    let dev = u64::from(superblock.read_or_zero::<u32>(offset!(sb_dev)));
    let generation = u64::from(inode.read_or_zero::<u32>(offset!(inode_generation)));
    let mut hasher = Hasher::new();
    hasher.word(inode.read_or_zero(offset!(inode_ino)));
    hasher.word(generation << 32 | dev);
    hasher.finish()
}
