//! Slots: how containers get them, which cgroups they hold, and when they are over.

use crate::atomic;
use crate::count;
use crate::maps::{CGROUPS, CONTAINER_IDS, FREE_CANDIDATES, FREE_SLOTS, SLOT_STATE};
use crate::message::debug;
use crate::scratch::Scratch;
use agent_common::counter::KernelError;
use agent_common::event::Namespaces;
use agent_common::limits::{CANDIDATE_SLOTS, MAX_CONTAINER_ID, MAX_SLOTS};
use agent_common::slot::{
    CgroupKey, FIRST_CANDIDATE, FIRST_SLOT, SHARED_SLOT, SlotFlags, SlotRef, SlotState,
};
use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::btf_maps::Queue;
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_map_pop_elem, bpf_probe_read_kernel};
use core::ptr::{addr_of, addr_of_mut};

/// A slot in one register; 0: none.
#[inline(always)]
pub fn pack(slot: SlotRef) -> u64 {
    u64::from(slot.generation) << 32 | u64::from(slot.slot)
}

/// The slot in the register.
#[inline(always)]
pub fn unpack(packed: u64) -> Option<SlotRef> {
    (packed != 0).then_some(SlotRef {
        slot: packed as u32,
        generation: (packed >> 32) as u32,
    })
}

/// Sets flags, and gives those that were set before.
///
/// # Safety
/// `state` is a live map value.
#[inline(always)]
pub unsafe fn set_flags(state: *mut SlotState, flags: u32) -> u32 {
    // SAFETY: the caller's; the word holds `runtime_mnt_ns` too, which stays.
    unsafe { atomic::fetch_or(addr_of_mut!((*state).flags).cast(), u64::from(flags)) as u32 }
}

/// Adds the cgroup to the slot of the container whose id is in the scratch buffer, if somebody knows it already: another hierarchy made it,
/// or the daemon found it.
#[inline(always)]
pub fn join(scratch: *mut Scratch, key: &CgroupKey) -> bool {
    // SAFETY: the id is the first bytes of `name`; a copy is taken of the value.
    let known = unsafe {
        let id = addr_of!((*scratch).name).cast::<[u8; MAX_CONTAINER_ID]>();
        CONTAINER_IDS.get(&*id).copied()
    };
    let Some(slot) = known else { return false };
    let Some(state) = SLOT_STATE.get_ptr_mut(slot.slot) else {
        return false;
    };
    // SAFETY: a live map value.
    let before = unsafe { atomic::fetch_add(state.cast(), SlotState::ONE_CGROUP) };
    // Without one it is ending at this moment.
    if before as u32 == slot.generation
        && before >> 32 != 0
        && CGROUPS.insert(key, slot, u64::from(BPF_NOEXIST)).is_ok()
    {
        return true;
    }
    // SAFETY: a live map value.
    unsafe { atomic::add(state.cast(), SlotState::ONE_CGROUP.wrapping_neg()) };
    false
}

/// Takes a free slot for the container whose id (or name) is in the scratch buffer, and adds the cgroup to it. 0: there is none, or
/// somebody else was first with this container.
#[inline(never)]
pub fn take(scratch: *mut Scratch, flags: u32, key: &CgroupKey) -> u64 {
    let candidate = flags & SlotFlags::CANDIDATE != 0;
    let mut free = SlotRef {
        slot: 0,
        generation: 0,
    };
    if (candidate || !pop(&FREE_SLOTS, &mut free)) && !pop(&FREE_CANDIDATES, &mut free) {
        debug!("a container gets no slot: all are taken");
        exhausted(candidate, key);
        return 0;
    }
    let Some(state) = SLOT_STATE.get_ptr_mut(free.slot) else {
        return 0;
    };
    if !is_free(free.slot, state) {
        count::error(KernelError::SLOT_REFUSED);
        exhausted(candidate, key);
        return 0;
    }
    // SAFETY: a live map value that no other program uses yet; the id is the first bytes of `name`.
    let published = unsafe {
        let id = addr_of!((*scratch).name).cast::<[u8; MAX_CONTAINER_ID]>();
        begin(state, free.generation, id);
        set_flags(state, flags | SlotFlags::TAKEN);
        candidate || CONTAINER_IDS.insert(&*id, free, u64::from(BPF_NOEXIST)).is_ok()
    };
    if published && CGROUPS.insert(key, free, u64::from(BPF_NOEXIST)).is_ok() {
        debug!(
            "slot {} is taken, generation {}, flags {:x}",
            free.slot, free.generation, flags
        );
        return pack(free);
    }
    if published && !candidate {
        forget_id(state, free);
    }
    give_back(state, free);
    0
}

