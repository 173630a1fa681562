//! A stream connection to a unix socket. What counts is the server's socket: its inode, or its abstract name.

use crate::emit;
use crate::file;
use crate::global::offset;
use crate::header::{Origin, Report};
use crate::kernel::Kptr;
use crate::path::{self, Location};
use crate::process::Target;
use crate::scratch::{self, Memory, Scratch};
use crate::socket::{self, AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use crate::text;
use agent_common::event::{EventKind, RecordFlags, StrRef, UnixConnectEvent};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::UNIX_CONNECT;
/// Bytes of `sockaddr_un` before an abstract name: the family, and the zero that says abstract.
const BEFORE_NAME: u64 = 3;
/// Longest abstract name, bytes.
const MAX_ABSTRACT: u32 = 107;
/// In a key's detail: the object is a name.
const ABSTRACT: u64 = 1;

/// `unix_stream_connect(struct sock *sock, struct sock *other, struct sock *newsk)`, all kernels.
#[lsm(hook = "unix_stream_connect")]
pub fn lsm_unix_connect(ctx: LsmContext) -> i32 {
    let server = Kptr(ctx.arg(1));
    connects(server, server, Origin::LSM, 0);
    0
}

/// `security_unix_stream_connect`, the same arguments.
#[fentry(function = "security_unix_stream_connect")]
pub fn fentry_unix_connect(ctx: FEntryContext) -> i32 {
    let server = Kptr(ctx.arg(1));
    connects(server, server, Origin::FENTRY, 0);
    0
}

/// connect(2) returns. The accepting end has the server's address, the connecting end the server's process.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_unix_connect(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret != 0 {
        return 0;
    }
    let Some(sk) = syscall::file(call.arg::<0>() as u32).and_then(syscall::sock) else {
        return 0;
    };
    if socket::family(sk) != AF_UNIX || !matches!(socket::kind(sk), SOCK_STREAM | SOCK_SEQPACKET) {
        return 0;
    }
    if let Some(peer) = sk.follow(offset!(unix_peer)) {
        connects(peer, sk, Origin::DESCRIPTOR, call.flags());
    }
    0
}

/// The server's socket in its record.
#[derive(Clone, Copy)]
struct Address {
    location: Option<Location>,
    /// Abstract name: address and length.
    name: u64,
    len: u32,
}

impl Address {
    #[inline(always)]
    fn read(socket: Kptr) -> Self {
        let location = socket.field(offset!(unix_path)).and_then(Location::read);
        let mut address = Self {
            location,
            name: 0,
            len: 0,
        };
        if location.is_none()
            && let Some(bound) = socket.follow(offset!(unix_addr))
        {
            let len = bound.read_or_zero::<u32>(offset!(unix_address_len));
            let name = bound.field(offset!(unix_address_name)).unwrap_or(bound);
            address.name = name.0.wrapping_add(BEFORE_NAME);
            let len = len.saturating_sub(BEFORE_NAME as u32);
            address.len = if len < MAX_ABSTRACT { len } else { MAX_ABSTRACT };
        }
        address
    }

    #[inline(always)]
    fn append(&self, scratch: *mut Scratch) -> StrRef {
        match self.location {
            Some(location) => path::append(scratch, location, Location { dentry: 0, mnt: 0 }),
            None if self.name == 0 => StrRef::default(),
            None => {
                // The zero before the name is written as `@`.
                let name = scratch::append(scratch, Memory::Kernel(self.name - 1), self.len + 1);
                if name.len != 0 {
                    scratch::set_first(scratch, name, b'@');
                }
                name
            }
        }
    }
}

/// Reports a connection. `named` has the server's address, `credited` the server's process.
#[inline(always)]
fn connects(named: Kptr, credited: Kptr, origin: Origin, flags: u32) {
    let Some(actor) = task::enter(KIND) else { return };
    let peer = match credited.follow(offset!(sk_peer_pid)) {
        Some(pid) => Target::of_pid(pid),
        None => Target::UNKNOWN,
    };
    let foreign = peer.tgid != 0 && peer.slot != actor.label.slot;
    let report = Report {
        kind: KIND,
        origin,
        flags: flags | if foreign { RecordFlags::DEVIATION } else { 0 },
        ret: 0,
    };
    write(&actor, &Address::read(named), peer, report);
}

#[inline(always)]
fn write(actor: &Actor, address: &Address, peer: Target, report: Report) {
    let file = address.location.and_then(file::at).unwrap_or_default();
    let mut deed = Deed {
        object: [file.ino, u64::from(file.dev)],
        ..Deed::default()
    };
    if address.location.is_none() {
        deed.object = [text::hash_bytes(address.name, address.len), 0];
        deed.detail = ABSTRACT;
    }
    let Some(draft) = emit::draft(actor, KIND, deed) else {
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
