//! A new image is executed in a container: lineage, and a record.

use crate::arguments::arguments;
use crate::atomic;
use crate::cgroup::{self, Lifecycle};
use crate::emit::{self, Draft};
use crate::file::{self, OpenFile};
use crate::global::{offset, setting};
use crate::header::{self, Origin, Report};
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::lineage;
use crate::maps::{SLOT_CONTROL, SLOT_STATE};
use crate::path;
use crate::policy;
use crate::scratch::{self, Memory, Scratch};
use crate::slot;
use crate::stdio;
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::counter::Outcome;
use agent_common::event::{ContainerOp, EventKind, ExecEvent, FileFlags, RecordFlags, StrRef};
use agent_common::limits::{MAX_ARGS, MAX_PATH};
use agent_common::magic;
use agent_common::policy::Verdict;
use agent_common::slot::{NO_SLOT, SlotFlags, SlotRef, SlotState, TaskFlags, TaskLabel};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use core::ptr::addr_of_mut;

const KIND: EventKind = EventKind::EXEC;

/// The image that executes another.
#[derive(Clone, Copy)]
struct Before {
    exec_id: u64,
    exe_id: u64,
    exe_dev: u32,
}

/// What is executed, by the kernel's own description.
struct Image {
    bprm: Kptr,
    /// See [`script`].
    script: u64,
}

/// `sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, all kernels. Fires when the
/// new image is in place: arguments, credentials and namespaces are the new ones.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let task: Task = ctx.arg(0);
    let bprm = Kptr(ctx.arg(2));
    let Some(label) = label::of(task) else {
        label::forget_image(task);
        return 0;
    };
    let Some(file) = bprm.follow(offset!(bprm_file)) else {
        return unreadable(task);
    };
    let Some(open) = OpenFile::read(file) else {
        return unreadable(task);
    };
    let exec_id = lineage::next_id();
    // SAFETY: a live map value; but for who moves it, only its own task changes it.
    let before = unsafe {
        let parent = match atomic::exchange(addr_of_mut!((*label).exec_id), exec_id) {
            0 => label::image_of_parent(task),
            known => known,
        };
        let before = Before {
            exec_id: parent,
            exe_id: (*label).exe_id,
            exe_dev: (*label).exe_dev,
        };
        (*label).exe_id = file::identity(file, &open.object);
        (*label).exe_dev = open.object.dev;
        before
    };
    leave_runtime(task, label);
    lineage::record(task, label, before.exec_id, &open);
    let script = script(task, bprm, exec_id);
    let mut verdict = Verdict::NONE;
    let scratch = report(label, &before, &open, &Image { bprm, script }, &mut verdict);
    if !scratch.is_null() {
        let draft = Draft { scratch };
        verdict = policy::exec(scratch, policy_of(label));
        draft.submit_judged(verdict, Origin::TRACEPOINT.means);
    }
    policy::end(verdict);
    0
}

/// The policy is read again: the stack has no room for it meanwhile. Of another epoch's verdict nobody asks.
#[inline(always)]
fn policy_of(label: *const TaskLabel) -> u16 {
    // SAFETY: live map values.
    unsafe { SLOT_CONTROL.get((*label).slot) }.map_or(0, |control| control.policy)
}

/// Of a script what tells it from others of its interpreter: its name, and where a relative one begins. One that was opened before
/// has a descriptor's number for a name, which tells nothing: each is a behaviour of its own. 0: no script.
#[inline(never)]
pub fn script(task: Task, bprm: Kptr, exec_id: u64) -> u64 {
    let name = bprm.read_or_zero::<u64>(offset!(bprm_filename));
    if name == bprm.read_or_zero::<u64>(offset!(bprm_interp)) {
        return 0;
    }
    let mut identity = Text::kernel(name).identity();
    if Kptr(name).read_or_zero::<[u8; 8]>(0) == *b"/dev/fd/" {
        identity ^= exec_id;
    }
    if Kptr(name).read::<u8>(0) != Some(b'/')
        && let Some(directory) = header::working_directory(Kptr(task as u64))
    {
        identity ^= file::place(directory.dentry);
    }
    identity
}

/// An image that cannot be told is a lost event, when it is a container's.
#[inline(never)]
fn unreadable(task: Task) -> i32 {
    if let Some(actor) = task::admit(KIND, task) {
        emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
    }
    0
}