/// Whoever may write to the queue of free slots may put there what is the host's or another container's.
#[inline(always)]
fn is_free(slot: u32, state: *const SlotState) -> bool {
    // SAFETY: a live map value.
    slot >= FIRST_SLOT && slot < SHARED_SLOT && unsafe { (*state).cgroups } == 0
}

#[inline(always)]
fn pop<const N: usize>(queue: &Queue<SlotRef, N>, free: &mut SlotRef) -> bool {
    // SAFETY: the queue writes a `SlotRef`.
    unsafe {
        bpf_map_pop_elem(
            core::ptr::from_ref(queue).cast_mut().cast(),
            core::ptr::from_mut(free).cast(),
        ) == 0
    }
}

/// A container without a slot of its own shares one; a candidate is the host's.
#[inline(always)]
fn exhausted(candidate: bool, key: &CgroupKey) {
    if candidate {
        return count::error(KernelError::CANDIDATES_EXHAUSTED);
    }
    count::error(KernelError::SLOTS_EXHAUSTED);
    let Some(state) = SLOT_STATE.get_ptr_mut(SHARED_SLOT) else {
        return;
    };
    // SAFETY: a live map value. The daemon holds one cgroup of it, so that it never ends.
    let generation = unsafe { atomic::fetch_add(state.cast(), SlotState::ONE_CGROUP) } as u32;
    let shared = SlotRef {
        slot: SHARED_SLOT,
        generation,
    };
    if CGROUPS.insert(key, shared, u64::from(BPF_NOEXIST)).is_err() {
        count::error(KernelError::MAP_UPDATE);
        // SAFETY: a live map value.
        unsafe { atomic::add(state.cast(), SlotState::ONE_CGROUP.wrapping_neg()) };
    }
}

/// Fills the state of a slot that nobody can find yet.
///
/// # Safety
/// `state` is a live map value, `id` its future owner's.
#[inline(always)]
unsafe fn begin(state: *mut SlotState, generation: u32, id: *const [u8; MAX_CONTAINER_ID]) {
    // SAFETY: the caller's.
    unsafe {
        (*state).generation = generation;
        (*state).cgroups = 1;
        (*state).flags = SlotFlags(0);
        (*state).runtime_mnt_ns = 0;
        (*state).namespaces = Namespaces::default();
        (*state).lost_boot_ns = 0;
        (*state).created_boot_ns = bpf_ktime_get_boot_ns();
        bpf_probe_read_kernel(
            addr_of_mut!((*state).id).cast(),
            MAX_CONTAINER_ID as u32,
            id.cast(),
        );
    }
}

/// Gives back a slot that nobody has found.
#[inline(always)]
fn give_back(state: *mut SlotState, free: SlotRef) {
    // SAFETY: a live map value.
    unsafe {
        (*state).cgroups = 0;
        (*state).flags = SlotFlags(0);
    }
    let returned = if free.slot < FIRST_CANDIDATE {
        FREE_SLOTS.push(free, 0)
    } else {
        FREE_CANDIDATES.push(free, 0)
    };
    if returned.is_err() {
        count::error(KernelError::MAP_UPDATE);
    }
}

/// Removes a container's own cgroup from its slot; true when it was the last one.
#[inline(always)]
pub fn forget(key: &CgroupKey, slot: SlotRef) -> bool {
    if CGROUPS.remove(key).is_err() {
        return false;
    }
    let Some(state) = SLOT_STATE.get_ptr_mut(slot.slot) else {
        return false;
    };
    // SAFETY: a live map value; who takes the last cgroup away ends the container.
    unsafe {
        if (*state).generation != slot.generation {
            return false;
        }
        let before = atomic::fetch_add(state.cast(), SlotState::ONE_CGROUP.wrapping_neg());
        if before >> 32 != 1 {
            return false;
        }
        if (*state).flags.0 & SlotFlags::CANDIDATE == 0 {
            forget_id(state, slot);
        }
        set_flags(state, SlotFlags::GONE);
    }
    debug!("slot {} is given back, generation {}", slot.slot, slot.generation);
    true
}

/// The id stands for this slot no longer. Nobody else can have replaced it: it is published only where there is none.
#[inline(always)]
fn forget_id(state: *mut SlotState, slot: SlotRef) {
    // SAFETY: a live map value; a copy is taken of what the id stands for.
    unsafe {
        let id = &(*state).id;
        if CONTAINER_IDS.get(id).copied() == Some(slot) {
            // Another program may have been faster.
            let _absent = CONTAINER_IDS.remove(id);
        }
    }
}

const _: () = assert!(CANDIDATE_SLOTS < MAX_SLOTS);
