//! DNS messages in scratch memory: what tells one question, and one answer, from others.

use crate::hash::Hasher;
use crate::scratch::{self, Memory, PATH_MASK, Scratch};
use agent_common::event::{EventHeader, SocketAddress, StrRef};
use agent_common::limits::MAX_DNS_MESSAGE;
use agent_common::slot::TaskLabel;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;
use aya_ebpf::programs::sk_buff::SkBuff;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

/// Who asks for names over a socket.
#[repr(C)]
pub struct Asker {
    pub label: TaskLabel,
    /// Without a behaviour's key.
    pub head: EventHeader,
    pub server: SocketAddress,
    pub protocol: u16,
    pub reserved: u16,
}

/// Where a message stands in the scratch memory's path: its first question is aligned then.
const PLACE: u32 = 4;
const HEAD: u32 = 12;
const QUESTION: u32 = PLACE + HEAD;
/// Type and class.
const QUESTION_TAIL: u32 = 4;
/// Head, root and tail.
const SHORTEST: u32 = HEAD + 1 + QUESTION_TAIL;
const LONGEST: u32 = MAX_DNS_MESSAGE as u32;
const MAX_LABELS: u32 = 128;
const MAX_LABEL: u32 = 63;
/// Words of the longest message.
const MAX_WORDS: u32 = LONGEST / 8;
/// In each byte, what tells small letters from capital ones: resolvers mix these at random.
const SMALL: u64 = 0x2020_2020_2020_2020;

/// Records of an answer that are looked at.
const MAX_RECORDS: u32 = 16;
/// Behind a record's name: type, class, time to live, length.
const RECORD_HEAD: u32 = 10;
/// What begins a reference to another name, and its bytes.
const REFERENCE: u32 = 0xc0;
const REFERENCE_LEN: u32 = 2;

/// A message of which a copy is in scratch memory.
#[derive(Clone, Copy)]
pub struct Message {
    /// Behind the last byte.
    end: u32,
    is_cut: bool,
}

impl Message {
    /// Copies what of the packet begins at `offset`. `None`: it is too short.
    #[inline(always)]
    pub fn copy(packet: &SkBuff, offset: u32, scratch: *mut Scratch) -> Option<Self> {
        let whole = packet.len().wrapping_sub(offset);
        if whole < SHORTEST || whole > u32::from(u16::MAX) {
            return None;
        }
        let is_cut = whole > LONGEST;
        // Opaque to the compiler: it must not drop the mask that the verifier needs.
        let len = core::hint::black_box(if is_cut { LONGEST } else { whole }) & PATH_MASK;
        if len < SHORTEST {
            return None;
        }
        // SAFETY: scratch memory that this program took; the place and a masked length are within `path`.
        let failed = unsafe {
            let to = addr_of_mut!((*scratch).path).cast::<u8>().add(PLACE as usize);
            bpf_skb_load_bytes(packet.skb.cast(), offset, to.cast(), len)
        };
        let end = PLACE + len;
        for byte in 0..size_of::<u64>() as u32 {
            clear(scratch, end + byte);
        }
        (failed == 0).then_some(Self { end, is_cut })
    }

    /// A number for the first question, and its type; `None`: there is none.
    #[inline(always)]
    pub fn question(self, scratch: *mut Scratch) -> Option<Question> {
        let buffer = scratch::number(scratch);
        let end = name_end(buffer, QUESTION, self.end);
        if end == 0 || half(scratch, PLACE + 4) == 0 {
            return None;
        }
        // What a name refers to may stand anywhere.
        let refers = byte(scratch, end - REFERENCE_LEN) >= REFERENCE;
        let told = if refers { self.end } else { end };
        Some(Question {
            name: name_hash(buffer, told),
            kind: half(scratch, end),
            end: end + QUESTION_TAIL,
        })
    }

    /// A number for what the answer says: its code, and its records in whatever order.
    #[inline(always)]
    pub fn answer(self, scratch: *mut Scratch, question: &Question) -> u64 {
        let code = u64::from(byte(scratch, PLACE + 3) & 0xf);
        records(scratch::number(scratch), question.end, self.end).wrapping_add(code)
    }

