//! Who acts: the gate that every hook passes first.

use crate::cgroup;
use crate::count;
use crate::global::offset;
use crate::header;
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::{SLOT_CONTROL, SLOT_STATE};
use agent_common::behaviour::BehaviourKey;
use agent_common::counter::Outcome;
use agent_common::event::EventKind;
use agent_common::slot::{NO_SLOT, SlotControl, SlotFlags, SlotRef, TaskFlags, TaskLabel};
use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_get_current_task_btf};

/// A container's task.
#[derive(Clone, Copy)]
pub struct Actor {
    pub task: Task,
    pub label: TaskLabel,
    pub control: SlotControl,
}

/// A behaviour without its actor.
#[derive(Clone, Copy, Default)]
pub struct Deed {
    pub access: u16,
    pub object: [u64; 2],
    pub detail: u64,
}

impl Actor {
    /// Key of the behaviour.
    #[inline(always)]
    pub fn key(&self, kind: EventKind, deed: Deed) -> BehaviourKey {
        BehaviourKey {
            slot: self.label.slot,
            epoch: self.control.epoch,
            kind,
            access: deed.access | session(&self.label),
            exe_dev: self.label.exe_dev,
            exe_id: self.label.exe_id,
            object: deed.object,
            detail: deed.detail,
        }
    }

    /// Whose books its deeds are in.
    #[inline(always)]
    pub fn slot(&self) -> SlotRef {
        owner(&self.label)
    }

    /// As if nobody watched its container: repeats stay in the kernel.
    #[inline(always)]
    pub fn unwatched(self) -> Self {
        let flags = self.control.flags & !SlotControl::EXPORT_ALL;
        Self {
            control: SlotControl {
                flags,
                ..self.control
            },
            ..self
        }
    }

    /// Every event of this container leaves the kernel.
    #[inline(always)]
    pub fn exports_all(&self) -> bool {
        self.control.flags & SlotControl::EXPORT_ALL != 0
    }
}

/// The slot that a label names.
#[inline(always)]
fn owner(label: &TaskLabel) -> SlotRef {
    SlotRef {
        slot: label.slot,
        generation: label.generation,
    }
}

/// In a key's access: by an exec session. Rules judge what `docker exec` does otherwise than the service.
#[inline(always)]
fn session(label: &TaskLabel) -> u16 {
    if label.flags & TaskFlags::EXEC_SESSION != 0 {
        0x8000
    } else {
        0
    }
}

/// The current task.
#[inline(always)]
pub fn current() -> Task {
    // SAFETY: always valid.
    unsafe { bpf_get_current_task_btf() }.cast()
}

/// The task acts with other credentials than its own, as overlayfs lets it do on the layer below. Who has a ring may act with
/// lent ones by himself: nothing of his is taken for overlayfs's.
#[inline(always)]
pub fn acts_for_overlay(task: Task) -> bool {
    let kernel = Kptr(task as u64);
    let ring = kernel.read_or_zero::<u64>(offset!(task_io_uring));
    let lent =
        kernel.read_or_zero::<u64>(offset!(task_cred)) != kernel.read_or_zero::<u64>(offset!(task_real_cred));
    lent && ring == 0 && !header::is_ring_worker(kernel)
}

/// Admits the current task when it acts for a live container, and books that it was seen. Host tasks and what
/// only might become a container are not booked; the runtime's own work in a container is booked as suppressed.
#[inline(always)]
pub fn enter(kind: EventKind) -> Option<Actor> {
    admit(kind, current())
}

/// The same for a task at hand.
#[inline(always)]
pub fn admit(kind: EventKind, task: Task) -> Option<Actor> {
    // SAFETY: a live map value.
    let label = unsafe { *label::of(task)? };
    admit_labelled(kind, task, label)
}

/// The same for programs without task storage: what a task is follows from its cgroup each time.
#[inline(always)]
pub fn enter_by_cgroup(kind: EventKind) -> Option<Actor> {
    // SAFETY: always valid.
    let task = unsafe { bpf_get_current_task() };
    // Most tasks are the host's: the rest of a label costs ten reads more.
    cgroup::slot_of_task(Kptr(task))?;
    let label = label::from_kernel(Kptr(task));
    admit_labelled(kind, task as Task, label)
}

/// The current task with its label, when it is a container's.
#[inline(always)]
pub fn labelled() -> Option<(Task, TaskLabel)> {
    let task = current();
    // SAFETY: a live map value.
    Some((task, unsafe { *label::of(task)? }))
}

/// The same for a task whose label was found already.
#[inline(always)]
pub fn admit_labelled(kind: EventKind, task: Task, label: TaskLabel) -> Option<Actor> {
    if label.slot == NO_SLOT {
        return None;
    }
    let state = SLOT_STATE.get_ptr(label.slot)?;
    // SAFETY: a live map value.
    let flags = unsafe { (*state).flags.0 };
    let is_candidate = flags & (SlotFlags::LIVE | SlotFlags::CANDIDATE) == SlotFlags::CANDIDATE;
    if is_candidate && label.flags & TaskFlags::ORPHAN == 0 {
        return None;
    }
    count::outcome(kind, Outcome::SEEN, owner(&label));
    if label::is_runtime(&label) {
        count::outcome(kind, Outcome::SUPPRESSED_RUNTIME_INIT, owner(&label));
        return None;
    }
    let control = SLOT_CONTROL.get_ptr(label.slot)?;
    // SAFETY: a live map value; one word, so that the policy is the epoch's.
    let control =
        unsafe { core::mem::transmute::<u64, SlotControl>(core::ptr::read_volatile(control.cast())) };
    Some(Actor { task, label, control })
}
