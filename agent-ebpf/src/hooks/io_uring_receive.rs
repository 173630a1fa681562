//! Sockets that come to a ring from another process, where everything else rests on tracepoints: see `io_uring`.
//! `struct io_sr_msg`.

use crate::global::offset;
use crate::hooks::io_uring::{self, operation, request};
use crate::hooks::io_uring_connect::completed;
use crate::hooks::receive::{self, Layout};
use crate::kernel::Kptr;
use crate::socket::{self, AF_UNIX};
use crate::syscall;
use agent_common::event::RecordFlags;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

const RECVMSG: u8 = 10;
/// `IORING_RECV_MULTISHOT`: each message goes to a buffer of the ring's, not to the one that the caller named.
const MULTISHOT: u16 = 2;
/// `MSG_CMSG_COMPAT`: a 32-bit program's message.
const COMPAT: u32 = 0x8000_0000;
/// Descriptors of a message, and messages of a socket, that are looked at.
const MAX_DESCRIPTORS: u32 = 8;
const MAX_MESSAGES: u32 = 4;

/// `io_uring_complete`: see `io_uring_connect`. What came stands in the message of the caller.
#[btf_tracepoint(function = "io_uring_complete")]
pub fn io_uring_received(ctx: BtfTracePointContext) -> i32 {
    if let Some(request) = completed(&ctx, RECVMSG)
        && request.read_or_zero::<i32>(offset!(io_kiocb_result)) >= 0
        && request.read_or_zero::<u16>(offset!(io_message_ring_flags)) & MULTISHOT == 0
    {
        let compat = request.read_or_zero::<u32>(offset!(io_message_flags)) & COMPAT != 0;
        let message = request.read_or_zero(offset!(io_message));
        receive::message(Layout::of(compat), message, RecordFlags::IO_URING);
    }
    0
}

/// `io_uring_submit_req(struct io_kiocb *req)`: what is there already. A completion tells of it again, and may be kept from it: by a
/// flag, by a full ring of completions, by asking for many messages at once.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_receive(ctx: BtfTracePointContext) -> i32 {
    let request = request(&ctx);
    if operation(request) == RECVMSG
        && let Some(sk) = io_uring::file(request).and_then(syscall::sock)
        && socket::family(sk) == AF_UNIX
    {
        waiting(sk);
    }
    0
}

/// Looks for descriptors among the messages that a unix socket has received.
#[inline(always)]
fn waiting(sk: Kptr) {
    let Some(queue) = sk.field(offset!(sk_receive_queue)) else {
        return;
    };
    // The queue's head begins as a message does.
    let mut message = queue;
    for _ in 0..MAX_MESSAGES {
        message = Kptr(message.read_or_zero(offset!(skb_next)));
        if message == queue {
            break;
        }
        let control = message.field(offset!(skb_cb)).unwrap_or(Kptr(0));
        brings(Kptr(control.read_or_zero(offset!(skb_descriptors))));
    }
}

/// `struct scm_fp_list`.
#[inline(never)]
fn brings(descriptors: Kptr) -> u32 {
    let count = u32::from(descriptors.read_or_zero::<u16>(offset!(descriptors_count)));
    for index in 0..MAX_DESCRIPTORS {
        if index >= count {
            break;
        }
        let place = offset!(descriptors_files) + index * 8;
        receive::comes(descriptors.read_or_zero(place));
    }
    0
}
