//! Questions for names and their answers, from packets. Who asks is known where the socket is told of the server: the port may be another
//! one in the packet, as with the server that Docker gives its containers, and answers come in nobody's context.

use crate::count;
use crate::dns::{Asker, Message, Question};
use crate::emit;
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::net;
use crate::hooks::sock_addr::{self, ALLOW, peer4, peer6};
use crate::kernel::{Kptr, Task, load};
use crate::label;
use crate::maps::ASKERS;
use crate::scratch::{self, Scratch};
use crate::socket::{self, AF_INET, AF_INET6, AF_UNSPEC, IPPROTO_TCP, IPPROTO_UDP, NO_ADDRESS, Named};
use crate::task::{self, Actor, Deed};
use agent_common::counter::Outcome;
use agent_common::event::{DnsEvent, EventKind, SocketAddress};
use agent_common::slot::TaskLabel;
use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::helpers::generated::bpf_sk_storage_get;
use aya_ebpf::macros::{cgroup_skb, cgroup_sock_addr, fentry, lsm};
use aya_ebpf::programs::sk_buff::SkBuff;
use aya_ebpf::programs::{FEntryContext, LsmContext, SkBuffContext, SockAddrContext};
use core::ffi::c_void;
use core::ptr::{addr_of_mut, from_ref, null_mut};

const KIND: EventKind = EventKind::DNS;
/// DNS, and its port for TLS, in clear.
const PORTS: [u16; 2] = [53, 853];
/// Of TCP's messages: their length.
const PREFIX: u32 = 2;
const UDP_HEAD: u32 = 8;
const IPV6_HEAD: u32 = 40;

/// `socket_connect(struct socket *sock, struct sockaddr *address, int addrlen)`, all kernels.
#[lsm(hook = "socket_connect")]
pub fn lsm_dns_connect(ctx: LsmContext) -> i32 {
    named(ctx.arg(0), Kptr(ctx.arg(1)), ctx.arg(2), Origin::LSM);
    0
}

/// `socket_sendmsg(struct socket *sock, struct msghdr *msg, int size)`, all kernels.
#[lsm(hook = "socket_sendmsg")]
pub fn lsm_dns_send(ctx: LsmContext) -> i32 {
    sending(ctx.arg(0), ctx.arg(1), Origin::LSM);
    0
}

/// `security_socket_connect`, with the same arguments.
#[fentry(function = "security_socket_connect")]
pub fn fentry_dns_connect(ctx: FEntryContext) -> i32 {
    named(ctx.arg(0), Kptr(ctx.arg(1)), ctx.arg(2), Origin::FENTRY);
    0
}

/// `security_socket_sendmsg`, with the same arguments.
#[fentry(function = "security_socket_sendmsg")]
pub fn fentry_dns_send(ctx: FEntryContext) -> i32 {
    sending(ctx.arg(0), ctx.arg(1), Origin::FENTRY);
    0
}

#[inline(always)]
fn sending(socket: Task, message: Task, origin: Origin) {
    // SAFETY: `msghdr` is a BTF pointer. Loaded, not read by the helper: this runs for every send of the host.
    let name: u64 = unsafe { load(message, offset!(msghdr_name)) };
    if name != 0 {
        let len = Kptr(message as u64).read_or_zero(offset!(msghdr_name_len));
        named(socket, Kptr(name), len, origin);
    }
}

/// connect(2) over IPv4; with task storage in cgroup programs, newer than 6.12.
#[cgroup_sock_addr(connect4)]
pub fn dns_connect4(ctx: SockAddrContext) -> i32 {
    told(&ctx, peer4(ctx.sock_addr))
}

/// The same over IPv6.
#[cgroup_sock_addr(connect6)]
pub fn dns_connect6(ctx: SockAddrContext) -> i32 {
    told(&ctx, peer6(ctx.sock_addr))
}

