//! capset(2): capabilities that a task has, and now uses or hands on. Dropping them is what careful programs do.

use crate::count;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::credentials::{self, Change, KIND};
use crate::kernel::{Kptr, read_user};
use crate::syscall::Syscall;
use crate::task;
use agent_common::counter::Outcome;
use agent_common::event::CredentialsOp;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const EPERM: i64 = -1;

/// `capset(struct cred *new, const struct cred *old, const kernel_cap_t *effective, const kernel_cap_t *inheritable,
/// const kernel_cap_t *permitted)`, all kernels.
#[lsm(hook = "capset")]
pub fn lsm_capset(ctx: LsmContext) -> i32 {
    setting(ctx.arg(1), ctx.arg(2), ctx.arg(3), Origin::LSM);
    0
}

/// `security_capset`, the same arguments.
#[fentry(function = "security_capset")]
pub fn fentry_capset(ctx: FEntryContext) -> i32 {
    setting(ctx.arg(1), ctx.arg(2), ctx.arg(3), Origin::FENTRY);
    0
}

#[inline(always)]
fn setting(old: u64, effective: u64, inheritable: u64, origin: Origin) {
    let old = Kptr(old);
    let before: u64 = old.read_or_zero(offset!(cred_cap_effective));
    let inherited: u64 = old.read_or_zero(offset!(cred_cap_inheritable));
    let after: u64 = Kptr(effective).read_or_zero(0);
    let handed: u64 = Kptr(inheritable).read_or_zero(0);
    if after & !before == 0 && handed & !inherited == 0 {
        return dropped();
    }
    let change = Change {
        before,
        after,
        inheritable: handed,
        ..Change::new(CredentialsOp::CAPSET)
    };
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    credentials::report(&change, report);
}

#[inline(always)]
fn dropped() {
    if let Some(actor) = task::enter(KIND) {
        count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
    }
}

/// capset(header, data) returns: what the task had before is not known any more. Only who has none left has certainly
/// dropped them.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_capset(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        attempted(&call);
        return 0;
    }
    let cred = credentials::current();
    let after: u64 = cred.read_or_zero(offset!(cred_cap_effective));
    let inheritable: u64 = cred.read_or_zero(offset!(cred_cap_inheritable));
    if after | inheritable == 0 {
        dropped();
        return 0;
    }
    let change = Change {
        after,
        inheritable,
        ..Change::new(CredentialsOp::CAPSET)
    };
    credentials::report(&change, report(&call, Origin::TRACEPOINT));
    0
}

/// The same beside the hooks on objects: the kernel refuses before it asks another security module.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_capset(ctx: BtfTracePointContext) -> i32 {
    attempted(&Syscall::of(&ctx));
    0
}

#[inline(always)]
fn attempted(call: &Syscall) {
    if call.ret != EPERM {
        return;
    }
    // Twice effective, permitted, inheritable: the low half and the high one.
    let data = read_user::<[u32; 4]>(call.arg::<1>()).unwrap_or_default();
    let mut change = Change::new(CredentialsOp::CAPSET);
    change.before = credentials::current().read_or_zero(offset!(cred_cap_effective));
    change.after = u64::from(data[3]) << 32 | u64::from(data[0]);
    credentials::report(&change, report(call, Origin::ARGUMENTS));
}

#[inline(always)]
fn report(call: &Syscall, origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: call.flags(),
        ret: call.result(),
    }
}
