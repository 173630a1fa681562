//! A capability is used. Of the many checks of the kernel rules look only at those for capabilities that reach beyond a container: the others
//! are asked for all day. Where a profile says which the image uses all count, and whoever learns it sees the first use of each.

use crate::count;
use crate::emit;
use crate::global::{offset, setting};
use crate::header::{Origin, Report};
use crate::kernel::Kptr;
use crate::policy;
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{CapableEvent, EventKind, RecordFlags};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fexit, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FExitContext, LsmContext};

const KIND: EventKind = EventKind::CAPABLE;
const DAC_READ_SEARCH: u32 = 2;
const LINUX_IMMUTABLE: u32 = 9;
const NET_ADMIN: u32 = 12;
const NET_RAW: u32 = 13;
const SYS_MODULE: u32 = 16;
const SYS_RAWIO: u32 = 17;
const SYS_ADMIN: u32 = 21;
const SYS_PTRACE: u32 = 19;
const SYS_BOOT: u32 = 22;
const SYS_TIME: u32 = 25;
const MKNOD: u32 = 27;
const MAC_ADMIN: u32 = 33;
const SYSLOG: u32 = 34;
const PERFMON: u32 = 38;
const BPF: u32 = 39;
const CHECKPOINT_RESTORE: u32 = 40;
/// What programs that are given them use every day.
const ORDINARY: u64 = mask(&[DAC_READ_SEARCH, NET_ADMIN, NET_RAW, SYS_PTRACE, MKNOD]);
/// Power over the host itself.
const GRAVE: u64 = mask(&[
    LINUX_IMMUTABLE,
    SYS_MODULE,
    SYS_RAWIO,
    SYS_BOOT,
    SYS_TIME,
    MAC_ADMIN,
    SYSLOG,
    PERFMON,
    BPF,
    CHECKPOINT_RESTORE,
]);
/// `CAP_OPT_NOAUDIT`: the kernel wonders, nobody asked.
const NOAUDIT: u32 = 2;
/// In a key's access: it was refused.
const FAILED: u16 = 0x100;

const fn mask(capabilities: &[u32]) -> u64 {
    let (mut mask, mut index) = (0, 0);
    while index < capabilities.len() {
        mask |= 1 << capabilities[index];
        index += 1;
    }
    mask
}

#[inline(always)]
fn is_telling(capability: u32) -> bool {
    capability < 64 && (ORDINARY | GRAVE) >> capability & 1 != 0
}

/// `capable(const struct cred *cred, struct user_namespace *ns, int cap, unsigned int opts)`, since 5.1. The capabilities'
/// own module comes first: what it refuses does not get here.
#[lsm(hook = "capable")]
pub fn lsm_capable(ctx: LsmContext) -> i32 {
    let (capability, options): (u32, u32) = (ctx.arg(2), ctx.arg(3));
    if options & NOAUDIT != 0 {
        return 0;
    }
    policy::errno(used(capability, ctx.arg(1), 0, Origin::LSM))
}

/// `security_capable` returns, the same arguments.
#[fexit(function = "security_capable")]
pub fn fexit_capable(ctx: FExitContext) -> i32 {
    let (capability, options): (u32, u32) = (ctx.arg(2), ctx.arg(3));
    if options & NOAUDIT == 0 {
        used(capability, ctx.arg(1), ctx.arg(4), Origin::FENTRY_TOLD);
    }
    0
}

/// `cap_capable(const struct cred *cred, struct user_namespace *target_ns, const struct user_namespace *capable_ns, int cap,
/// int ret)`, since 6.14. Whether anybody asked is not said, and `CAP_SYS_ADMIN` the kernel wonders about with each mapping.
#[btf_tracepoint(function = "cap_capable")]
pub fn cap_capable(ctx: BtfTracePointContext) -> i32 {
    let capability: u32 = ctx.arg(3);
    if capability != SYS_ADMIN {
        used(capability, ctx.arg(1), ctx.arg(4), Origin::TOLD);
    }
    0
}

/// What is refused is no use of it.
#[inline(always)]
fn used(capability: u32, namespace: u64, ret: i32, origin: Origin) -> Verdict {
    let Some(mut actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let mut verdict = Verdict::NONE;
    if ret == 0 {
        verdict = policy::capability(capability, actor.control.policy);
    }
    if !is_telling(capability) {
        let learned = ret == 0 && actor.exports_all();
        if !learned && !policy::deviates(verdict) {
            count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
            return verdict;
        }
        actor = actor.unwatched();
    }
    report(&actor, capability, namespace, (ret, origin, verdict));
    verdict
}

#[inline(always)]
fn report(actor: &Actor, capability: u32, namespace: u64, (ret, origin, verdict): (i32, Origin, Verdict)) {
    let user_ns = Kptr(namespace).read_or_zero::<u32>(offset!(user_inum));
    let hosts = user_ns == setting!(host.user);
    let deed = Deed {
        access: if ret < 0 { FAILED } else { 0 },
        object: [u64::from(capability), u64::from(hosts)],
        detail: 0,
    };
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let grave = hosts && ret == 0 && GRAVE >> (capability & 63) & 1 != 0;
    let report = Report {
        kind: KIND,
        origin,
        flags: if grave { RecordFlags::DEVIATION } else { 0 },
        ret,
    };
    let record: *mut CapableEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).capability = capability;
        (*record).user_ns = user_ns;
    }
    draft.submit_judged(verdict, origin.means);
}
