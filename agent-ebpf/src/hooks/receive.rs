//! A socket comes from another process: over a unix socket, by pidfd_getfd(2), or from who supervises the task.

use crate::emit;
use crate::file::OpenFile;
use crate::global::offset;
use crate::header::{self, Origin, Report};
use crate::hooks::listen::TCP_LISTEN;
use crate::kernel::{Kptr, read_user, read_user_or_zero};
use crate::socket::{self, AF_UNIX, NO_ADDRESS};
use crate::syscall::{self, Syscall};
use crate::task::{self, Actor, Deed};
use agent_common::event::{EventKind, ReceiveEvent, RecordFlags, SocketAddress};
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::RECEIVE;
const TCP_ESTABLISHED: u8 = 1;
const AF_PACKET: u16 = 17;
const SOCK_RAW: u16 = 3;
const SOL_SOCKET: u32 = 1;
const SCM_RIGHTS: u32 = 1;
/// Descriptors of a message, and messages of a call, that are looked at.
const MAX_DESCRIPTORS: u64 = 8;
const MAX_MESSAGES: u64 = 1;
/// Control messages of a message: credentials, a time, a label may come before the descriptors.
const MAX_CONTROLS: u32 = 3;

/// `file_receive(struct file *file)`, all kernels.
#[lsm(hook = "file_receive")]
pub fn lsm_receive(ctx: LsmContext) -> i32 {
    received(Kptr(ctx.arg(0)), &report(Origin::LSM, 0));
    0
}

/// `security_file_receive`, the same argument.
#[fentry(function = "security_file_receive")]
pub fn fentry_receive(ctx: FEntryContext) -> i32 {
    received(Kptr(ctx.arg(0)), &report(Origin::FENTRY, 0));
    0
}

/// recvmsg(fd, message, flags) returns.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_recvmsg(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    if call.ret >= 0 {
        message(
            Layout::of(call.has_narrow_pointers()),
            call.arg::<1>(),
            call.flags(),
        );
    }
    0
}

/// recvmmsg(fd, messages, count, flags, timeout) returns how many came.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_recvmmsg(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of_socket(&ctx);
    let layout = Layout::of(call.has_narrow_pointers());
    let first = call.arg::<1>();
    for index in 0..MAX_MESSAGES {
        if index as i64 >= call.ret {
            break;
        }
        message(layout, first + index * layout.message_size, call.flags());
    }
    0
}

/// Reports the file behind a descriptor that came to the current task. Global: see `scratch::append_bytes`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn came(fd: u32, flags: u32) -> u32 {
    match syscall::file(fd) {
        Some(file) => received(file, &report(Origin::DESCRIPTOR, flags)),
        None => {
            emit::lose_unreadable(KIND);
            0
        }
    }
}

/// Reports a file that waits to be taken by a ring of the current task; its address is a number, as global functions ask for.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn comes(file: u64) -> u32 {
    received(Kptr(file), &report(Origin::DESCRIPTOR, RecordFlags::IO_URING));
    0
}

#[inline(always)]
fn report(origin: Origin, flags: u32) -> Report {
    Report {
        kind: KIND,
        origin,
        flags,
        ret: 0,
    }
}

/// Where the caller's memory holds what, of 64-bit programs and of 32-bit ones.
#[derive(Clone, Copy)]
pub struct Layout {
    /// In `struct msghdr`; the length follows the address.
    control: u64,
    word: u64,
    /// Of `struct mmsghdr`.
    message_size: u64,
}

impl Layout {
    #[inline(always)]
    pub fn of(narrow: bool) -> Self {
        if narrow {
            Self {
                control: 16,
                word: 4,
                message_size: 32,
            }
        } else {
            Self {
                control: 32,
                word: 8,
                message_size: 64,
            }
        }
    }

    /// A pointer or size.
    #[inline(always)]
    fn read(self, address: u64) -> u64 {
        if self.word == 4 {
            u64::from(read_user_or_zero::<u32>(address))
        } else {
            read_user_or_zero(address)
        }
    }

    /// Bytes of `struct cmsghdr`: a size, the level, the type.
    #[inline(always)]
    fn head(self) -> u64 {
        self.word + 8
    }
}

