//! A stream connection to a unix socket. What counts is the server's socket: its inode, or its abstract name.

use crate::emit;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::Kptr;
use crate::process::Target;
use crate::socket::{self, AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM};
use crate::task::{self, Actor};
use crate::unix::Address;
use agent_common::event::{EventKind, RecordFlags, UnixConnectEvent};
use aya_ebpf::macros::{fentry, lsm};
use aya_ebpf::programs::{FEntryContext, LsmContext};

const KIND: EventKind = EventKind::UNIX_CONNECT;

/// `unix_stream_connect(struct sock *sock, struct sock *other, struct sock *newsk)`, all kernels.
#[lsm(hook = "unix_stream_connect")]
pub fn lsm_unix_connect(ctx: LsmContext) -> i32 {
    let server = Kptr(ctx.arg(1));
    connects(server, server, report(Origin::LSM));
    0
}

/// `security_unix_stream_connect`, the same arguments.
#[fentry(function = "security_unix_stream_connect")]
pub fn fentry_unix_connect(ctx: FEntryContext) -> i32 {
    let server = Kptr(ctx.arg(1));
    connects(server, server, report(Origin::FENTRY));
    0
}

#[inline(always)]
fn report(origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    }
}

/// connect(2) returned, or a ring's request is done. The accepting end has the server's address, the connecting end the server's process.
#[inline(always)]
pub fn connected(sk: Kptr, report: Report) {
    if socket::family(sk) != AF_UNIX || !matches!(socket::kind(sk), SOCK_STREAM | SOCK_SEQPACKET) {
        return;
    }
    if let Some(peer) = sk.follow(offset!(unix_peer)) {
        connects(peer, sk, Report { kind: KIND, ..report });
    }
}

/// Reports a connection. `named` has the server's address, `credited` the server's process.
#[inline(always)]
fn connects(named: Kptr, credited: Kptr, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let peer = match credited.follow(offset!(sk_peer_pid)) {
        Some(pid) => Target::of_pid(pid),
        None => Target::UNKNOWN,
    };
    let foreign = peer.tgid != 0 && !peer.is_own(&actor);
    let report = Report {
        flags: report.flags | if foreign { RecordFlags::DEVIATION } else { 0 },
        ..report
    };
    write(&actor, named, peer, report);
}

#[inline(always)]
fn write(actor: &Actor, named: Kptr, peer: Target, report: Report) {
    let address = Address::of_socket(named);
    let file = address.file();
    let Ok(draft) = emit::draft(actor, KIND, address.deed(socket::net_ns(named))) else {
        return;
    };
    let record: *mut UnixConnectEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = file;
        (*record).peer_tgid = peer.tgid;
        (*record).peer_slot = peer.slot;
        (*record).reserved = 0;
        (*record).path = address.append(draft.scratch);
    }
    draft.submit();
}
