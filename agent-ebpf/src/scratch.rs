//! Scratch memory for records and paths, several buffers per CPU: a program can be preempted by another on
//! the same CPU, so each buffer is taken with an atomic exchange and given back.
//!
//! Lengths and positions are kept in the buffer and masked when used: the verifier forgets what it knew of
//! them, so loops stay cheap for it, and the masks bound every access.

use crate::atomic;
use crate::kernel::{self, Kptr};
use crate::maps::SCRATCH;
use agent_common::event::StrRef;
use agent_common::limits::{MAX_NAME, MAX_PATH, MAX_RECORD, SCRATCH_BUFFERS};
use aya_ebpf::helpers::generated::{
    bpf_probe_read_kernel, bpf_probe_read_kernel_str, bpf_probe_read_user, bpf_probe_read_user_str,
};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

/// Mask of a position in the record.
pub const RECORD_MASK: u32 = MAX_RECORD as u32 - 1;
/// Mask of a position in, and of the length of, a path.
pub const PATH_MASK: u32 = MAX_PATH as u32 - 1;

/// State of a path walk; see [`crate::path`].
#[repr(C)]
pub struct Walk {
    pub dentry: u64,
    pub mnt: u64,
    pub root_dentry: u64,
    pub root_mnt: u64,
    /// First byte of the path in `Scratch::path`.
    pub start: u32,
    /// 1: the top was reached.
    pub complete: u32,
}

/// One buffer.
#[repr(C)]
pub struct Scratch {
    busy: u64,
    /// End of the record so far.
    cursor: u32,
    /// Which buffer of its CPU it is.
    number: u32,
    pub walk: Walk,
    /// Room for one string behind the largest position.
    record: [u8; MAX_RECORD + MAX_PATH],
    /// Paths are written from the end; room for one component before a masked position wraps.
    pub path: [u8; MAX_PATH + MAX_NAME],
    /// A name being looked at: cgroup names, container ids.
    pub name: [u8; MAX_NAME],
    pub name_run: u32,
    pub name_start: u32,
}

/// Where a string comes from.
#[derive(Clone, Copy)]
pub enum Memory {
    Kernel(u64),
    User(u64),
}

impl Memory {
    /// Its address as global functions take it.
    #[inline(always)]
    pub fn number(self) -> u64 {
        match self {
            Self::Kernel(address) | Self::User(address) => kernel::number(address),
        }
    }

    /// What is there, or zero.
    #[inline(always)]
    pub fn read_or_zero<T: Default>(self) -> T {
        match self {
            Self::Kernel(address) => Kptr(address).read_or_zero(0),
            Self::User(address) => kernel::read_user_or_zero(address),
        }
    }

    /// As global functions take it.
    #[inline(always)]
    pub fn is_user(self) -> u32 {
        match self {
            Self::Kernel(_) => 0,
            Self::User(_) => 1,
        }
    }
}

/// Takes a free buffer of this CPU.
#[inline(always)]
pub fn take() -> Option<*mut Scratch> {
    for index in 0..SCRATCH_BUFFERS {
        let scratch = SCRATCH.get_ptr_mut(index)?;
        // SAFETY: a live map value.
        unsafe {
            if atomic::exchange(addr_of_mut!((*scratch).busy), 1) == 0 {
                write_volatile(addr_of_mut!((*scratch).number), index);
                return Some(scratch);
            }
        }
    }
    None
}

/// What [`taken`] finds a buffer by.
#[inline(always)]
pub fn number(scratch: *mut Scratch) -> u32 {
    // SAFETY: a live map value.
    unsafe { read_volatile(addr_of!((*scratch).number)) }
}

/// A buffer that this program took: global functions are given its number, as they can be given no pointer.
#[inline(always)]
pub fn taken(number: u32) -> Option<*mut Scratch> {
    SCRATCH.get_ptr_mut(number)
}

/// Gives a buffer back.
#[inline(always)]
pub fn release(scratch: *mut Scratch) {
    // SAFETY: a live map value that this program took.
    unsafe { write_volatile(addr_of_mut!((*scratch).busy), 0) };
}

/// Begins a record whose fixed part is a `T`; its bytes are undefined until written.
#[inline(always)]
pub fn begin<T>(scratch: *mut Scratch) -> *mut T {
    const { assert!(size_of::<T>() <= 512) };
    // SAFETY: a live map value; the record is 8-aligned in it.
    unsafe {
        write_volatile(addr_of_mut!((*scratch).cursor), size_of::<T>() as u32);
        addr_of_mut!((*scratch).record).cast()
    }
}

/// Length of the record so far.
#[inline(always)]
pub fn len(scratch: *mut Scratch) -> u32 {
    // SAFETY: a live map value.
    unsafe { read_volatile(addr_of!((*scratch).cursor)) & RECORD_MASK }
}