/// sendmsg(2) and its relatives on unconnected UDP over IPv4.
#[cgroup_sock_addr(sendmsg4)]
pub fn dns_send4(ctx: SockAddrContext) -> i32 {
    told(&ctx, peer4(ctx.sock_addr))
}

/// The same over IPv6.
#[cgroup_sock_addr(sendmsg6)]
pub fn dns_send6(ctx: SockAddrContext) -> i32 {
    told(&ctx, peer6(ctx.sock_addr))
}

/// Remembers with the socket who asks, when the peer's port is one for names.
#[inline(always)]
fn told(context: &SockAddrContext, peer: SocketAddress) -> i32 {
    if !is_for_names(peer.port) {
        return ALLOW;
    }
    let Some(asking) = task::labelled() else {
        return ALLOW;
    };
    // SAFETY: the context's socket.
    let asker = unsafe { ASKERS.get_or_insert_ptr_mut(context, None) };
    let operation = sock_addr::operation(context.sock_addr, NO_ADDRESS, peer);
    remember(asker, asking, &operation, Origin::PACKET);
    ALLOW
}

#[inline(always)]
fn is_for_names(port: u16) -> bool {
    port == PORTS[0] || port == PORTS[1]
}

/// What is remembered with a socket, or null: aya finds it for programs on addresses alone.
///
/// # Safety
/// `sk` is a socket that the verifier knows, and not null.
#[inline(always)]
unsafe fn asker_of(sk: *mut c_void, flags: u64) -> *mut Asker {
    let map = from_ref(&ASKERS).cast_mut().cast();
    // SAFETY: the caller's; the map outlives the program.
    unsafe { bpf_sk_storage_get(map, sk, null_mut(), flags) }.cast()
}

/// A socket is told of an address, in the kernel's memory.
#[inline(always)]
fn named(socket: Task, address: Kptr, len: u32, origin: Origin) {
    let [family, port] = address.read_or_zero::<[u16; 2]>(0);
    // Without a family it is IPv4's to a datagram socket of that (`udp_sendmsg`).
    if !is_for_names(u16::from_be(port)) || !matches!(family, AF_INET | AF_INET6 | AF_UNSPEC) {
        return;
    }
    let Some(asking) = task::labelled() else { return };
    // SAFETY: `socket` is a BTF pointer.
    let sk: Task = unsafe { load(socket, offset!(socket_sk)) };
    if sk.is_null() {
        return;
    }
    // SAFETY: a socket that is not null.
    let asker = unsafe { asker_of(sk.cast(), BPF_SK_STORAGE_GET_F_CREATE.into()) };
    let sk = Kptr(sk as u64);
    let mut operation = net::Operation {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        protocol: socket::protocol(sk),
        socket_type: 0,
        backlog: 0,
    };
    socket::read_named(&Named { sk, address, len }, &mut operation.remote);
    remember(asker, asking, &operation, origin);
}

#[inline(always)]
fn remember(asker: *mut Asker, (task, label): (Task, TaskLabel), operation: &net::Operation, origin: Origin) {
    if asker.is_null() {
        // Its socket's memory is used up, and its questions will not be seen.
        if let Some(actor) = task::admit_labelled(KIND, task, label) {
            emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
        }
        return;
    }
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    // SAFETY: a live map value. Of those that ask at once over one socket the last is remembered.
    unsafe {
        (*asker).label = label;
        (*asker).server = operation.remote;
        (*asker).protocol = operation.protocol;
        socket::normalise_peer(&mut *addr_of_mut!((*asker).server));
        header::write(addr_of_mut!((*asker).head), task, &label, report);
    }
}

/// Packets that leave, since 4.10; at their socket's network, translated already.
#[cgroup_skb(egress)]
pub fn dns_egress(ctx: SkBuffContext) -> i32 {
    passing(&ctx.skb, DnsEvent::SENT);
    ALLOW
}

