//! Netlink messages that configure: interfaces, addresses, routes, traffic control; tables of the packet filter.
//!
//! Tracepoints show the kernel's own copy when its receiver is done with it, still in the sender's task: `netlink_unicast` hands it over
//! there and then. So it does not matter how it was sent (write(2), a ring), and no other thread can change what was read, as it can
//! change the caller's memory before a system call returns. Nor is there a walk from the descriptor to the socket at each send of
//! every server. Of the buffers that a host frees so, one per connection of a TCP server, nearly all end here after a load or two.
//! Only the receiver of a dump keeps its message, until the dump is read or its socket closed.

use crate::global::offset;
use crate::header::Origin;
use crate::hooks::call::{self, Told};
use crate::kernel::{Kptr, Task, load};
use crate::socket;
use crate::text::Text;
use agent_common::event::CallName;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const AF_NETLINK: u16 = 16;
const NETLINK_ROUTE: u16 = 0;
const NETLINK_NETFILTER: u16 = 12;
/// Types below are for control.
const FIRST_TYPE: u16 = 16;
/// In the last two bits of a route message's type: `RTM_GET*`.
const GET: u16 = 2;
/// `NFNL_MSG_BATCH_BEGIN`: the change is the message behind it.
const BATCH_BEGIN: u16 = 16;
/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;
/// `NFT_MSG_GET*`: of tables, chains, rules, sets, elements, the generation, objects (also to reset), flow tables, rules to
/// reset.
const GETS: u64 =
    1 << 1 | 1 << 4 | 1 << 7 | 1 << 10 | 1 << 13 | 1 << 16 | 1 << 19 | 1 << 21 | 1 << 23 | 1 << 25;
/// `nlmsg_type` behind `nlmsg_len`.
const TYPE: u32 = 4;

/// `netlink_send(struct sock *sk, struct sk_buff *skb)`, all kernels.
#[lsm(hook = "netlink_send")]
pub fn lsm_netlink(ctx: LsmContext) -> i32 {
    sending(Kptr(ctx.arg(0)), first(Kptr(ctx.arg(1))), Origin::LSM);
    0
}

/// `security_netlink_send`, the same arguments.
#[fentry(function = "security_netlink_send")]
pub fn fentry_netlink(ctx: FEntryContext) -> i32 {
    sending(Kptr(ctx.arg(0)), first(Kptr(ctx.arg(1))), Origin::FENTRY);
    0
}

/// Where what was not yet looked at begins.
#[inline(always)]
fn first(skb: Kptr) -> Kptr {
    Kptr(skb.read_or_zero(offset!(skb_data)))
}

/// `consume_skb(struct sk_buff *skb, …)`, all kernels: the receiver is done with the message.
#[btf_tracepoint(function = "consume_skb")]
pub fn netlink_consumed(ctx: BtfTracePointContext) -> i32 {
    freed(ctx.arg(0));
    0
}

/// `kfree_skb(struct sk_buff *skb, …)`, all kernels: the sender closes its socket before it read all of a dump.
#[btf_tracepoint(function = "kfree_skb")]
pub fn netlink_dropped(ctx: BtfTracePointContext) -> i32 {
    freed(ctx.arg(0));
    0
}

/// A message to the kernel belongs to the kernel's socket, the only kind that has a receiver; to users to theirs.
#[inline(always)]
fn freed(skb: Task) {
    // SAFETY: `sk_buff` is a BTF pointer.
    let sk: Task = unsafe { load(skb, offset!(skb_sk)) };
    if sk.is_null() {
        return;
    }
    // SAFETY: so is its socket.
    let family: u16 = unsafe { load(sk, offset!(sk_family)) };
    let sk = Kptr(sk as u64);
    if family == AF_NETLINK && sk.follow(offset!(netlink_rcv)).is_some() {
        // Receivers take message after message from its beginning.
        sending(
            sk,
            Kptr(Kptr(skb as u64).read_or_zero(offset!(skb_head))),
            Origin::TRACEPOINT,
        );
    }
}

#[inline(always)]
fn sending(sk: Kptr, first: Kptr, origin: Origin) {
    let protocol = socket::protocol(sk);
    if protocol != NETLINK_ROUTE && protocol != NETLINK_NETFILTER {
        return;
    }
    let message = message(protocol, first);
    if !configures(protocol, message) {
        return;
    }
    let told = Told {
        call: CallName::NETLINK,
        args: [u64::from(protocol), u64::from(message), 0, 0],
        text: Text::Absent,
        key: [u64::from(protocol), u64::from(message)],
    };
    call::report(&told, call::before(origin, 0));
}

/// Type of the first message that says something.
#[inline(always)]
fn message(protocol: u16, first: Kptr) -> u16 {
    let kind = first.read_or_zero::<u16>(TYPE);
    if protocol != NETLINK_NETFILTER || kind != BATCH_BEGIN {
        return kind;
    }
    let len = u64::from(first.read_or_zero::<u32>(0) & 0xffff);
    Kptr(first.0.wrapping_add((len + 3) & !3)).read_or_zero(TYPE)
}

#[inline(always)]
fn configures(protocol: u16, kind: u16) -> bool {
    if protocol == NETLINK_ROUTE {
        return kind >= FIRST_TYPE && kind & 3 != GET;
    }
    kind >> 8 == NFTABLES && GETS >> (kind & 63) & 1 == 0
}
