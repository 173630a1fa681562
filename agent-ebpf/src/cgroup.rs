//! cgroups: their identity, the container id in their names, and which slot they belong to.

use crate::count;
use crate::emit;
use crate::global::{offset, setting};
use crate::header::{self, Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::{CGROUPS, SLOT_STATE, TASKS};
use crate::scratch::{self, Memory, Scratch};
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::{KernelError, Outcome};
use agent_common::event::{ContainerEvent, ContainerOp, EventKind, StrRef};
use agent_common::limits::{MAX_CGROUP_DEPTH, MAX_CONTAINER_ID, MAX_NAME, MAX_PATH};
use agent_common::slot::{CgroupKey, SlotRef};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str};
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

/// Hexadecimal digits of a container id.
const ID_DIGITS: u32 = 64;
/// Hierarchy part of a [`CgroupKey`].
const V2: u32 = 0;
const V1: u32 = 1;

/// Key of a `struct cgroup`; `None` when its hierarchy does not name containers.
#[inline(always)]
pub fn key(cgroup: Kptr) -> Option<CgroupKey> {
    let id = cgroup
        .follow(offset!(cgroup_root))?
        .read::<u32>(offset!(root_hierarchy_id))?;
    let hierarchy = if id == 0 {
        V2
    } else if id == setting!(v1_hierarchy) {
        V1
    } else {
        return None;
    };
    Some(CgroupKey {
        id: cgroup.follow(offset!(cgroup_kn))?.read(offset!(kn_id))?,
        hierarchy,
        reserved: 0,
    })
}

/// Slot of the container that a cgroup belongs to: the index holds a container's own, those that it makes inside are found by
/// looking up, so that they need no memory.
#[inline(always)]
pub fn slot(cgroup: Kptr) -> Option<SlotRef> {
    indexed(cgroup.follow(offset!(cgroup_kn))?, key(cgroup)?).map(|(_, slot)| slot)
}

/// The same for the directory above, and the key under which the index has it.
#[inline(always)]
pub fn slot_above(cgroup: Kptr, own: CgroupKey) -> Option<(CgroupKey, SlotRef)> {
    indexed(
        cgroup.follow(offset!(cgroup_kn))?.follow(offset!(kn_parent))?,
        own,
    )
}

#[inline(always)]
fn indexed(directory: Kptr, key: CgroupKey) -> Option<(CgroupKey, SlotRef)> {
    let key = CgroupKey {
        id: climb(directory.0, key.hierarchy),
        ..key
    };
    // SAFETY: a copy; a removed entry may be reused, then the slot's generation differs.
    let slot = unsafe { CGROUPS.get(&key) }.copied()?;
    Some((key, slot))
}

/// Id of the nearest directory that the index holds, at or above `directory`, the address of a `kernfs_node`; 0: none.
///
/// Global: the verifier looks at it once. Part of each program its ways multiply ("BPF program is too large. Processed 1000001 insn",
/// 6.1).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn climb(directory: u64, hierarchy: u32) -> u64 {
    let mut directory = Kptr(directory);
    for _ in 0..MAX_CGROUP_DEPTH {
        let key = CgroupKey {
            id: directory.read_or_zero(offset!(kn_id)),
            hierarchy,
            reserved: 0,
        };
        // SAFETY: only whether there is one.
        if unsafe { CGROUPS.get(&key) }.is_some() {
            return key.id;
        }
        match directory.follow(offset!(kn_parent)) {
            Some(parent) => directory = parent,
            None => return 0,
        }
    }
    count::error(KernelError::CGROUP_TOO_DEEP);
    0
}

/// The task's cgroup in cgroup2.
#[inline(always)]
pub fn v2_of_task(task: Kptr) -> Option<Kptr> {
    task.follow(offset!(task_cgroups))?.follow(offset!(cset_dfl_cgrp))
}

#[inline(always)]
fn v1_of_task(task: Kptr) -> Option<Kptr> {
    if setting!(v1_hierarchy) == 0 {
        return None;
    }
    let subsystem = offset!(cset_subsys).wrapping_add(setting!(v1_subsystem).wrapping_mul(8));
    task.follow(offset!(task_cgroups))?
        .follow(subsystem)?
        .follow(offset!(css_cgroup))
}

