//! System calls that tell by themselves: no object behind them is worth resolving. Which they are, and what of each is
//! kept, is the daemon's table.

use crate::emit;
use crate::hash::Hasher;
use crate::header::{Origin, Report};
use crate::kernel::read_user;
use crate::maps::CALLS;
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::event::{CallName, EventKind, RecordFlags, SyscallEvent};
use agent_common::settings::CallRule;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

pub const KIND: EventKind = EventKind::SYSCALL;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;

/// A call to be reported.
#[derive(Clone, Copy)]
pub struct Told {
    pub call: CallName,
    pub args: [u64; 4],
    pub text: Text,
    /// What tells it from others of its name.
    pub key: [u64; 2],
}

/// Where a hook's report comes from: no result is known yet.
#[inline(always)]
pub fn before(origin: Origin, flags: u32) -> Report {
    Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    }
}

/// The same when the call returns.
#[inline(always)]
pub fn returned(call: &Syscall, origin: Origin, flags: u32) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: call.flags() | flags,
        ret: call.result(),
    }
}

/// Reports it.
#[inline(always)]
pub fn report(told: &Told, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let deed = Deed {
        access: if report.ret < 0 { FAILED } else { 0 },
        object: told.key,
        detail: u64::from(told.call.0),
    };
    let Ok(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let record: *mut SyscallEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).args = told.args;
        (*record).call = told.call;
        (*record).text = told.text.append(draft.scratch);
    }
    draft.submit();
}

/// Any call of the daemon's table.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_call(ctx: BtfTracePointContext) -> i32 {
    tabled(&Syscall::of(&ctx));
    0
}

/// As the daemon's table says.
#[inline(always)]
pub fn tabled(call: &Syscall) {
    if let Some(rule) = CALLS.get(call.index()) {
        ruled(call, rule);
    }
}

#[inline(always)]
fn ruled(call: &Syscall, rule: &CallRule) {
    let mut word = 0;
    if rule.words != 0 {
        let address = call.arg_at(rule.structure).wrapping_add(u64::from(rule.word));
        word = u64::from(read_user::<u32>(address).unwrap_or(0));
    }
    if rule.call.0 == 0 || rule.flags & CallRule::UNLESS_ZERO != 0 && word == 0 {
        return;
    }
    let mut args = [0; 4];
    let mut keyed = Hasher::new();
    for index in 0..4 {
        let value =
            call.arg_at(rule.args[index]) & chosen(rule.kept, index) | word & chosen(rule.words, index);
        args[index] = value;
        keyed.word(value & chosen(rule.keyed, index));
    }
    let text = if rule.flags & CallRule::TEXT == 0 {
        Text::Absent
    } else {
        Text::user(call.arg_at(rule.text))
    };
    let name = if rule.flags & CallRule::TEXT_KEYED == 0 {
        0
    } else {
        text.identity()
    };
    let told = Told {
        call: rule.call,
        args,
        text,
        key: [keyed.finish(), name],
    };
    let flags = if rule.flags & CallRule::DEVIATION == 0 {
        0
    } else {
        RecordFlags::DEVIATION
    };
    report(&told, returned(call, Origin::ARGUMENTS, flags));
}

/// All ones when bit `index` is set: the verifier would follow each branch.
#[inline(always)]
fn chosen(bits: u8, index: usize) -> u64 {
    core::hint::black_box(u64::from(bits) >> index & 1).wrapping_neg()
}
