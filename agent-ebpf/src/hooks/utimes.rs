//! Times of files, of the caller's choice.

use crate::hooks::open_attempt;
use crate::hooks::setattr::{Change, Subject, asked, change_of, returned};
use crate::kernel::read_user;
use crate::syscall::{self, Syscall};
use crate::text::Text;
use agent_common::event::AttributeOp;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

/// `UTIME_NOW` and `UTIME_OMIT` in a time's nanoseconds.
const UTIME_NOW: u64 = 0x3fff_ffff;
const UTIME_OMIT: u64 = 0x3fff_fffe;

/// utimensat(directory, path, times, flags): times that the caller chose, not now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_utimensat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let times = call.arg::<2>();
    // Two `struct timespec`: of access, and of modification, which begins 16 bytes later.
    let chosen = |at: u64| {
        read_user::<u64>(at).is_some_and(|nanoseconds| !matches!(nanoseconds, UTIME_NOW | UTIME_OMIT))
    };
    if call.ret == 0 && times != 0 && (chosen(times.wrapping_add(8)) || chosen(times.wrapping_add(24))) {
        times_of(&call, call.arg::<0>() as i32, call.arg::<1>());
    }
    0
}

/// utime(path, times) and utimes: null times are now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_utimes(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 && call.arg::<1>() != 0 {
        times_of(&call, open_attempt::AT_FDCWD, call.arg::<0>());
    }
    0
}

/// futimesat(directory, path, times): null times are now.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_futimesat(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == 0 && call.arg::<2>() != 0 {
        times_of(&call, call.arg::<0>() as i32, call.arg::<1>());
    }
    0
}

/// Without a path it is the descriptor's own file.
#[inline(always)]
fn times_of(call: &Syscall, directory: i32, path: u64) {
    let subject = match syscall::file(directory as u32) {
        Some(file) if path == 0 => Subject::Open(file),
        _ => asked(directory, path),
    };
    let change = Change {
        op: AttributeOp::UTIMES,
        value: 0,
        name: Text::Absent,
    };
    change_of(&change, subject, returned(call, &subject));
}
