//! What one container may use of what it shares with others: the rings, and the table of deviations.

use crate::atomic;
use crate::maps::{ACTIVITY, QUOTAS};
use agent_common::limits::ACTIVITY_RING_BYTES;
use aya_ebpf::bindings::BPF_RB_AVAIL_DATA;
use aya_ebpf::helpers::generated::{bpf_ktime_get_boot_ns, bpf_ringbuf_query};
use core::ptr::addr_of_mut;

/// Bytes of one container in the urgent ring per second: a sixteenth of the ring.
const URGENT_BYTES: u64 = 64 << 10;
/// Of messages of DNS, which must not take that share.
const NAMES_BYTES: u64 = 16 << 10;
/// Bytes of one container in the other ring per window: a quarter of it, and little once it is half full, so that a flood
/// does not push out what another container shows once, also when the daemon is late.
const ACTIVITY_BYTES: u64 = 1 << 20;
const CROWDED_BYTES: u64 = 16 << 10;
/// 2^30 ns are the second of the urgent ring.
const SECOND_SHIFT: u32 = 30;
/// 2^26 ns, 67 ms, the window of the other: the daemon polls more often.
const WINDOW_SHIFT: u32 = 26;

/// Which ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Urgent,
    /// The urgent ring, for what is no deviation.
    Names,
    Activity,
}

/// Use of a ring by a slot.
#[repr(C)]
pub struct Used {
    window: u64,
    bytes: u64,
}

/// What one slot uses of what it shares with others.
#[repr(C)]
pub struct Quota {
    urgent: Used,
    names: Used,
    activity: Used,
    /// Entries of the table of deviations.
    pub deviations: u64,
}

/// Takes `len` bytes of the slot's share of a ring; false when it has no more in this window.
#[inline(always)]
pub fn is_within_quota(slot: u32, lane: Lane, len: u32) -> bool {
    let Some(quota) = QUOTAS.get_ptr_mut(slot) else {
        return true;
    };
    // SAFETY: a live map value. CPUs that begin a window at once lose a count or two.
    unsafe {
        let now = bpf_ktime_get_boot_ns();
        let (used, window, share) = match lane {
            Lane::Urgent => (addr_of_mut!((*quota).urgent), now >> SECOND_SHIFT, URGENT_BYTES),
            Lane::Names => (addr_of_mut!((*quota).names), now >> SECOND_SHIFT, NAMES_BYTES),
            Lane::Activity => (
                addr_of_mut!((*quota).activity),
                now >> WINDOW_SHIFT,
                activity_share(),
            ),
        };
        if (*used).window != window {
            (*used).window = window;
            (*used).bytes = 0;
        }
        atomic::add(addr_of_mut!((*used).bytes), u64::from(len));
        (*used).bytes <= share
    }
}

#[inline(always)]
fn activity_share() -> u64 {
    // SAFETY: the map outlives the program.
    let waiting = unsafe {
        bpf_ringbuf_query(
            core::ptr::from_ref(&ACTIVITY).cast_mut().cast(),
            u64::from(BPF_RB_AVAIL_DATA),
        )
    };
    if waiting > u64::from(ACTIVITY_RING_BYTES) / 2 {
        CROWDED_BYTES
    } else {
        ACTIVITY_BYTES
    }
}
