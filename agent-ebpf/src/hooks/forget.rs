//! The daemon's hand in the cache of behaviours: nobody outside the kernel may write there, lest somebody marks as seen what was not.
//! Attached nowhere; BPF_PROG_TEST_RUN runs it. Whoever else does only makes a behaviour leave once more.

use crate::behaviours;
use agent_common::behaviour::BehaviourKey;
use aya_ebpf::programs::RawTracePointContext;
use core::ffi::c_void;

/// Takes the behaviour whose key is the arguments out. Returns how often it occurred; as much as fits a number of 32 bits, which is an hour
/// of nothing else.
///
/// Without aya's macro, which returns 0 for it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/none")]
pub fn forget(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let words: [u64; 6] = [
        ctx.arg(0),
        ctx.arg(1),
        ctx.arg(2),
        ctx.arg(3),
        ctx.arg(4),
        ctx.arg(5),
    ];
    // SAFETY: as many bytes, each pattern of which is a key.
    let key: BehaviourKey = unsafe { core::mem::transmute(words) };
    behaviours::take(&key).min(u64::from(u32::MAX)) as u32
}
