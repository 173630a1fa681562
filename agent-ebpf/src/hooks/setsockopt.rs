//! setsockopt(2) that puts a program on a socket: sniffers, and back doors that wait for a packet.

use crate::header::Origin;
use crate::hooks::call::{self, Told};
use crate::syscall::Syscall;
use crate::text::Text;
use agent_common::event::{CallName, RecordFlags};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const SOL_SOCKET: u32 = 1;
const SO_ATTACH_FILTER: u32 = 26;
const SO_ATTACH_BPF: u32 = 50;
const SO_ATTACH_REUSEPORT_CBPF: u32 = 51;
const SO_ATTACH_REUSEPORT_EBPF: u32 = 52;

/// setsockopt(fd, level, option, value, len).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_setsockopt(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    if attaches(&call) {
        attached(&call, call.arg::<2>() as u32);
    }
    0
}

/// Servers set options by thousands.
#[inline(always)]
pub fn attaches(call: &Syscall) -> bool {
    // As the kernel takes them: the upper halves of registers do not count.
    let (level, option) = (call.arg::<1>() as u32, call.arg::<2>() as u32);
    let attaches = matches!(
        option,
        SO_ATTACH_FILTER | SO_ATTACH_BPF | SO_ATTACH_REUSEPORT_CBPF | SO_ATTACH_REUSEPORT_EBPF
    );
    level == SOL_SOCKET && attaches
}

#[inline(always)]
fn attached(call: &Syscall, option: u32) {
    let told = Told {
        call: CallName::SETSOCKOPT,
        args: [0, SOL_SOCKET.into(), option.into(), 0],
        text: Text::Absent,
        key: [SOL_SOCKET.into(), option.into()],
    };
    // Classic filters are every device manager's and DHCP client's.
    let flags = if matches!(option, SO_ATTACH_BPF | SO_ATTACH_REUSEPORT_EBPF) {
        RecordFlags::DEVIATION
    } else {
        0
    };
    call::report(&told, call::returned(call, Origin::ARGUMENTS, flags));
}