    /// Appends it to the record.
    #[inline(always)]
    pub fn append(self, scratch: *mut Scratch) -> StrRef {
        // SAFETY: scratch memory that this program took.
        let from = unsafe { addr_of!((*scratch).path).cast::<u8>().add(PLACE as usize) } as u64;
        let mut text = scratch::append(scratch, Memory::Kernel(from), self.end - PLACE);
        if self.is_cut {
            text.len |= StrRef::TRUNCATED;
        }
        text
    }
}

/// What a message asks for.
#[derive(Clone, Copy)]
pub struct Question {
    /// Keyed hash.
    pub name: u64,
    /// Type of the records, 1 for A.
    pub kind: u32,
    /// Where it ends.
    end: u32,
}

/// Where the name at `from` ends, behind its root or what it refers to; 0 when it is none. Label by label: a byte that is zero may be data.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn name_end(buffer: u32, from: u32, end: u32) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let mut at = from;
    for _ in 0..MAX_LABELS {
        if at > LONGEST {
            return 0;
        }
        let label = byte(scratch, at);
        if label >= REFERENCE {
            return within(at + REFERENCE_LEN, end);
        }
        at += 1 + label;
        if label > MAX_LABEL {
            return 0;
        }
        if label == 0 {
            return within(at, end);
        }
    }
    0
}

/// The end of a name, when type and class follow it.
#[inline(always)]
fn within(at: u32, end: u32) -> u32 {
    if at + QUESTION_TAIL <= end { at } else { 0 }
}

/// Keyed hash of the first name, or more, up to `end`. Up to seven bytes behind it count too: they are the question's, nothing, or what all
/// messages of one resolver have there.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn name_hash(buffer: u32, end: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let mut hasher = Hasher::new();
    for index in 0..MAX_WORDS {
        let at = QUESTION + index * 8;
        if at >= end {
            break;
        }
        // SAFETY: scratch memory that this program took; a masked position, aligned, with room behind it.
        let word = unsafe {
            let path = addr_of!((*scratch).path).cast::<u8>();
            read_volatile(path.add((at & PATH_MASK) as usize).cast::<u64>())
        };
        hasher.word(word | SMALL);
    }
    hasher.finish()
}

/// Sum of the hashes of an answer's records, which begin at `at`. Without their names and times to live, which fall; and of what a record holds
/// the first and the last four bytes: all of an IPv4 address.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn records(buffer: u32, at: u32, end: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let count = half(scratch, PLACE + 6);
    let mut at = at;
    let mut sum = 0_u64;
    for index in 0..MAX_RECORDS {
        if index >= count || at > LONGEST {
            break;
        }
        let head = name_end(buffer, at, end);
        if head == 0 || head + RECORD_HEAD > end {
            break;
        }
        let kind = half(scratch, head);
        let data = head + RECORD_HEAD;
        at = data + half(scratch, data - 2);
        let mut hasher = Hasher::new();
        hasher.word(u64::from(kind) << 32 | u64::from(word(scratch, data)));
        hasher.word(word(scratch, at.wrapping_sub(4)).into());
        sum = sum.wrapping_add(hasher.finish());
    }
    sum
}

/// A byte of the message.
#[inline(always)]
fn byte(scratch: *mut Scratch, at: u32) -> u32 {
    let at = core::hint::black_box(at) & PATH_MASK;
    // SAFETY: scratch memory that this program took; a masked position.
    u32::from(unsafe { read_volatile(addr_of!((*scratch).path).cast::<u8>().add(at as usize)) })
}

/// What was there belonged to another message.
#[inline(always)]
fn clear(scratch: *mut Scratch, at: u32) {
    let at = core::hint::black_box(at) & PATH_MASK;
    // SAFETY: scratch memory that this program took; a masked position.
    unsafe { write_volatile(addr_of_mut!((*scratch).path).cast::<u8>().add(at as usize), 0) };
}

/// Two of them, as numbers stand in messages.
#[inline(always)]
fn half(scratch: *mut Scratch, at: u32) -> u32 {
    byte(scratch, at) << 8 | byte(scratch, at + 1)
}

/// Four of them.
#[inline(always)]
fn word(scratch: *mut Scratch, at: u32) -> u32 {
    half(scratch, at) << 16 | half(scratch, at + 2)
}
