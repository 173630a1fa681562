//! Identity of files in procfs. Their inodes are made anew for each process, so `/proc/<pid>/stat` of every
//! process would be a behaviour of its own: names identify them instead, with process ids generalised to
//! what matters (its own, init's, another's).

use crate::global::offset;
use crate::hash::Hasher;
use crate::header;
use crate::kernel::{Kptr, Task};

/// Names that are looked at from the file upwards: `/proc/PID/task/TID/name`.
const LEVELS: u32 = 4;
/// Stand-ins for process ids.
const OWN: u64 = 1;
const INIT: u64 = 2;
const OTHER: u64 = 3;

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

/// The first 16 bytes of a name and its length, or what kind of process id it is.
#[inline(always)]
fn take(hasher: &mut Hasher, dentry: Kptr, own: u32) {
    let Some(name) = dentry
        .follow(offset!(dentry_name))
        .and_then(|name| name.read::<[u64; 2]>(0))
    else {
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
    hasher.word(u64::from(len));
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
