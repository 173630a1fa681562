//! Lineage: each exec of a container writes an entry that names its parent's, and touches the parent's so that chains that
//! live stay in the LRU map. The host's processes get theirs when something of them enters a container, or has something done to it by one.
//! Nothing of it is exported: the daemon reads it when an alert needs it.

use crate::arguments::arguments;
use crate::count;
use crate::file::OpenFile;
use crate::global::offset;
use crate::hash::Hasher;
use crate::header;
use crate::kernel::{Kptr, Task, number};
use crate::label;
use crate::maps::{CPU_STATE, LINEAGE, LONG_LINEAGE, SEED};
use crate::path;
use crate::scratch::{self, Scratch};
use crate::task;
use agent_common::counter::KernelError;
use agent_common::event::StrRef;
use agent_common::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_PATH, LINEAGE_TEXT};
use agent_common::lineage::{EXEC_ID_OF_HOST, LineageFlags, LineageHead, LongLineage, ShortLineage};
use agent_common::slot::{NO_SLOT, TaskFlags, TaskLabel};
use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::bpf_get_smp_processor_id;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;

/// Index of the last exec number in `CPU_STATE`.
const LAST_EXEC: u32 = 0;
const CPU_SHIFT: u32 = 48;
/// Ancestors of a process of the host that are written: a runtime, its shim and who started it.
const MAX_HOST_ANCESTORS: u32 = 6;

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
    write(Kptr(task as u64), label, parent, open)
}

/// Exec id of what a process of the host executes now, whose entry is written unless it is there; so are its ancestors'. 0: nothing.
#[inline(always)]
pub fn of_host(task: Kptr) -> u64 {
    write_hosts(number(task.0))
}

/// A global function, which the verifier looks at once and not for each way to it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn write_hosts(task: u64) -> u64 {
    let mut process = leader(Kptr(task));
    let first = host_id(process);
    let mut id = first;
    for _ in 0..MAX_HOST_ANCESTORS {
        if id == 0 || LINEAGE.get_ptr(&id).is_some() {
            break;
        }
        let parent = leader(process.follow(offset!(task_real_parent)).unwrap_or(Kptr(0)));
        let parent_id = host_id(parent);
        write_host(process.0, id, parent_id);
        (process, id) = (parent, parent_id);
    }
    first
}

/// A process executes one image after the other. Threads of the kernel execute none: 0.
#[inline(always)]
fn host_id(process: Kptr) -> u64 {
    if process.follow(offset!(task_mm)).is_none() {
        return 0;
    }
    let tgid = process.read_or_zero::<u32>(offset!(task_tgid));
    let start = process.read_or_zero::<u64>(offset!(task_start_boottime));
    // SAFETY: a copy of a plain number.
    if let Some(seed) = unsafe { SEED.get(tgid) }
        && label::is_older_than_sensor(start)
    {
        return seed.exec_id;
    }
    let mut hasher = Hasher::new();
    hasher.word(start);
    hasher.word(tgid.into());
    hasher.word(process.read_or_zero::<u64>(offset!(task_self_exec_id)));
    hasher.finish() & (EXEC_ID_OF_HOST - 1) | EXEC_ID_OF_HOST
}

#[inline(always)]
fn leader(task: Kptr) -> Kptr {
    task.follow(offset!(task_group_leader)).unwrap_or(task)
}

/// Global as well: looked at once instead of for each ancestor.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn write_host(process: u64, exec_id: u64, parent: u64) -> u32 {
    let process = Kptr(process);
    let label = TaskLabel {
        exec_id,
        ..label::UNKNOWN
    };
    let file = process
        .follow(offset!(task_mm))
        .and_then(|mm| mm.follow(offset!(mm_exe_file)));
    let Some(open) = file.and_then(OpenFile::read) else {
        return 0;
    };
    write(process, &label, parent, &open)
}

