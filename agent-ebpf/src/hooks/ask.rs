//! Asks a policy about a deed that nobody does. Attached nowhere; BPF_PROG_TEST_RUN runs it: tests compare its answers with the daemon's.

use crate::policy;
use crate::scratch::{self, Memory};
use agent_common::event::{
    EventHeader, EventKind, ExecEvent, FileOpenEvent, NetEvent, RecordFlags, SocketAddress, StrRef,
};
use agent_common::limits::MAX_PATH;
use aya_ebpf::programs::RawTracePointContext;
use core::ffi::c_void;
use core::ptr::addr_of_mut;

/// Arguments: policy, kind, then the number of a capability, of a file or a program the address of its path (and the mode of the open), of a socket protocol, port and both halves of the
/// address. The answer is a `Verdict`; who asks is the calling process.
///
/// Without aya's macro, which returns 0 for it.
#[unsafe(no_mangle)]
#[unsafe(link_section = "raw_tp/none")]
pub fn ask_policy(ctx: *mut c_void) -> u32 {
    let ctx = RawTracePointContext::new(ctx);
    let (policy, kind) = (ctx.arg::<u64>(0) as u16, EventKind(ctx.arg::<u64>(1) as u16));
    let Some(scratch) = scratch::take() else {
        return u32::MAX;
    };
    let verdict = match kind {
        EventKind::EXEC => {
            let record: *mut ExecEvent = scratch::begin(scratch);
            // SAFETY: scratch memory that this program took.
            unsafe {
                clear(addr_of_mut!((*record).header));
                (*record).parent_exec_id = 0;
                (*record).path = scratch::append_str(scratch, Memory::User(ctx.arg(2)), MAX_PATH as u32);
                (*record).filename = StrRef::default();
                (*record).cwd = StrRef::default();
            }
            policy::exec(scratch, policy)
        }
        EventKind::FILE_OPEN => {
            let record: *mut FileOpenEvent = scratch::begin(scratch);
            // SAFETY: as above.
            unsafe {
                clear(addr_of_mut!((*record).header));
                (*record).path = scratch::append_str(scratch, Memory::User(ctx.arg(2)), MAX_PATH as u32);
                (*record).f_mode = ctx.arg::<u64>(3) as u32;
            }
            policy::open(scratch, policy)
        }
        EventKind::CAPABLE => policy::capability(ctx.arg::<u64>(2) as u32, policy),
        _ => {
            let record: *mut NetEvent = scratch::begin(scratch);
            let halves: [u64; 2] = [ctx.arg(4), ctx.arg(5)];
            let address = SocketAddress {
                // SAFETY: sixteen bytes either way.
                addr: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(halves) },
                port: ctx.arg::<u64>(3) as u16,
                family: 2,
            };
            // SAFETY: as above.
            unsafe {
                clear(addr_of_mut!((*record).header));
                (*record).header.kind = kind;
                (*record).protocol = ctx.arg::<u64>(2) as u16;
                (*record).local = address;
                (*record).remote = address;
            }
            policy::net(scratch, policy)
        }
    };
    scratch::release(scratch);
    verdict.0
}

/// Of no container, and asked before the deed.
unsafe fn clear(header: *mut EventHeader) {
    // SAFETY: the caller's.
    unsafe {
        (*header).slot = 0;
        (*header).generation = 0;
        (*header).flags = RecordFlags(RecordFlags::CGROUP_BACKEND << RecordFlags::BACKEND_SHIFT);
        (*header).behaviour.detail = 0;
    }
}
