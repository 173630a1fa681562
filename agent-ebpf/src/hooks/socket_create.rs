//! A socket of a family or type that few programs have a use for. Attempts too: that a container asks for packet sockets
//! tells, whether it gets them or not.

use crate::emit;
use crate::header::{Origin, Report};
use crate::socket::{AF_INET, AF_INET6, AF_UNIX, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_STREAM};
use crate::syscall::Syscall;
use crate::task::{self, Deed};
use agent_common::event::{EventKind, RecordFlags, SocketEvent};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::SOCKET;
const AF_NETLINK: u16 = 16;
/// `SOCK_TYPE_MASK`: what is left without `SOCK_CLOEXEC` and `SOCK_NONBLOCK`.
const TYPE_MASK: u32 = 15;
const SOCK_RAW: u16 = 3;
/// `SOCK_PACKET`, of old.
const SOCK_PACKET: u16 = 10;
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_ICMPV6: u32 = 58;
const IPPROTO_SCTP: u32 = 132;
/// In a key's access: the kernel refused.
const FAILED: u16 = 0x100;
/// From `RecordFlags::{BINDS, CONNECTS}` to bits of a key's access above that one.
const USE_SHIFT: u32 = 8;
const USE_MASK: u16 = ((RecordFlags::BINDS | RecordFlags::CONNECTS) >> USE_SHIFT) as u16;

/// Netlink protocols that configure, or listen to what the kernel tells administrators.
mod netlink {
    pub const SOCK_DIAG: u32 = 4;
    pub const XFRM: u32 = 6;
    pub const AUDIT: u32 = 9;
    pub const CONNECTOR: u32 = 11;
    pub const NETFILTER: u32 = 12;
    pub const KOBJECT_UEVENT: u32 = 15;
}

/// What was asked for.
#[derive(Clone, Copy)]
pub struct Asked {
    family: u16,
    socket_type: u16,
    protocol: u32,
}

/// `socket_create(int family, int type, int protocol, int kern)`, all kernels.
#[lsm(hook = "socket_create")]
pub fn lsm_socket_create(ctx: LsmContext) -> i32 {
    let asked = Asked::new(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    creating(asked, ctx.arg(3), Origin::LSM);
    0
}

/// `security_socket_create`, with the same arguments.
#[fentry(function = "security_socket_create")]
pub fn fentry_socket_create(ctx: FEntryContext) -> i32 {
    let asked = Asked::new(ctx.arg(0), ctx.arg(1), ctx.arg(2));
    creating(asked, ctx.arg(3), Origin::FENTRY);
    0
}

/// socket(family, type, protocol) returns: numbers, which no other thread can change.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_socket(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    let report = Report {
        kind: KIND,
        origin: Origin::ARGUMENTS,
        flags: call.flags(),
        ret: if call.ret < 0 { call.result() } else { 0 },
    };
    created(Asked::of(&call), report);
    0
}

/// `kern`: the kernel's own socket.
#[inline(always)]
fn creating(asked: Asked, kern: u32, origin: Origin) {
    if kern != 0 {
        return;
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    created(asked, report);
}

#[inline(always)]
pub fn created(asked: Asked, said: Report) {
    if asked.is_unusual() {
        report(asked, said);
    }
}

/// Reports that it is made, or what is done with it.
#[inline(always)]
pub fn report(asked: Asked, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let deed = Deed {
        access: asked.socket_type | outcome(&report),
        object: [u64::from(asked.family), 0],
        detail: u64::from(asked.protocol),
    };
    let Ok(draft) = emit::draft(&actor, KIND, deed) else {
        return;
    };
    let record: *mut SocketEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).family = asked.family;
        (*record).socket_type = asked.socket_type;
        (*record).protocol = asked.protocol;
    }
    draft.submit();
}

/// In a key's access, above the type.
#[inline(always)]
fn outcome(report: &Report) -> u16 {
    let used = (report.flags >> USE_SHIFT) as u16 & USE_MASK;
    if report.ret < 0 { used | FAILED } else { used }
}

impl Asked {
    #[inline(always)]
    pub fn new(family: u32, socket_type: u32, protocol: u32) -> Self {
        Self {
            family: family as u16,
            socket_type: (socket_type & TYPE_MASK) as u16,
            protocol,
        }
    }

    /// By the arguments of socket(2).
    #[inline(always)]
    pub fn of(call: &Syscall) -> Self {
        Self::new(
            call.arg::<0>() as u32,
            call.arg::<1>() as u32,
            call.arg::<2>() as u32,
        )
    }

    #[inline(always)]
    pub fn is_unusual(self) -> bool {
        match self.family {
            AF_UNIX => false,
            AF_INET | AF_INET6 => self.is_unusual_inet(),
            AF_NETLINK => matches!(
                self.protocol,
                netlink::SOCK_DIAG
                    | netlink::XFRM
                    | netlink::AUDIT
                    | netlink::CONNECTOR
                    | netlink::NETFILTER
                    | netlink::KOBJECT_UEVENT
            ),
            _ => true,
        }
    }

    #[inline(always)]
    fn is_unusual_inet(self) -> bool {
        match self.socket_type {
            SOCK_RAW | SOCK_PACKET => true,
            SOCK_DGRAM => {
                matches!(self.protocol, IPPROTO_ICMP | IPPROTO_ICMPV6)
                    || self.protocol == IPPROTO_UDPLITE as u32
            }
            SOCK_STREAM => self.protocol == IPPROTO_SCTP,
            // SOCK_SEQPACKET: SCTP again.
            _ => true,
        }
    }
}