#[inline(always)]
fn write(task: Kptr, label: &TaskLabel, parent: u64, open: &OpenFile) -> u32 {
    let Some(scratch) = scratch::take() else {
        count::error(KernelError::SCRATCH_BUSY);
        return 0;
    };
    let entry: *mut LineageHead = scratch::begin(scratch);
    let leader = leader(task);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*entry).parent = parent;
        (*entry).time_boot_ns = bpf_ktime_get_boot_ns();
        (*entry).start_boot_ns = leader.read_or_zero(offset!(task_start_boottime));
        (*entry).file = open.object;
        (*entry).tgid = task.read_or_zero(offset!(task_tgid));
        (*entry).ns_tgid = header::innermost_pid(leader).map_or(0, |(pid, _)| pid);
        (*entry).uid = task
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
        strings(scratch, entry, task, open);
        insert(label.exec_id, entry);
    }
    scratch::release(scratch);
    0
}

/// # Safety
/// `entry` is at the start of a record, its text behind it.
#[inline(always)]
unsafe fn insert(exec_id: u64, entry: *mut LineageHead) {
    // SAFETY: the caller's; a record is longer than both, and the kernel copies them.
    unsafe {
        if (*entry).text_len() > LINEAGE_TEXT as u32 {
            let long = &*entry.cast::<LongLineage>();
            if LONG_LINEAGE.insert(&exec_id, long, u64::from(BPF_ANY)).is_err() {
                count::error(KernelError::MAP_UPDATE);
            }
            (*entry).fit(LINEAGE_TEXT);
        }
        let short = &*entry.cast::<ShortLineage>();
        if LINEAGE.insert(&exec_id, short, u64::from(BPF_ANY)).is_err() {
            count::error(KernelError::MAP_UPDATE);
        }
    }
}

/// Path, arguments and working directory, one behind the other, cut to what is kept of each.
///
/// # Safety
/// `entry` is at the start of `scratch`'s record.
#[inline(always)]
unsafe fn strings(scratch: *mut Scratch, entry: *mut LineageHead, task: Kptr, open: &OpenFile) {
    // SAFETY: the caller's.
    unsafe {
        let root = header::root(task);
        let path = root.map_or(StrRef::default(), |root| {
            path::append(scratch, open.location, root)
        });
        let (len, cut) = keep(scratch, path, LINEAGE_PATH as u32);
        (*entry).path_len = len;
        (*entry).flags |= cut * LineageFlags::PATH_TRUNCATED;
        let mut args = StrRef::default();
        if task.0 == task::current() as u64 {
            args = arguments(scratch, task, LINEAGE_ARGS as u32);
        } else {
            // Another's memory is out of reach.
            (*entry).flags |= LineageFlags::ARGS_IN_PROCFS;
        }
        let (len, cut) = keep(scratch, args, LINEAGE_ARGS as u32);
        (*entry).args_len = len;
        (*entry).flags |= cut * LineageFlags::ARGS_TRUNCATED;
        let mut cwd = StrRef::default();
        // Of the host's, which stand in ancestries only, nobody asks.
        if (*entry).slot != NO_SLOT
            && let Some(root) = root
            && let Some(location) = header::working_directory(task)
        {
            cwd = path::append(scratch, location, root);
        }
        let (len, cut) = keep(scratch, cwd, LINEAGE_CWD as u32);
        (*entry).cwd_len = len;
        (*entry).flags |= cut * LineageFlags::CWD_TRUNCATED;
    }
}

/// Keeps at most `max` bytes of the record's last string: its length, and 1 when it was cut.
#[inline(always)]
fn keep(scratch: *mut Scratch, text: StrRef, max: u32) -> (u16, u32) {
    let len = u32::from(text.len & !StrRef::TRUNCATED);
    if len > max {
        scratch::cut(scratch, u32::from(text.off) + max);
        return (max as u16, 1);
    }
    (len as u16, u32::from(text.len & StrRef::TRUNCATED != 0))
}
