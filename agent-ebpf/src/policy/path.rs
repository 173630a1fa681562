//! Entries that stand for a path, and the path of a script.

use super::form_entry;
use crate::global::setting;
use crate::scratch::{self, Memory, RECORD_MASK, Scratch};
use agent_common::event::{EventHeader, ExecEvent, RecordFlags, StrRef};
use agent_common::policy::{Form, MAX_POLICY_PATH, PathHash, PolicyKey, Table};
use core::ptr::addr_of;

/// Absolute path of the script that the record's program interprets, as it was called; behind the record's end. Empty: none.
#[inline(always)]
pub(super) fn script(scratch: *mut Scratch) -> StrRef {
    let record: *const ExecEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (script, name, cwd) = unsafe {
        let header: *const EventHeader = addr_of!((*record).header);
        ((*header).behaviour.detail, (*record).filename, (*record).cwd)
    };
    if script == 0 || name.len & StrRef::TRUNCATED != 0 {
        return StrRef::default();
    }
    if byte(scratch, u32::from(name.off)) == b'/' {
        return name;
    }
    absolute(scratch, cwd, name)
}

/// `./name` and `name` in a working directory.
#[inline(always)]
fn absolute(scratch: *mut Scratch, cwd: StrRef, name: StrRef) -> StrRef {
    if cwd.len & StrRef::TRUNCATED != 0 {
        return StrRef::default();
    }
    let mut skipped = 0;
    if byte(scratch, u32::from(name.off)) == b'.' && byte(scratch, u32::from(name.off) + 1) == b'/' {
        skipped = 2;
    }
    let end = scratch::len(scratch);
    let folder = if cwd.len == 1 { 0 } else { u32::from(cwd.len) };
    let start = scratch::record(scratch) as u64;
    let first = scratch::append(
        scratch,
        Memory::Kernel(start.wrapping_add(u64::from(cwd.off))),
        folder,
    );
    // The separator: any byte will do, and becomes one.
    let separator = scratch::append(scratch, Memory::Kernel(start), 1);
    scratch::set_first(scratch, separator, b'/');
    let from = start.wrapping_add(u64::from(name.off) + skipped);
    let rest = scratch::append(
        scratch,
        Memory::Kernel(from),
        u32::from(name.len).wrapping_sub(skipped as u32),
    );
    let len = scratch::len(scratch).wrapping_sub(end);
    scratch::cut(scratch, end);
    let cut = (first.len | rest.len) & StrRef::TRUNCATED;
    StrRef {
        off: end as u16,
        len: len as u16 & !StrRef::TRUNCATED | cut,
    }
}

#[inline(always)]
fn byte(scratch: *mut Scratch, at: u32) -> u8 {
    let at = core::hint::black_box(at) & RECORD_MASK;
    // SAFETY: a masked position is within the record.
    unsafe { *scratch::record(scratch).add(at as usize) }
}

#[inline(always)]
pub(super) fn packed(text: StrRef) -> u32 {
    scratch::pack(u32::from(text.off), text.len)
}

/// All entries of the table that stand for the path. What is cut stands for nothing: its beginning is not known; nor does what is named in
/// another root, which who made that root could name as he liked.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn path_entries(buffer: u32, text: u32, policy: u32, table: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let (start, len) = (text & 0xffff, text >> 16);
    let header: *const EventHeader = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let chrooted = unsafe { (*header).flags.0 } & RecordFlags::CHROOTED != 0;
    if len == 0 || len & u32::from(StrRef::TRUNCATED) != 0 || chrooted {
        return 0;
    }
    let table = Table(table as u16);
    let mut hash = PathHash::new([setting!(policy_key[0]), setting!(policy_key[1])]);
    let mut folder = 0;
    let mut entries = 0;
    for index in 0..=MAX_POLICY_PATH as u32 {
        if index == len {
            entries |= path_entry(policy, table, Form::EXACT, hash.finish());
            entries |= path_entry(policy, table, Form::WITHIN, folder);
            break;
        }
        let byte = byte(scratch, start + index);
        if byte == b'/' {
            folder = hash.finish();
            entries |= path_entry(policy, table, Form::BELOW, folder);
        }
        hash = hash.with(byte);
    }
    entries
}

#[inline(always)]
fn path_entry(policy: u32, table: Table, form: Form, hash: u64) -> u64 {
    form_entry(&PolicyKey::path(policy, table, form, hash), form)
}
