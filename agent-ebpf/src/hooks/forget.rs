//! The daemon's hand in the cache of behaviours: nobody outside the kernel may write there, lest somebody marks as seen what was not.
//! Attached nowhere; BPF_PROG_TEST_RUN runs it. Whoever else does only makes a behaviour leave once more.

use crate::maps::BEHAVIOURS;
use agent_common::behaviour::BehaviourKey;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

/// Takes the behaviour whose key is the arguments out of the cache.
#[raw_tracepoint(tracepoint = "none")]
pub fn forget(ctx: RawTracePointContext) -> i32 {
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
    // Evicted meanwhile: it leaves again anyway.
    let _absent = BEHAVIOURS.remove(&key);
    0
}
