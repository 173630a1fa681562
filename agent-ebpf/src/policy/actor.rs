//! Who does it: the classes of a process, by its executable.

use super::path::{packed, path_entries};
use super::{ANY_CLASS, NOT_KNOWN};
use crate::global::offset;
use crate::header;
use crate::kernel::Kptr;
use crate::maps::{LINEAGE, LONG_LINEAGE};
use crate::path::{self, Location};
use crate::scratch::{self, Memory};
use crate::task;
use agent_common::event::ExecEvent;
use agent_common::limits::LINEAGE_PATH;
use agent_common::lineage::LineageFlags;
use agent_common::policy::Table;
use core::ptr::addr_of;

/// Classes of the current task, by its executable. What the record takes for it is given back.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn own_classes(buffer: u32, policy: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return NOT_KNOWN;
    };
    let task = Kptr(task::current() as u64);
    let file = task
        .follow(offset!(task_mm))
        .and_then(|mm| mm.follow(offset!(mm_exe_file)));
    let location = file
        .and_then(|file| file.field(offset!(file_f_path)))
        .and_then(Location::read);
    let (Some(location), Some(root)) = (location, header::root(task)) else {
        return NOT_KNOWN;
    };
    let end = scratch::len(scratch);
    let path = path::append(scratch, location, root);
    scratch::cut(scratch, end);
    path_entries(buffer, packed(path), policy, u32::from(Table::ACTOR.0))
}

/// Classes of who executed the record's program, by lineage. The runtime may start whatever the policy knows.
#[unsafe(no_mangle)]
#[inline(never)]
pub(super) extern "C" fn parent_classes(buffer: u32, policy: u32) -> u64 {
    let Some(scratch) = scratch::taken(buffer) else {
        return NOT_KNOWN;
    };
    let record: *const ExecEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (exec_id, slot) = unsafe { ((*record).parent_exec_id, (*record).header.slot) };
    let Some(entry) = LINEAGE.get_ptr(&exec_id) else {
        return NOT_KNOWN;
    };
    // SAFETY: a live map value; an evicted one may be another's by now, whose path is not what it seems then.
    let (mut head, mut from) = unsafe { (addr_of!((*entry).head), addr_of!((*entry).text) as u64) };
    // SAFETY: as above.
    if unsafe { (*head).slot } != slot {
        return ANY_CLASS;
    }
    // SAFETY: as above.
    if unsafe { (*head).flags } & LineageFlags::PATH_TRUNCATED != 0 {
        let Some(entry) = LONG_LINEAGE.get_ptr(&exec_id) else {
            return 0;
        };
        // SAFETY: as above.
        (head, from) = unsafe { (addr_of!((*entry).head), addr_of!((*entry).text) as u64) };
    }
    // SAFETY: as above.
    let (flags, len) = unsafe { ((*head).flags, u32::from((*head).path_len)) };
    if flags & LineageFlags::PATH_TRUNCATED != 0 || len > LINEAGE_PATH as u32 {
        return 0;
    }
    let end = scratch::len(scratch);
    let path = scratch::append(scratch, Memory::Kernel(from), len);
    scratch::cut(scratch, end);
    path_entries(buffer, packed(path), policy, u32::from(Table::ACTOR.0))
}
