//! Out of the kernel: the behaviour cache, and the only user of the two rings.

use crate::behaviours;
use crate::count;
use crate::header::{self, Report};
use crate::maps::{ACTIVITY, ALERTS, CPU_STATE, SLOT_STATE};
use crate::message;
use crate::policy;
use crate::quota::{Lane, is_within_quota};
use crate::scratch::{self, Scratch};
use crate::task::{self, Actor, Deed};
use agent_common::behaviour::{BehaviourKey, BehaviourValue, Recent};
use agent_common::counter::{KernelError, Outcome};
use agent_common::event::{EventHeader, EventKind, RecordFlags};
use agent_common::policy::Verdict;
use agent_common::slot::SlotRef;
use aya_ebpf::bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_output};

/// Index of the last wake-up in `CPU_STATE`.
const LAST_WAKE: u32 = 1;
/// A CPU wakes the daemon at most once per this time, ns; it polls anyway.
const WAKE_INTERVAL_NS: u64 = 1_000_000;

/// In a key's access: asked for, not yet done.
pub const ASKED: u16 = 0x1000;

/// A record to be filled: behaviour admitted, scratch taken.
pub struct Draft {
    pub scratch: *mut Scratch,
}

/// Books a repeat, or takes scratch memory for the record. An error: the outcome is booked; it is what the policy said of the first
/// occurrence.
#[inline(always)]
pub fn draft(actor: &Actor, kind: EventKind, deed: Deed) -> Result<Draft, Verdict> {
    let mut known = Verdict::NONE;
    let scratch = judge(actor, kind, &deed, &mut known);
    if scratch.is_null() {
        Err(known)
    } else {
        Ok(Draft { scratch })
    }
}

/// A function of its own: with the key on the hooks' stacks, kernels before 6.13 refuse them ("combined stack size of
/// 2 calls is 608. Too large").
#[inline(never)]
fn judge(actor: &Actor, kind: EventKind, deed: &Deed, known: &mut Verdict) -> *mut Scratch {
    let key = actor.key(kind, *deed);
    let Some(flags) = leaves(actor, &key, known) else {
        return core::ptr::null_mut();
    };
    let Some(scratch) = scratch::take() else {
        lose(kind, Outcome::LOST_SCRATCH_BUSY, actor.slot());
        return core::ptr::null_mut();
    };
    note(scratch, &key, flags);
    scratch
}

/// [`draft`] in scratch memory that was needed before, to know the deed. `None`: it is given back.
#[inline(always)]
pub fn draft_in(scratch: *mut Scratch, actor: &Actor, kind: EventKind, deed: Deed) -> Option<Draft> {
    let key = actor.key(kind, deed);
    let Some(flags) = leaves(actor, &key, &mut Verdict::default()) else {
        scratch::release(scratch);
        return None;
    };
    note(scratch, &key, flags);
    Some(Draft { scratch })
}

/// What the record's flags say of its being a repeat. `None`: it stays in the kernel, and is booked.
#[inline(always)]
fn leaves(actor: &Actor, key: &BehaviourKey, known: &mut Verdict) -> Option<u32> {
    let mut flags = 0;
    if !behaviours::repeats(key, known, &mut flags) {
        return Some(0);
    }
    if flags == 0 && !actor.exports_all() {
        count::outcome(key.kind, Outcome::REPEATED, actor.slot());
        return None;
    }
    Some(flags | RecordFlags::REPEAT)
}

/// Until the record begins.
#[inline(always)]
fn note(scratch: *mut Scratch, key: &BehaviourKey, flags: u32) {
    // SAFETY: scratch memory that this program took.
    unsafe {
        let header = scratch::record(scratch).cast::<EventHeader>();
        (*header).behaviour = *key;
        (*header).flags = RecordFlags(flags);
    }
}

impl Draft {
    /// Begins the record: its fixed part is a `T` that starts with the header.
    #[inline(always)]
    pub fn begin<T>(&self, actor: &Actor, report: Report) -> *mut T {
        let record: *mut T = scratch::begin(self.scratch);
        // SAFETY: scratch memory that this program took; `judge` left what it knows in the flags.
        let known = unsafe { (*record.cast::<EventHeader>()).flags.0 };
        let report = Report {
            flags: report.flags | known,
            ..report
        };
        header::fill(record.cast::<EventHeader>(), actor, report);
        record
    }