/// The runtime's part ends with the first image that runs elsewhere than the runtime.
#[inline(never)]
fn leave_runtime(task: Task, label: *mut TaskLabel) -> u32 {
    // SAFETY: a live map value; only its own task changes it.
    let label = unsafe { &mut *label };
    if label.slot == NO_SLOT || label.flags & TaskFlags::RUNTIME_INIT == 0 {
        return 0;
    }
    let Some(state) = SLOT_STATE.get_ptr_mut(label.slot) else {
        return 0;
    };
    // SAFETY: a live map value.
    let (flags, runtime) = unsafe { ((*state).flags.0, (*state).runtime_mnt_ns) };
    let kernel = Kptr(task as u64);
    if header::mount_namespace(kernel) == runtime {
        return 0;
    }
    let mere_candidate = flags & (SlotFlags::CANDIDATE | SlotFlags::LIVE) == SlotFlags::CANDIDATE;
    if mere_candidate && !has_own_pids(kernel) {
        return 0;
    }
    label.flags = label.flags & !TaskFlags::RUNTIME_INIT | TaskFlags::CONTAINED;
    if flags & SlotFlags::LIVE == 0 {
        go_live(task, state, label);
    }
    0
}

#[inline(always)]
fn has_own_pids(task: Kptr) -> bool {
    header::innermost_pid(task).is_some_and(|(_, namespace)| namespace != setting!(host.pid))
}

#[inline(always)]
fn go_live(task: Task, state: *mut SlotState, label: &TaskLabel) {
    // SAFETY: a live map value.
    unsafe {
        (*state).namespaces = header::namespaces(Kptr(task as u64));
        slot::set_flags(state, SlotFlags::LIVE);
    }
    let live = Lifecycle {
        op: ContainerOp::LIVE,
        slot: SlotRef {
            slot: label.slot,
            generation: label.generation,
        },
        path: 0,
    };
    cgroup::report(task, &live);
}

/// The record, for containers, but for its verdict; null: its outcome is booked, and the verdict is known. The label is not looked for again: the stack would not do ("combined stack size of 4 calls is
/// 544. Too large", 6.1).
#[inline(never)]
fn report(
    label: *mut TaskLabel,
    before: &Before,
    open: &OpenFile,
    image: &Image,
    known: &mut Verdict,
) -> *mut Scratch {
    let task = task::current();
    // SAFETY: a live map value.
    let Some(mut actor) = task::admit_labelled(KIND, task, unsafe { *label }) else {
        return core::ptr::null_mut();
    };
    // The old image acts, the new one, which the label names already, is the object.
    let object = [actor.label.exe_id, u64::from(open.object.dev)];
    actor.label.exe_id = before.exe_id;
    actor.label.exe_dev = before.exe_dev;
    let kernel = Kptr(task as u64);
    let stdio = stdio::of(kernel);
    let deed = Deed {
        access: (open.object.flags & FileFlags::UPPER) | (stdio.inet as u16) << 8,
        object,
        detail: image.script,
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => {
            *known = verdict;
            return core::ptr::null_mut();
        }
    };
    let report = Report {
        kind: KIND,
        origin: Origin::TRACEPOINT,
        flags: deviation(open),
        ret: 0,
    };
    let record: *mut ExecEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).parent_exec_id = before.exec_id;
        (*record).file = open.object;
        (*record).stdio = stdio.inet;
        (*record).stdio_peer = stdio.peer;
        (*record).path = StrRef::default();
        (*record).cwd = StrRef::default();
        // First: paths may be long, and what is said to a shell tells more.
        (*record).args = arguments(draft.scratch, kernel, MAX_ARGS as u32);
        if let Some(root) = header::root(kernel) {
            (*record).path = path::append(draft.scratch, open.location, root);
            if let Some(cwd) = header::working_directory(kernel) {
                (*record).cwd = path::append(draft.scratch, cwd, root);
            }
        }
        let name = image.bprm.follow(offset!(bprm_filename)).map_or(0, |name| name.0);
        (*record).filename = scratch::append_str(draft.scratch, Memory::Kernel(name), MAX_PATH as u32);
    }
    draft.scratch
}

/// Code that is not in the image.
#[inline(always)]
fn deviation(open: &OpenFile) -> u32 {
    let flags = open.object.flags;
    if flags & (FileFlags::UPPER | FileFlags::MEMFD) != 0 || open.object.magic == magic::TMPFS {
        RecordFlags::DEVIATION
    } else {
        0
    }
}
