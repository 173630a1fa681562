//! Behaviours that left the kernel: the cache of all, and the table of deviations. Nothing evicts these, and what is taken out takes its
//! count with it at once, so their counts are exact. Each slot has a share of the table.

use crate::atomic;
use crate::count;
use crate::emit::ASKED;
use crate::maps::{BEHAVIOURS, DEVIATIONS, QUOTAS};
use agent_common::behaviour::{BehaviourKey, BehaviourValue, Burst};
use agent_common::counter::KernelError;
use agent_common::event::RecordFlags;
use agent_common::limits::DEVIATIONS_PER_SLOT;
use agent_common::policy::Verdict;
use aya_ebpf::bindings::{BPF_ANY, BPF_NOEXIST};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use core::ptr::addr_of_mut;

/// What an insertion returns where there is no room, and where there is the key already; negated.
const E2BIG: i32 = 7;
const EEXIST: i32 = 17;

/// Counts a repeat, and gives the verdict. The cache is asked first: most of what is done is expected. `flags`: what
/// makes the repeat leave nevertheless.
#[inline(always)]
pub fn repeats(key: &BehaviourKey, known: &mut Verdict, flags: &mut u32) -> bool {
    // What is asked for will be done: counted then.
    let burst = Burst::of(key.kind).filter(|_| key.access & ASKED == 0);
    let cached = BEHAVIOURS
        .get_ptr_mut(key)
        .is_some_and(|value| counts(value, known) && bursts(value, burst, flags));
    cached
        || DEVIATIONS
            .get_ptr_mut(key)
            .is_some_and(|value| counts(value, known) && bursts(value, burst, flags))
}

/// Notes when a counted repeat is one of very many. True: it stays a repeat.
#[inline(always)]
fn bursts(value: *mut BehaviourValue, burst: Option<Burst>, flags: &mut u32) -> bool {
    if let Some(burst) = burst {
        // SAFETY: a live map value.
        unsafe {
            let recent = (*value).recent.next((*value).last_boot_ns, burst);
            (*value).recent = recent;
            if recent.completes(burst) {
                *flags = RecordFlags::BURST;
            }
        }
    }
    true
}

/// What was taken out at this moment is no repeat. A value that the cache evicted may be another's by now: a count is lost then, nothing else.
#[inline(always)]
fn counts(value: *mut BehaviourValue, known: &mut Verdict) -> bool {
    // SAFETY: a live map value.
    unsafe {
        let verdict = (*value).verdict;
        if atomic::fetch_add(addr_of_mut!((*value).count), 1) & BehaviourValue::TAKEN != 0 {
            return false;
        }
        (*value).last_boot_ns = bpf_ktime_get_boot_ns();
        *known = verdict;
    }
    true
}

/// Remembers what has just left the kernel.
#[inline(always)]
pub fn remember(key: &BehaviourKey, value: &BehaviourValue, deviates: bool) {
    if deviates && among_deviations(key, value) {
        return;
    }
    if BEHAVIOURS.insert(key, value, u64::from(BPF_ANY)).is_err() {
        count::error(KernelError::MAP_UPDATE);
    }
}

/// False when it is to be among the expected ones, which is counted where it is for lack of room.
#[inline(always)]
fn among_deviations(key: &BehaviourKey, value: &BehaviourValue) -> bool {
    let Some(quota) = QUOTAS.get_ptr_mut(key.slot) else {
        return false;
    };
    // SAFETY: a live map value.
    let share = unsafe { addr_of_mut!((*quota).deviations) };
    // SAFETY: as above.
    if unsafe { atomic::fetch_add(share, 1) } >= DEVIATIONS_PER_SLOT {
        give_back(share);
        count::error(KernelError::DEVIATIONS_FULL);
        return false;
    }
    let Err(error) = DEVIATIONS.insert(key, value, u64::from(BPF_NOEXIST)) else {
        return true;
    };
    give_back(share);
    match error {
        error if error == -EEXIST => return left_twice(key),
        error if error == -E2BIG => count::error(KernelError::DEVIATIONS_FULL),
        _ => count::error(KernelError::MAP_UPDATE),
    }
    false
}

/// Two processors were first with it, and the other one has remembered it. False: it is being taken out at this moment, so it is among
/// the expected ones until it is taken out next.
#[inline(always)]
fn left_twice(key: &BehaviourKey) -> bool {
    let Some(value) = DEVIATIONS.get_ptr_mut(key) else {
        return false;
    };
    // SAFETY: a live map value.
    unsafe { atomic::fetch_add(addr_of_mut!((*value).count), 1) & BehaviourValue::TAKEN == 0 }
}

/// Takes a behaviour out: how often it occurred.
#[inline(always)]
pub fn take(key: &BehaviourKey) -> u64 {
    let mut taken = 0;
    if let Some(value) = BEHAVIOURS.get_ptr_mut(key) {
        taken += take_count(value);
        // Evicted meanwhile: it leaves again anyway.
        let _absent = BEHAVIOURS.remove(key);
    }
    let Some(value) = DEVIATIONS.get_ptr_mut(key) else {
        return taken;
    };
    taken += take_count(value);
    if DEVIATIONS.remove(key).is_ok()
        && let Some(quota) = QUOTAS.get_ptr_mut(key.slot)
    {
        // SAFETY: a live map value.
        give_back(unsafe { addr_of_mut!((*quota).deviations) });
    }
    taken
}

/// A second one who takes it gets nothing.
#[inline(always)]
fn take_count(value: *mut BehaviourValue) -> u64 {
    // SAFETY: a live map value.
    let taken = unsafe { atomic::exchange(addr_of_mut!((*value).count), BehaviourValue::TAKEN) };
    if taken & BehaviourValue::TAKEN == 0 {
        taken
    } else {
        0
    }
}

#[inline(always)]
fn give_back(share: *mut u64) {
    // SAFETY: the callers': a live map value, to which they added one.
    unsafe { atomic::add(share, u64::MAX) };
}
