//! A TCP socket listens, told by the cgroup's programs on sockets: with its port, whoever chose it and however it was asked.

use crate::header::Origin;
use crate::hooks::listen;
use crate::kernel::Kptr;
use crate::task;
use agent_common::event::EventKind;
use aya_ebpf::bindings::BPF_SOCK_OPS_TCP_LISTEN_CB;
use aya_ebpf::helpers::generated::bpf_skc_to_tcp_sock;
use aya_ebpf::macros::sock_ops;
use aya_ebpf::programs::SockOpsContext;

/// The kernel goes on as it would.
const GO_ON: u32 = 1;

/// `BPF_SOCK_OPS_TCP_LISTEN_CB`, since 4.19: at the end of listen(2), in the task's context; of MPTCP for its TCP socket. With
/// task storage in cgroup programs, newer than 6.12.
#[sock_ops]
pub fn cgroup_listen(ctx: SockOpsContext) -> u32 {
    // SAFETY: the context's fields, each read whole.
    let (op, sk) = unsafe { ((*ctx.ops).op, (*ctx.ops).__bindgen_anon_2.sk) };
    if op != BPF_SOCK_OPS_TCP_LISTEN_CB || sk.is_null() {
        return GO_ON;
    }
    // SAFETY: a socket that is not null. As a BTF pointer its fields can be read.
    let sk = unsafe { bpf_skc_to_tcp_sock(sk.cast()) };
    if sk.is_null() {
        return GO_ON;
    }
    if let Some(actor) = task::enter(EventKind::LISTEN) {
        listen::listening(&actor, Kptr(sk as u64), Origin::TOLD, 0);
    }
    GO_ON
}