/// First byte of the record.
#[inline(always)]
pub fn record(scratch: *mut Scratch) -> *mut u8 {
    // SAFETY: a live map value.
    unsafe { addr_of_mut!((*scratch).record).cast() }
}

/// Appends `len` bytes; cut to what a record holds. Unreadable memory appends nothing.
#[inline(always)]
pub fn append(scratch: *mut Scratch, from: Memory, len: u32) -> StrRef {
    unpack(append_bytes(number(scratch), from.number(), from.is_user(), len))
}

/// Appends a NUL-terminated string of at most `max` bytes (and never more than a path), without its terminator.
#[inline(always)]
pub fn append_str(scratch: *mut Scratch, from: Memory, max: u32) -> StrRef {
    unpack(append_string(number(scratch), from.number(), from.is_user(), max))
}

/// [`append`]. Global functions are looked at once, whatever their callers know; others once for each of the ways to their calls,
/// which multiply. They are given numbers only, and give one.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_bytes(buffer: u32, address: u64, user: u32, len: u32) -> u32 {
    let Some(scratch) = taken(buffer) else { return 0 };
    let cursor = self::len(scratch);
    let room = RECORD_MASK - cursor;
    let mut flag = 0;
    let mut wanted = len;
    if wanted > PATH_MASK || wanted > room {
        wanted = if room < PATH_MASK { room } else { PATH_MASK };
        flag = StrRef::TRUNCATED;
    }
    // Opaque to the compiler: it must not drop the mask that the verifier needs.
    let wanted = core::hint::black_box(wanted) & PATH_MASK;
    if wanted == 0 {
        return pack(0, flag);
    }
    // SAFETY: `cursor + wanted` is within `record` by the two masks; the helpers check the address.
    let failed = unsafe {
        let to = addr_of_mut!((*scratch).record).cast::<u8>().add(cursor as usize);
        if user == 0 {
            bpf_probe_read_kernel(to.cast(), wanted, address as *const _)
        } else {
            bpf_probe_read_user(to.cast(), wanted, address as *const _)
        }
    };
    if failed != 0 {
        return 0;
    }
    advance(scratch, cursor, wanted);
    pack(cursor, wanted as u16 | flag)
}

/// [`append_str`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_string(buffer: u32, address: u64, user: u32, max: u32) -> u32 {
    let Some(scratch) = taken(buffer) else { return 0 };
    let cursor = self::len(scratch);
    let room = RECORD_MASK - cursor;
    let max = if max < room { max } else { room };
    let max = if max < PATH_MASK { max } else { PATH_MASK };
    let max = core::hint::black_box(max) & PATH_MASK;
    if max == 0 {
        return pack(0, StrRef::TRUNCATED);
    }
    // SAFETY: as above.
    let written = unsafe {
        let to = addr_of_mut!((*scratch).record).cast::<u8>().add(cursor as usize);
        if user == 0 {
            bpf_probe_read_kernel_str(to.cast(), max, address as *const _)
        } else {
            bpf_probe_read_user_str(to.cast(), max, address as *const _)
        }
    };
    if written <= 1 {
        return 0;
    }
    let bytes = written as u32 - 1;
    advance(scratch, cursor, bytes);
    let flag = if written as u32 == max {
        StrRef::TRUNCATED
    } else {
        0
    };
    pack(cursor, bytes as u16 | flag)
}

/// A [`StrRef`] in one number.
#[inline(always)]
pub fn pack(off: u32, len: u16) -> u32 {
    off & 0xffff | u32::from(len) << 16
}

#[inline(always)]
pub fn unpack(packed: u32) -> StrRef {
    StrRef {
        off: packed as u16,
        len: (packed >> 16) as u16,
    }
}

/// Takes back what was appended behind `end`, which [`len`] gave. It stays readable until more is appended.
#[inline(always)]
pub fn cut(scratch: *mut Scratch, end: u32) {
    // SAFETY: a live map value.
    unsafe { write_volatile(addr_of_mut!((*scratch).cursor), end & RECORD_MASK) };
}

/// Replaces the first byte of a string of the record.
#[inline(always)]
pub fn set_first(scratch: *mut Scratch, text: StrRef, byte: u8) {
    let at = core::hint::black_box(u32::from(text.off)) & RECORD_MASK;
    // SAFETY: a live map value; a masked position is within the record.
    unsafe { *addr_of_mut!((*scratch).record).cast::<u8>().add(at as usize) = byte };
}

#[inline(always)]
fn advance(scratch: *mut Scratch, cursor: u32, bytes: u32) {
    // SAFETY: a live map value.
    unsafe { write_volatile(addr_of_mut!((*scratch).cursor), (cursor + bytes) & RECORD_MASK) };
}