/// Packets that come.
#[cgroup_skb(ingress)]
pub fn dns_ingress(ctx: SkBuffContext) -> i32 {
    passing(&ctx.skb, DnsEvent::RECEIVED);
    ALLOW
}

/// For every packet: whose socket asks for no names costs a look at its storage.
#[inline(always)]
fn passing(packet: &SkBuff, direction: u16) {
    // SAFETY: the context's field.
    let sk = unsafe { (*packet.skb).__bindgen_anon_2.sk };
    if sk.is_null() {
        return;
    }
    // SAFETY: a socket that is not null.
    let asker = unsafe { asker_of(sk.cast(), 0) };
    if asker.is_null() {
        return;
    }
    let Some(offset) = payload(packet) else { return };
    // SAFETY: a live map value.
    let asker = unsafe { &*asker };
    let Some(label) = label::lasting(asker.label) else {
        return;
    };
    let Some(actor) = task::admit_labelled(KIND, null_mut(), label) else {
        return;
    };
    // Several datagrams in one, which are cut apart later: what is in the others nobody reads.
    // SAFETY: the context's field.
    if asker.protocol == IPPROTO_UDP && unsafe { (*packet.skb).gso_segs } > 1 {
        return emit::lose(KIND, Outcome::LOST_UNREADABLE, actor.slot());
    }
    let Some(scratch) = scratch::take() else {
        return emit::lose(KIND, Outcome::LOST_SCRATCH_BUSY, actor.slot());
    };
    let message = Message::copy(packet, offset, scratch);
    match message.and_then(|message| Some((message, message.question(scratch)?))) {
        Some((message, question)) => {
            report(&actor, asker, scratch, message, &question, direction);
        }
        None => {
            count::outcome(KIND, Outcome::SUPPRESSED_UNWATCHED, actor.slot());
            scratch::release(scratch);
        }
    }
}

#[inline(always)]
fn report(
    actor: &Actor,
    asker: &Asker,
    scratch: *mut Scratch,
    message: Message,
    question: &Question,
    direction: u16,
) {
    let said = if direction == DnsEvent::RECEIVED {
        message.answer(scratch, question)
    } else {
        0
    };
    let deed = Deed {
        access: direction,
        object: [question.name, said],
        detail: u64::from(question.kind),
    };
    let Some(draft) = emit::draft_in(scratch, actor, KIND, deed) else {
        return;
    };
    let record: *mut DnsEvent = draft.begin_with(actor, &asker.head);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).server = asker.server;
        (*record).protocol = asker.protocol;
        (*record).direction = direction;
        (*record).reserved = 0;
        (*record).message = message.append(scratch);
    }
    draft.submit();
}

/// Where a packet's message begins; behind its length, of TCP. `None`: it has none, or is a later fragment.
#[inline(always)]
fn payload(packet: &SkBuff) -> Option<u32> {
    let head: [u8; 10] = packet.load(0).ok()?;
    let (transport, protocol) = if head[0] >> 4 == 4 {
        if u16::from_be_bytes([head[6], head[7]]) & 0x1fff != 0 {
            return None;
        }
        (u32::from(head[0] & 0xf) * 4, head[9])
    } else {
        (IPV6_HEAD, head[6])
    };
    match u16::from(protocol) {
        IPPROTO_UDP => Some(transport + UDP_HEAD),
        IPPROTO_TCP => segment(packet, transport),
        _ => None,
    }
}

/// A segment that is one message. Parts of one cannot be told from what is none.
#[inline(always)]
fn segment(packet: &SkBuff, transport: u32) -> Option<u32> {
    let lengths: u8 = packet.load(transport as usize + 12).ok()?;
    let payload = transport + u32::from(lengths >> 4) * 4;
    let prefix = u32::from(u16::from_be_bytes(packet.load(payload as usize).ok()?));
    let len = packet.len().wrapping_sub(payload + PREFIX);
    (len == prefix).then_some(payload + PREFIX)
}