    /// The same with a head that was written before, but for its time.
    #[inline(always)]
    pub fn begin_with<T>(&self, actor: &Actor, head: &EventHeader) -> *mut T {
        let record: *mut T = scratch::begin(self.scratch);
        let header: *mut EventHeader = record.cast();
        // SAFETY: scratch memory that this program took; `note` left what it knows.
        unsafe {
            let (flags, behaviour) = ((*header).flags.0, (*header).behaviour);
            *header = *head;
            (*header).flags.0 |= flags;
            (*header).behaviour = behaviour;
            (*header).slot = actor.label.slot;
            (*header).generation = actor.label.generation;
            (*header).exec_id = actor.label.exec_id;
            (*header).time_boot_ns = bpf_ktime_get_boot_ns();
        }
        record
    }

    /// Submits the record, books the outcome, and gives the scratch memory back.
    #[inline(always)]
    pub fn submit(self) {
        submit(self.scratch, Verdict::NONE.0, 0);
    }

    /// The same for what is only asked for: reported when it is to be denied. What may be done is remembered, but whoever sees it done reports it.
    #[inline(always)]
    pub fn submit_asked(self, verdict: Verdict, means: u32) {
        if policy::denies(verdict) {
            submit(self.scratch, verdict.0, means);
        } else {
            keep(self.scratch, verdict.0);
        }
    }

    /// The same with what the policy says of it. `means`: the bit of [`RecordFlags`] for how the hook denies.
    #[inline(always)]
    pub fn submit_judged(self, verdict: Verdict, means: u32) {
        submit(self.scratch, verdict.0, means);
    }
}

/// Submits a behaviour's record. It counts as having left only when the ring took it.
#[inline(never)]
fn submit(scratch: *mut Scratch, verdict: u32, means: u32) -> u32 {
    let header: *mut EventHeader = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    unsafe { (*header).flags.0 |= said(verdict, means) };
    // SAFETY: scratch memory that this program took.
    let (kind, flags, time, slot) = unsafe {
        (
            (*header).kind,
            (*header).flags.0,
            (*header).time_boot_ns,
            SlotRef {
                slot: (*header).slot,
                generation: (*header).generation,
            },
        )
    };
    let len = scratch::len(scratch);
    let urgent = if kind == EventKind::DNS {
        // Names come before the contacts that they explain.
        is_within_quota(slot.slot, Lane::Names, len)
    } else {
        flags & RecordFlags::DEVIATION != 0 && is_urgent(slot.slot, len)
    };
    if !urgent && !is_within_quota(slot.slot, Lane::Activity, len) {
        lose(kind, Outcome::LOST_QUOTA, slot);
    } else if !output(scratch, urgent) {
        lose(kind, Outcome::LOST_RING_FULL, slot);
    } else {
        count::outcome(kind, Outcome::SENT, slot);
        if flags & RecordFlags::REPEAT == 0 {
            remember(header, time, verdict, flags);
        }
    }
    scratch::release(scratch);
    0
}

/// What a verdict adds to the record's flags.
#[inline(always)]
fn said(verdict: u32, means: u32) -> u32 {
    let mut flags = 0;
    if verdict & Verdict::DEVIATION.0 != 0 {
        flags |= RecordFlags::DEVIATION | RecordFlags::OUTSIDE_POLICY;
    }
    if verdict & Verdict::DENY != 0 {
        flags |= RecordFlags::DEVIATION | means;
    }
    flags
}

/// `flags`: of the record that left.
#[inline(always)]
fn remember(header: *const EventHeader, time: u64, verdict: u32, flags: u32) {
    let value = BehaviourValue {
        count: 1,
        first_boot_ns: time,
        last_boot_ns: time,
        verdict: Verdict(verdict),
        recent: Recent::first(time),
    };
    // SAFETY: scratch memory that this program took; the kernel copies the key.
    let key = unsafe { &(*header).behaviour };
    behaviours::remember(key, &value, flags & RecordFlags::DEVIATION != 0);
}