/// Slot of a task by its cgroups: cgroup2 first, then the v1 hierarchy.
#[inline(always)]
pub fn slot_of_task(task: Kptr) -> Option<SlotRef> {
    if let Some(found) = v2_of_task(task).and_then(slot) {
        return Some(found);
    }
    v1_of_task(task).and_then(slot)
}

/// Id of the task's cgroup in the hierarchy that names containers.
#[inline(always)]
pub fn id_of_task(task: Kptr) -> u64 {
    v1_of_task(task)
        .or_else(|| v2_of_task(task))
        .and_then(|cgroup| cgroup.follow(offset!(cgroup_kn)))
        .map_or(0, |kn| kn.read_or_zero(offset!(kn_id)))
}

/// What a cgroup's name says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Holds a container id.
    Container,
    /// A unit of the host's service manager.
    Unit,
    /// Anything else: a container if it turns out to be one.
    Candidate,
}

/// Reads the cgroup's name into the scratch buffer, and leaves the container id (or the whole name) in the
/// first bytes of `name`.
#[inline(never)]
pub fn read_name(scratch: *mut Scratch, cgroup: Kptr) -> Named {
    let Some(name) = cgroup
        .follow(offset!(cgroup_kn))
        .and_then(|kn| kn.follow(offset!(kn_name)))
    else {
        return Named::Unit;
    };
    // SAFETY: scratch memory that this program took; positions are masked.
    unsafe {
        let text = addr_of_mut!((*scratch).name).cast::<u8>();
        addr_of_mut!((*scratch).name).write_bytes(0, 1);
        let written = bpf_probe_read_kernel_str(text.cast(), MAX_CONTAINER_ID as u32, name.0 as *const _);
        if written <= 1 {
            return Named::Unit;
        }
        let len = written as u32 - 1;
        find_id(scratch, len);
        let start = read_volatile(addr_of!((*scratch).name_start)) & 127;
        if read_volatile(addr_of!((*scratch).name_run)) < ID_DIGITS {
            return if is_unit(text, len) {
                Named::Unit
            } else {
                Named::Candidate
            };
        }
        if is_monitor(text, start) {
            return Named::Unit;
        }
        keep_id(scratch, text, start);
        Named::Container
    }
}

/// Moves the digits to the front, and clears what is behind them: the name is a map key.
///
/// # Safety
/// `text` is `scratch.name`.
#[inline(always)]
unsafe fn keep_id(scratch: *mut Scratch, text: *mut u8, start: u32) {
    // SAFETY: `start` and the length are within `name`; the path buffer is free while names are read.
    unsafe {
        let copy = addr_of_mut!((*scratch).path).cast::<u8>();
        bpf_probe_read_kernel(
            copy.cast(),
            ID_DIGITS,
            text.add(start as usize).cast_const().cast(),
        );
        addr_of_mut!((*scratch).name).write_bytes(0, 1);
        bpf_probe_read_kernel(text.cast(), ID_DIGITS, copy.cast_const().cast());
    }
}

/// Looks for 64 hexadecimal digits in a row. Result: `name_run` (64 when found) and `name_start`.
#[inline(always)]
unsafe fn find_id(scratch: *mut Scratch, len: u32) {
    // SAFETY: scratch memory that this program took; the index is bounded by the loop.
    unsafe {
        let run = addr_of_mut!((*scratch).name_run);
        let start = addr_of_mut!((*scratch).name_start);
        let text = addr_of!((*scratch).name).cast::<u8>();
        write_volatile(run, 0);
        write_volatile(start, 0);
        for index in 0..MAX_CONTAINER_ID as u32 {
            if index >= len || read_volatile(run) >= ID_DIGITS {
                break;
            }
            let byte = read_volatile(text.add(index as usize));
            if byte.is_ascii_digit() || (byte >= b'a' && byte <= b'f') {
                write_volatile(run, read_volatile(run) + 1);
            } else {
                write_volatile(run, 0);
                write_volatile(start, index + 1);
            }
        }
    }
}

