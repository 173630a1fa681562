//! Lineage: each exec writes an entry that names its parent's, and touches the parent's so that chains that
//! live stay in the LRU map. Nothing of it is exported: the daemon reads it when an alert needs it.

use crate::arguments::arguments;
use crate::count;
use crate::file::OpenFile;
use crate::global::offset;
use crate::header;
use crate::kernel::{Kptr, Task};
use crate::maps::{CPU_STATE, LINEAGE};
use crate::path;
use crate::scratch;
use agent_common::counter::KernelError;
use agent_common::event::StrRef;
use agent_common::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_PATH};
use agent_common::lineage::{LineageEntry, LineageFlags};
use agent_common::slot::{TaskFlags, TaskLabel};
use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel};
use core::ptr::addr_of_mut;

/// Index of the last exec number in `CPU_STATE`.
const LAST_EXEC: u32 = 0;
const CPU_SHIFT: u32 = 48;

/// A new exec id: unique while the sensor is loaded, never 0.
#[inline(always)]
pub fn next_id() -> u64 {
    let Some(last) = CPU_STATE.get_ptr_mut(LAST_EXEC) else {
        return 0;
    };
    // SAFETY: a live map value of this CPU.
    let number = unsafe {
        *last += 1;
        *last
    };
    // SAFETY: always valid.
    let cpu = u64::from(unsafe { bpf_get_smp_processor_id() });
    number | cpu << CPU_SHIFT
}

/// Writes the entry of the image that `task` begins to execute.
#[inline(never)]
pub fn record(task: Task, label: *mut TaskLabel, parent: u64, open: &OpenFile) -> u32 {
    // SAFETY: a live map value; only its own task changes it.
    let label = unsafe { &*label };
    // A lookup keeps the parent's entry warm.
    let _warm = LINEAGE.get_ptr(&parent);
    let Some(scratch) = scratch::take() else {
        count::error(KernelError::SCRATCH_BUSY);
        return 0;
    };
    let entry: *mut LineageEntry = scratch::begin_entry(scratch);
    let kernel = Kptr(task as u64);
    let leader = kernel.follow(offset!(task_group_leader)).unwrap_or(kernel);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*entry).parent = parent;
        (*entry).time_boot_ns = bpf_ktime_get_boot_ns();
        (*entry).start_boot_ns = leader.read_or_zero(offset!(task_start_boottime));
        (*entry).file = open.object;
        (*entry).tgid = kernel.read_or_zero(offset!(task_tgid));
        (*entry).ns_tgid = header::innermost_pid(leader).map_or(0, |(pid, _)| pid);
        (*entry).uid = kernel
            .follow(offset!(task_real_cred))
            .map_or(0, |cred| cred.read_or_zero(offset!(cred_euid)));
        (*entry).slot = label.slot;
        (*entry).generation = label.generation;
        (*entry).flags = if label.flags & TaskFlags::EXEC_SESSION != 0 {
            LineageFlags::EXEC_SESSION
        } else {
            0
        };
        (*entry).reserved = 0;
        strings(scratch, entry, kernel, open);
        if LINEAGE
            .insert(&label.exec_id, &*entry, u64::from(BPF_ANY))
            .is_err()
        {
            count::error(KernelError::MAP_UPDATE);
        }
    }
    scratch::release(scratch);
    0
}

/// Path, arguments and working directory, cut to what an entry keeps.
///
/// # Safety
/// `entry` is the entry at the start of `scratch`'s record.
#[inline(always)]
unsafe fn strings(scratch: *mut scratch::Scratch, entry: *mut LineageEntry, task: Kptr, open: &OpenFile) {
    // SAFETY: the caller's; each copy is bounded by its field.
    unsafe {
        let args = arguments(scratch, task, LINEAGE_ARGS as u32);
        let mut path = StrRef::default();
        let mut cwd = StrRef::default();
        if let Some(root) = header::root(task) {
            path = path::append(scratch, open.location, root);
            if let Some(location) = header::working_directory(task) {
                cwd = path::append(scratch, location, root);
            }
        }
        let (len, cut) = keep(
            scratch,
            path,
            addr_of_mut!((*entry).path).cast(),
            LINEAGE_PATH as u32,
        );
        (*entry).path_len = len;
        (*entry).flags |= cut * LineageFlags::PATH_TRUNCATED;
        let (len, cut) = keep(
            scratch,
            args,
            addr_of_mut!((*entry).args).cast(),
            LINEAGE_ARGS as u32,
        );
        (*entry).args_len = len;
        (*entry).flags |= cut * LineageFlags::ARGS_TRUNCATED;
        let (len, cut) = keep(
            scratch,
            cwd,
            addr_of_mut!((*entry).cwd).cast(),
            LINEAGE_CWD as u32,
        );
        (*entry).cwd_len = len;
        (*entry).flags |= cut * LineageFlags::CWD_TRUNCATED;
    }
}

/// Copies a string of the record into a field of `max` bytes: its length, and 1 when it was cut.
///
/// # Safety
/// `to` has `max` bytes.
#[inline(always)]
unsafe fn keep(scratch: *mut scratch::Scratch, text: StrRef, to: *mut u8, max: u32) -> (u16, u32) {
    let len = u32::from(text.len & !StrRef::TRUNCATED);
    let mut cut = u32::from(text.len & StrRef::TRUNCATED != 0);
    let kept = if len > max {
        cut = 1;
        max
    } else {
        len
    };
    let from = scratch::record(scratch).wrapping_add(usize::from(text.off) & 0x1fff);
    // SAFETY: the caller's.
    unsafe { bpf_probe_read_kernel(to.cast(), kept, from.cast_const().cast()) };
    (kept as u16, cut)
}
