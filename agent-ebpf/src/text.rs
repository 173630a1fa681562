//! Strings as parts of a behaviour's key, and base names.

use crate::directory;
use crate::file;
use crate::global::offset;
use crate::hash::Hasher;
use crate::kernel::{Kptr, number};
use crate::maps::WATCHED_NAMES;
use crate::path::{self, Location};
use crate::scratch::{self, Memory, PATH_MASK, Scratch};
use agent_common::event::StrRef;
use agent_common::limits::{HASHED_NAME, MAX_NAME, MAX_PATH};
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use core::ptr::{addr_of, addr_of_mut, read_volatile};

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
/// Words that are read at once; a chunk ends with a terminator.
const CHUNK_WORDS: usize = 8;
const CHUNK: u64 = CHUNK_WORDS as u64 * 8;
/// Chunks of the longest path: all of a string counts, or one could be hidden behind another of the same beginning.
const CHUNKS: u32 = MAX_PATH as u32 / (CHUNK as u32 - 1) + 1;
/// Bytes of a path's end that are searched for its last component: the longest name, and slashes behind it.
const SEARCHED: u32 = MAX_NAME as u32 + 8;

/// A string of a record, wherever it is.
#[derive(Clone, Copy)]
pub enum Text {
    Absent,
    /// NUL-terminated.
    Memory(Memory),
    /// The path of a place, up to the top of its mount namespace.
    Path(Location),
}

impl Text {
    /// A kernel string behind a pointer that may be null.
    #[inline(always)]
    pub fn kernel(address: u64) -> Self {
        if address == 0 {
            Self::Absent
        } else {
            Self::Memory(Memory::Kernel(address))
        }
    }

    /// A string of the current task that may be null.
    #[inline(always)]
    pub fn user(address: u64) -> Self {
        if address == 0 {
            Self::Absent
        } else {
            Self::Memory(Memory::User(address))
        }
    }

    /// Its address as global functions take it, and whether it is the caller's; 0 when it is not in memory.
    #[inline(always)]
    pub fn address(self) -> (u64, u32) {
        match self {
            Self::Memory(memory) => (memory.number(), memory.is_user()),
            _ => (0, 0),
        }
    }

    /// What stands for it in a key.
    #[inline(always)]
    pub fn identity(self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Memory(memory) => hash_string(memory.number(), memory.is_user()),
            Self::Path(location) => file::place(location.dentry),
        }
    }

    /// Appends it to the record.
    #[inline(always)]
    pub fn append(self, scratch: *mut Scratch) -> StrRef {
        match self {
            Self::Absent => StrRef::default(),
            Self::Memory(memory) => scratch::append_str(scratch, memory, MAX_PATH as u32),
            Self::Path(location) => path::append(scratch, location, Location { dentry: 0, mnt: 0 }),
        }
    }
}

#[inline(always)]
fn fold(hasher: &mut Hasher, words: &[u64; CHUNK_WORDS]) {
    for word in words {
        hasher.word(*word);
    }
}

/// Global, as the others here: see [`scratch::append_bytes`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_string(address: u64, user: u32) -> u64 {
    let mut hasher = Hasher::new();
    for chunk in 0..CHUNKS {
        let chunk = hash_chunk(address.wrapping_add(u64::from(chunk) * (CHUNK - 1)), user);
        hasher.word(chunk);
        if chunk & CONTINUED == 0 {
            break;
        }
    }
    hasher.finish()
}

/// In the hash of a chunk: the string goes on.
const CONTINUED: u64 = 1;

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_chunk(address: u64, user: u32) -> u64 {
    let mut words = [0; CHUNK_WORDS];
    let to = words.as_mut_ptr().cast();
    // SAFETY: the helpers check the address, and write at most the array.
    let read = unsafe {
        if user == 0 {
            bpf_probe_read_kernel_str(to, CHUNK as u32, address as *const _)
        } else {
            bpf_probe_read_user_str(to, CHUNK as u32, address as *const _)
        }
    };
    let mut hasher = Hasher::new();
    fold(&mut hasher, &words);
    let hash = hasher.finish() & !CONTINUED;
    if read == CHUNK as i64 {
        hash | CONTINUED
    } else {
        hash
    }
}