/// `libpod-conmon-<id>.scope`, `crio-conmon-<id>.scope`: the runtime's monitor, not the container.
#[inline(always)]
unsafe fn is_monitor(text: *const u8, start: u32) -> bool {
    if start < 7 {
        return false;
    }
    // SAFETY: seven bytes before a position within `name`.
    unsafe {
        let before = text.add((core::hint::black_box(start - 7) & 127) as usize);
        *before == b'c' && *before.add(1) == b'o' && *before.add(2) == b'n' && *before.add(3) == b'm'
    }
}

/// `init.scope`, `session-1.scope`: other scopes may be a runtime's (`runc-web.scope`, `machine-x.scope`).
#[inline(always)]
unsafe fn is_hosts_scope(text: *const u8) -> bool {
    // SAFETY: the buffer is longer.
    let start = unsafe { *text.cast::<[u8; 8]>() };
    start == *b"session-" || start == *b"init.sco"
}

/// Names of systemd units, by their suffix.
#[inline(always)]
unsafe fn is_unit(text: *const u8, len: u32) -> bool {
    if len < 6 {
        return false;
    }
    // SAFETY: eight bytes that end at a position within `name` (the buffer has room behind).
    unsafe {
        let tail = text.add((core::hint::black_box(len - 6) & 127) as usize);
        let six = [
            *tail,
            *tail.add(1),
            *tail.add(2),
            *tail.add(3),
            *tail.add(4),
            *tail.add(5),
        ];
        six == *b".scope" && is_hosts_scope(text)
            || six == *b".slice"
            || six == *b".mount"
            || six == *b"socket"
            || six == *b"ervice"
            || (six[1] == b'.' && six[2] == b's' && six[3] == b'w')
    }
}

/// What happened to a container.
#[derive(Clone, Copy)]
pub struct Lifecycle {
    pub op: ContainerOp,
    pub slot: SlotRef,
    /// Address of the cgroup's path; 0: none.
    pub path: u64,
}

/// Reports it. `task` is whoever caused it.
#[inline(never)]
pub fn report(task: Task, lifecycle: &Lifecycle) -> u32 {
    let Some(scratch) = scratch::take() else {
        count::outcome(EventKind::CONTAINER, Outcome::SEEN, lifecycle.slot);
        emit::lose(EventKind::CONTAINER, Outcome::LOST_SCRATCH_BUSY, lifecycle.slot);
        return 0;
    };
    let record: *mut ContainerEvent = scratch::begin(scratch);
    let mut label = match TASKS.get(task) {
        // SAFETY: a live map value.
        Some(label) => unsafe { *label },
        None => label::UNKNOWN,
    };
    label.slot = lifecycle.slot.slot;
    label.generation = lifecycle.slot.generation;
    let report = Report {
        kind: EventKind::CONTAINER,
        origin: Origin::TRACEPOINT,
        flags: 0,
        ret: 0,
    };
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).header.behaviour = NO_BEHAVIOUR;
        header::write(record.cast(), task, &label, report);
        (*record).op = lifecycle.op;
        (*record).slot_flags = 0;
        (*record).id = StrRef::default();
        // Of a container that is gone the slot says nothing.
        if let Some(state) = SLOT_STATE.get_ptr(label.slot)
            && (*state).generation == label.generation
        {
            (*record).slot_flags = (*state).flags.0;
            let id = addr_of!((*state).id) as u64;
            (*record).id = scratch::append_str(scratch, Memory::Kernel(id), MAX_CONTAINER_ID as u32);
        }
        (*record).cgroup = StrRef::default();
        if lifecycle.path != 0 {
            (*record).cgroup = scratch::append_str(scratch, Memory::Kernel(lifecycle.path), MAX_PATH as u32);
        }
    }
    emit::submit_lifecycle(scratch, lifecycle.slot)
}

/// Key of records that are no behaviour.
const NO_BEHAVIOUR: BehaviourKey = BehaviourKey {
    slot: 0,
    epoch: 0,
    kind: EventKind(0),
    access: 0,
    exe_dev: 0,
    exe_id: 0,
    object: [0; 2],
    detail: 0,
};
const _: () = assert!(MAX_NAME >= MAX_CONTAINER_ID + 8);