#[inline(never)]
fn keep(scratch: *mut Scratch, verdict: u32) -> u32 {
    let header: *const EventHeader = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (kind, time, slot) = unsafe {
        let slot = SlotRef {
            slot: (*header).slot,
            generation: (*header).generation,
        };
        ((*header).kind, (*header).time_boot_ns, slot)
    };
    count::outcome(kind, Outcome::SUPPRESSED_DUPLICATE, slot);
    // No record left: it is no deviation yet.
    remember(header, time, verdict, 0);
    scratch::release(scratch);
    0
}

/// Submits a record that is no behaviour (CONTAINER): always the urgent ring, never cached.
#[inline(never)]
pub fn submit_lifecycle(scratch: *mut Scratch, slot: SlotRef) -> u32 {
    count::outcome(EventKind::CONTAINER, Outcome::SEEN, slot);
    if output(scratch, true) {
        count::outcome(EventKind::CONTAINER, Outcome::SENT, slot);
    } else {
        lose(EventKind::CONTAINER, Outcome::LOST_RING_FULL, slot);
    }
    scratch::release(scratch);
    0
}

/// Submits an answer to the daemon: nobody's deed, so no books hold it.
#[inline(always)]
pub fn submit_heartbeat(scratch: *mut Scratch) {
    output(scratch, true);
    scratch::release(scratch);
}

/// What exceeds a container's share of the urgent ring goes with the activity, so that one noisy container cannot push
/// another's alert out.
#[inline(always)]
fn is_urgent(slot: u32, len: u32) -> bool {
    let within = is_within_quota(slot, Lane::Urgent, len);
    if !within {
        count::error(KernelError::ALERT_QUOTA);
    }
    within
}

/// Books a lost record, and marks its container.
#[inline(always)]
pub fn lose(kind: EventKind, reason: Outcome, slot: SlotRef) {
    count::outcome(kind, reason, slot);
    message::lost(kind, reason, slot.slot);
    if let Some(state) = SLOT_STATE.get_ptr_mut(slot.slot) {
        // SAFETY: a live map value; the last writer wins.
        unsafe { (*state).lost_boot_ns = bpf_ktime_get_boot_ns() };
    }
}

/// Books what the current task did to an object that cannot be had: a sibling thread closed the descriptor, or gave it another
/// file, between the call and its return.
#[inline(always)]
pub fn lose_unreadable(kind: EventKind) {
    if let Some(actor) = task::enter(kind) {
        lose(kind, Outcome::LOST_UNREADABLE, actor.slot());
    }
}

#[inline(always)]
fn output(scratch: *mut Scratch, urgent: bool) -> bool {
    let len = scratch::len(scratch);
    let record = scratch::record(scratch);
    // SAFETY: the length is masked to the record's size.
    unsafe {
        (*record.cast::<EventHeader>()).len = len as u16;
        let ret = if urgent {
            bpf_ringbuf_output(
                core::ptr::from_ref(&ALERTS).cast_mut().cast(),
                record.cast(),
                u64::from(len),
                wake_flags(),
            )
        } else {
            bpf_ringbuf_output(
                core::ptr::from_ref(&ACTIVITY).cast_mut().cast(),
                record.cast(),
                u64::from(len),
                u64::from(BPF_RB_NO_WAKEUP),
            )
        };
        ret == 0
    }
}

/// Wakes the daemon for an urgent record, but not for each of a burst: a wake-up costs ten times the record.
#[inline(always)]
fn wake_flags() -> u64 {
    let Some(last) = CPU_STATE.get_ptr_mut(LAST_WAKE) else {
        return u64::from(BPF_RB_FORCE_WAKEUP);
    };
    // SAFETY: a live map value of this CPU.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        if now.wrapping_sub(*last) < WAKE_INTERVAL_NS {
            return u64::from(BPF_RB_NO_WAKEUP);
        }
        *last = now;
    }
    u64::from(BPF_RB_FORCE_WAKEUP)
}
