//! Is the sensor blind? The daemon calls bpf(2) with a command that no kernel has; each program on bpf(2) that sees the call answers,
//! and the answer takes the way of every record.

use crate::emit;
use crate::global::setting;
use crate::header::Origin;
use crate::kernel::read_user;
use crate::scratch;
use crate::syscall::Syscall;
use agent_common::event::{EventHeader, EventKind, RecordFlags};
use agent_common::settings::HEARTBEAT_COMMAND;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use core::ptr::addr_of_mut;

/// The daemon calls, with its key.
#[inline(always)]
pub fn is_called(cmd: u32, key: impl FnOnce() -> u64) -> bool {
    cmd == HEARTBEAT_COMMAND && key() == setting!(heartbeat_key)
}

/// The same when the call returns.
#[inline(always)]
pub fn has_returned(call: &Syscall) -> bool {
    is_called(call.arg::<0>() as u32, || read_user(call.arg::<1>()).unwrap_or(0))
}

/// For the dispatcher, which knows no more of a call of the host than its number.
#[inline(always)]
pub fn may_have_returned(call: &Syscall, number: u32) -> bool {
    number == setting!(bpf_call) && call.arg::<0>() as u32 == HEARTBEAT_COMMAND
}

/// Answers. What finds no room is missed by the daemon.
#[inline(always)]
pub fn answer(origin: Origin) {
    let Some(scratch) = scratch::take() else { return };
    let header: *mut EventHeader = scratch::begin(scratch);
    // SAFETY: scratch memory that this program took.
    unsafe {
        core::ptr::write_bytes(header, 0, 1);
        (*header).time_boot_ns = bpf_ktime_get_boot_ns();
        (*header).kind = EventKind::HEARTBEAT;
        addr_of_mut!((*header).flags).write(RecordFlags(origin.flags()));
    }
    emit::submit_heartbeat(scratch);
}