/// Hash of `len` bytes (at most 127) that may hold anything.
#[inline(always)]
pub fn hash_bytes(from: Memory, len: u32) -> u64 {
    hash_any(from.number(), len, from.is_user())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_any(address: u64, len: u32, user: u32) -> u64 {
    let len = core::hint::black_box(len) & 127;
    let mut hasher = Hasher::new();
    hasher.word(u64::from(len));
    // In two parts: with room for all of it the callers' stacks overflow ("combined stack size of 3 calls is 544", 6.1).
    for part in [0, 64] {
        if part >= len {
            break;
        }
        let mut words = [0; CHUNK_WORDS];
        let wanted = if len - part < 64 { len - part } else { 64 };
        let wanted = core::hint::black_box(wanted) & 127;
        if wanted > 64 {
            break;
        }
        let from = address.wrapping_add(u64::from(part));
        let to = words.as_mut_ptr().cast();
        // SAFETY: the helpers check the address, and the length is at most the array's.
        unsafe {
            if user == 0 {
                bpf_probe_read_kernel(to, wanted, from as *const _);
            } else {
                bpf_probe_read_user(to, wanted, from as *const _);
            }
        }
        fold(&mut hasher, &words);
    }
    hasher.finish()
}

/// True when the base name with this hash is watched.
#[inline(always)]
pub fn is_watched(hash: u64) -> bool {
    // SAFETY: the value is not looked at.
    unsafe { WATCHED_NAMES.get(hash) }.is_some()
}

/// `agent_common::name_hash` of a dentry's name.
#[inline(always)]
pub fn dentry_hash(dentry: u64) -> u64 {
    hash_dentry(number(dentry))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_dentry(dentry: u64) -> u64 {
    let dentry = Kptr(dentry);
    let mut name = [0_u8; HASHED_NAME];
    let len = dentry.read_or_zero::<u32>(offset!(dentry_name_len));
    let Some(from) = dentry.follow(offset!(dentry_name)) else {
        return 0;
    };
    // SAFETY: the helper checks the address. Bytes behind the name are read too, and not used.
    unsafe {
        bpf_probe_read_kernel_str(name.as_mut_ptr().cast(), HASHED_NAME as u32, from.0 as *const _);
        if len >= HASHED_NAME as u32 {
            bpf_probe_read_kernel(name.as_mut_ptr().cast(), HASHED_NAME as u32, from.0 as *const _);
        }
    }
    let mut hash = FNV_BASIS;
    for (index, byte) in (0..).zip(name) {
        if index >= len {
            break;
        }
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    hash
}

/// `agent_common::name_hash` of the last component of a path that ends after `room` bytes (at most a path's) at the latest, its
/// terminator among them; slashes at its end do not count. `None` without scratch memory.
#[inline(always)]
pub fn base_name_hash(path: Memory, room: u32) -> Option<u64> {
    match hash_name(path.number(), path.is_user(), room) {
        0 => None,
        hash => Some(hash),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_name(address: u64, user: u32, room: u32) -> u64 {
    let Some(scratch) = scratch::take() else { return 0 };
    read_path(scratch, address, user, room);
    let hash = name_in(scratch);
    scratch::release(scratch);
    hash
}

/// Where a path that is a text stands, as [`crate::directory::Entry`]: what stands before the last component, and that component
/// when it is watched. 0 without scratch memory.
#[inline(always)]
pub fn entry(path: Memory, from: u64) -> u64 {
    hash_entry(path.number(), path.is_user(), from)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_entry(address: u64, user: u32, from: u64) -> u64 {
    let Some(scratch) = scratch::take() else { return 0 };
    read_path(scratch, address, user, MAX_PATH as u32);
    let name = name_in(scratch);
    let folder = hash_folder(scratch::number(scratch));
    scratch::release(scratch);
    directory::entry(folder ^ from, name)
}

/// Reads a path into the path buffer, and finds its last component.
#[inline(always)]
fn read_path(scratch: *mut Scratch, address: u64, user: u32, room: u32) {
    let room = if room < MAX_PATH as u32 {
        room
    } else {
        MAX_PATH as u32
    };
    // SAFETY: scratch memory that this program took, with room for a whole path; the helpers check the address.
    let read = unsafe {
        let text = addr_of_mut!((*scratch).path).cast::<u8>().cast();
        if user == 0 {
            bpf_probe_read_kernel_str(text, room, address as *const _)
        } else {
            bpf_probe_read_user_str(text, room, address as *const _)
        }
    };
    find_name(scratch, if read < 1 { 0 } else { read as u32 - 1 });
}

/// `agent_common::name_hash` of the component that was found.
#[inline(always)]
fn name_in(scratch: *mut Scratch) -> u64 {
    // SAFETY: scratch memory that this program took; positions are masked.
    unsafe {
        let text = addr_of!((*scratch).path).cast::<u8>();
        let start = read_volatile(addr_of!((*scratch).name_start));
        let len = read_volatile(addr_of!((*scratch).name_run));
        let mut hash = FNV_BASIS;
        for index in 0..HASHED_NAME as u32 {
            if index >= len {
                break;
            }
            let at = core::hint::black_box(start + index) & PATH_MASK;
            hash = (hash ^ u64::from(*text.add(at as usize))).wrapping_mul(FNV_PRIME);
        }
        hash
    }
}

/// Hash of what stands before it; the path is cut there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_folder(buffer: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    // SAFETY: scratch memory that this program took; the position is masked.
    unsafe {
        let text = addr_of_mut!((*scratch).path).cast::<u8>();
        let end = core::hint::black_box(read_volatile(addr_of!((*scratch).name_start))) & PATH_MASK;
        *text.add(end as usize) = 0;
        hash_string(number(text as u64), 0)
    }
}

/// Finds the last component of the `len` bytes in the path buffer: `name_start` and `name_run`.
#[inline(always)]
fn find_name(scratch: *mut Scratch, len: u32) {
    // SAFETY: scratch memory that this program took; positions are masked.
    unsafe {
        let text = addr_of!((*scratch).path).cast::<u8>();
        let start = addr_of_mut!((*scratch).name_start);
        let run = addr_of_mut!((*scratch).name_run);
        // Nothing but slashes: all of it stands before a name that is empty.
        start.write_volatile(len);
        run.write_volatile(0);
        for back in 1..=SEARCHED {
            if back > len {
                break;
            }
            let at = core::hint::black_box(len - back) & PATH_MASK;
            let found = run.read_volatile();
            if *text.add(at as usize) != b'/' {
                start.write_volatile(at);
                run.write_volatile(found + 1);
            } else if found != 0 {
                break;
            }
        }
    }
}