/// Looks for descriptors among a message's control messages.
#[inline(always)]
pub fn message(layout: Layout, message: u64, flags: u32) {
    let mut control = layout.read(message + layout.control);
    let mut left = layout.read(message + layout.control + layout.word);
    for _ in 0..MAX_CONTROLS {
        if left <= layout.head() {
            break;
        }
        let len = layout.read(control);
        let [level, kind] = read_user_or_zero::<[u32; 2]>(control + layout.word);
        if level == SOL_SOCKET && kind == SCM_RIGHTS {
            descriptors(control + layout.head(), len - layout.head(), flags);
            break;
        }
        // As CMSG_NXTHDR goes on.
        let step = (len + layout.word - 1) & !(layout.word - 1);
        if step == 0 || step > left {
            break;
        }
        control += step;
        left -= step;
    }
}

#[inline(never)]
fn descriptors(first: u64, bytes: u64, flags: u32) -> u32 {
    for index in 0..MAX_DESCRIPTORS {
        if index * 4 >= bytes {
            break;
        }
        if let Some(fd) = read_user::<u32>(first + index * 4) {
            came(fd, flags);
        }
    }
    0
}

/// A socket with what is known of it.
struct Socket {
    local: SocketAddress,
    remote: SocketAddress,
    family: u16,
    state: u8,
    net_ns: u32,
}

/// Reports the file when it is a socket that serves, is connected, or sees all packets.
#[inline(never)]
fn received(file: Kptr, report: &Report) -> u32 {
    let Some(sk) = syscall::sock(file) else { return 0 };
    let mut socket = Socket {
        local: NO_ADDRESS,
        remote: NO_ADDRESS,
        family: socket::family(sk),
        state: sk.read_or_zero(offset!(sk_state)),
        net_ns: socket::net_ns(sk),
    };
    if !is_telling(sk, &socket) {
        return 0;
    }
    let Some(actor) = task::enter(KIND) else { return 0 };
    socket::read_local(sk, &mut socket.local);
    socket::read_remote(sk, &mut socket.remote);
    write(&actor, (file, sk), &socket, report);
    0
}

#[inline(always)]
fn is_telling(sk: Kptr, socket: &Socket) -> bool {
    match socket.family {
        AF_UNIX => socket.state == TCP_LISTEN,
        AF_PACKET => true,
        _ if !socket::is_inet(sk) => false,
        _ => matches!(socket.state, TCP_LISTEN | TCP_ESTABLISHED) || socket::kind(sk) == SOCK_RAW,
    }
}

#[inline(never)]
fn write(actor: &Actor, of: (Kptr, Kptr), socket: &Socket, report: &Report) -> u32 {
    let (file, sk) = of;
    let Ok(draft) = emit::draft(actor, KIND, socket.deed()) else {
        return 0;
    };
    let report = Report {
        flags: report.flags | socket.deviation(actor),
        ..*report
    };
    let record: *mut ReceiveEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = OpenFile::read(file).map_or_else(Default::default, |open| open.object);
        (*record).local = socket.local;
        (*record).remote = socket.remote;
        (*record).family = socket.family;
        (*record).socket_type = socket::kind(sk);
        (*record).protocol = socket::protocol(sk);
        (*record).state = u16::from(socket.state);
        (*record).net_ns = socket.net_ns;
        (*record).reserved = 0;
    }
    draft.submit();
    0
}

impl Socket {
    /// A server's connections differ by their clients, a client's by their servers.
    #[inline(always)]
    fn deed(&self) -> Deed {
        let served = self.state == TCP_LISTEN || socket::generalised(self.local.port) != 0;
        let end = if served { &self.local } else { &self.remote };
        let mut deed = socket::deed(self.family, end, socket::generalised(end.port));
        deed.access |= u16::from(self.state) << 8;
        deed.detail |= u64::from(self.net_ns) << 32;
        deed
    }

    /// Of another network, or one that serves.
    #[inline(always)]
    fn deviation(&self, actor: &Actor) -> u32 {
        let own = header::network_namespace(Kptr(actor.task as u64));
        if self.state == TCP_LISTEN || self.net_ns != own {
            RecordFlags::DEVIATION
        } else {
            0
        }
    }
}
