//! prctl(2): names and memory that make a process look like another, and ambient capabilities.

use crate::global::offset;
use crate::header::{Origin, Report};
use crate::hooks::call::{self, Told};
use crate::hooks::credentials::{self, Change};
use crate::syscall::Syscall;
use crate::task;
use crate::text::Text;
use agent_common::event::{CallName, CredentialsOp, RecordFlags};
use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const PR_SET_NAME: u32 = 15;
const PR_SET_MM: u32 = 35;
const PR_CAP_AMBIENT: u32 = 47;
const PR_CAP_AMBIENT_RAISE: u64 = 2;
/// Beginnings of names that the kernel's own threads have, and `ps` puts in brackets.
const KERNEL_THREADS: [&[u8]; 9] = [
    b"[",
    b"kworker",
    b"kthread",
    b"ksoftirq",
    b"migratio",
    b"rcu_",
    b"kswapd",
    b"kdevtmpf",
    b"watchdog",
];

/// prctl(option, …).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_prctl(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let (option, argument) = (call.arg::<0>() as u32, call.arg::<1>());
    if option == PR_SET_NAME {
        named(&call);
    } else if option == PR_SET_MM {
        mapped(&call, argument);
    } else if option == PR_CAP_AMBIENT && argument == PR_CAP_AMBIENT_RAISE {
        raised(&call);
    }
    0
}

/// The thread has the name now.
#[inline(always)]
fn named(call: &Syscall) {
    let name = bpf_get_current_comm().unwrap_or_default();
    let mut first = [0; 8];
    first.copy_from_slice(&name[..8]);
    if !is_like_kernel(u64::from_le_bytes(first)) {
        return;
    }
    let address = (task::current() as u64).wrapping_add(u64::from(offset!(task_comm)));
    let text = Text::kernel(address);
    let told = Told {
        call: CallName::PRCTL,
        args: [u64::from(PR_SET_NAME), 0, 0, 0],
        text,
        key: [u64::from(PR_SET_NAME), text.identity()],
    };
    call::report(
        &told,
        call::returned(call, Origin::TRACEPOINT, RecordFlags::DEVIATION),
    );
}

#[inline(always)]
fn is_like_kernel(first: u64) -> bool {
    KERNEL_THREADS.iter().any(|name| {
        let (wanted, mask) = prefix(name);
        first & mask == wanted
    })
}

/// The bytes as a little-endian word, and the mask of those that count.
const fn prefix(name: &[u8]) -> (u64, u64) {
    let (mut wanted, mut mask, mut index) = (0, 0, 0);
    while index < name.len() {
        wanted |= (name[index] as u64) << (8 * index);
        mask |= 0xff << (8 * index);
        index += 1;
    }
    (wanted, mask)
}

/// Where the process's arguments, code and file are said to be.
#[inline(always)]
fn mapped(call: &Syscall, what: u64) {
    let told = Told {
        call: CallName::PRCTL,
        args: [u64::from(PR_SET_MM), what, 0, 0],
        text: Text::Absent,
        key: [u64::from(PR_SET_MM), what],
    };
    call::report(
        &told,
        call::returned(call, Origin::ARGUMENTS, RecordFlags::DEVIATION),
    );
}

/// What every image that the task executes will have.
#[inline(always)]
fn raised(call: &Syscall) {
    let mut change = Change::new(CredentialsOp::AMBIENT);
    change.after = 1 << (call.arg::<2>() & 63);
    let report = Report {
        kind: credentials::KIND,
        origin: Origin::TRACEPOINT,
        flags: call.flags(),
        ret: call.result(),
    };
    credentials::report(&change, report);
}
