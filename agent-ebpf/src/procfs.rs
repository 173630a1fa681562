//! Identity of files in procfs. Their inodes are made anew for each process, so `/proc/<pid>/stat` of every
//! process would be a behaviour of its own: names identify them instead, with process ids generalised to
//! what matters (its own, init's, another's).

use crate::global::offset;
use crate::hash::Hasher;
use crate::header;
use crate::kernel::{Kptr, Task};
use crate::path::Location;
use crate::process;
use crate::text;
use agent_common::magic;
use agent_common::name_hash;

/// Names that are looked at from the file upwards: `/proc/PID/task/TID/name`.
const LEVELS: u32 = 4;
/// Stand-ins for process ids.
const OWN: u64 = 1;
const INIT: u64 = 2;
const OTHER: u64 = 3;

/// `PTRACE_MODE_READ_FSCREDS` and `PTRACE_MODE_ATTACH_FSCREDS`.
const MODE_READ: u32 = 9;
const MODE_ATTACH: u32 = 10;
const MEMORY: u64 = name_hash(b"mem");
const DESCRIPTORS: u64 = name_hash(b"fdinfo");
/// What else tells of a process's memory.
const READ: [u64; 7] = [
    name_hash(b"environ"),
    name_hash(b"maps"),
    name_hash(b"smaps"),
    name_hash(b"smaps_rollup"),
    name_hash(b"numa_maps"),
    name_hash(b"pagemap"),
    name_hash(b"auxv"),
];

/// What the kernel asked, as for ptrace(2), before it opened the file of a process: `PTRACE_MODE_*`. 0: nothing. Which files those are is
/// in the names: what is asked only when a file is read, or a link followed, is not here.
#[inline(always)]
pub fn asked(file: Kptr) -> u32 {
    let Some(location) = file.field(offset!(file_f_path)).and_then(Location::read) else {
        return 0;
    };
    let name = text::dentry_hash(location.dentry);
    let parent = Kptr(location.dentry).read_or_zero(offset!(dentry_parent));
    if name == MEMORY {
        MODE_ATTACH
    } else if READ.contains(&name) || text::dentry_hash(parent) == DESCRIPTORS {
        MODE_READ
    } else {
        0
    }
}

/// The task that a file of procfs is about.
#[inline(always)]
pub fn subject(file: Kptr) -> Option<Kptr> {
    let inode = file.follow(offset!(file_f_inode))?;
    if inode
        .follow(offset!(inode_sb))?
        .read_or_zero::<u64>(offset!(sb_magic)) as u32
        != magic::PROC
    {
        return None;
    }
    let entry = Kptr(inode.0.wrapping_sub(u64::from(offset!(proc_vfs_inode))));
    entry.follow(offset!(proc_pid)).and_then(process::task_of)
}

/// A number for the file's name in procfs.
#[inline(never)]
pub fn identity(task: Task, dentry: u64) -> u64 {
    let kernel = Kptr(task as u64);
    let leader = kernel.follow(offset!(task_group_leader)).unwrap_or(kernel);
    let own = header::innermost_pid(leader).map_or(0, |(pid, _)| pid);
    let mut dentry = Kptr(dentry);
    let mut hasher = Hasher::new();
    for _ in 0..LEVELS {
        let Some(parent) = dentry.follow(offset!(dentry_parent)) else {
            break;
        };
        if parent == dentry {
            break;
        }
        take(&mut hasher, dentry, own);
        dentry = parent;
    }
    hasher.finish()
}

/// The first and the last 16 bytes of a name and its length (`dirty_background_bytes` is not `dirty_background_ratio`), or what kind
/// of process id it is.
#[inline(always)]
fn take(hasher: &mut Hasher, dentry: Kptr, own: u32) {
    let text = dentry.follow(offset!(dentry_name)).unwrap_or(Kptr(0));
    let Some(name) = text.read::<[u64; 2]>(0) else {
        return hasher.word(0);
    };
    // Bytes behind the terminator are whatever was there before.
    let len = dentry.read_or_zero::<u32>(offset!(dentry_name_len));
    let first = keep(name[0], len);
    if (first as u8).is_ascii_digit() && len < 8 {
        return hasher.word(match number(first, len) {
            1 => INIT,
            pid if pid == own => OWN,
            _ => OTHER,
        });
    }
    hasher.word(first);
    hasher.word(keep(name[1], len.saturating_sub(8)));
    let longer = is_longer(len);
    let tail = Kptr(text.0.wrapping_add(u64::from(len).wrapping_sub(16) & longer));
    let tail = tail.read::<[u64; 2]>(0).unwrap_or_default();
    hasher.word(tail[0] & longer);
    hasher.word(tail[1] & longer);
    hasher.word(u64::from(len));
}

/// All bits, when a name has more than its first 16 bytes. Without a branch: the verifier would follow both ways at every level.
#[inline(always)]
fn is_longer(len: u32) -> u64 {
    let sign = core::hint::black_box(16u64.wrapping_sub(u64::from(len))) >> 63;
    0u64.wrapping_sub(sign)
}

/// The first `len` bytes of eight.
#[inline(always)]
fn keep(bytes: u64, len: u32) -> u64 {
    match len {
        0 => 0,
        1..8 => bytes & ((1 << (len * 8)) - 1),
        _ => bytes,
    }
}

/// Decimal digits in little-endian bytes.
#[inline(always)]
fn number(digits: u64, len: u32) -> u32 {
    let mut value = 0u32;
    for index in 0..7 {
        if index < len {
            let digit = (digits >> (index * 8)) as u8;
            value = value * 10 + u32::from(digit.wrapping_sub(b'0'));
        }
    }
    value
}
