//! What is done with a socket between virtual machines and their host: that one is made does not tell which way it leads.

use crate::header::{Origin, Report};
use crate::hooks::socket_create::{self, Asked};
use crate::kernel::Kptr;
use crate::socket::{self, AF_VSOCK};
use crate::syscall;
use agent_common::event::{EventKind, RecordFlags, Trust};

/// It is given an address to be found at.
#[inline(always)]
pub fn binds(sk: Kptr, report: Report) {
    used(sk, RecordFlags::BINDS, report);
}

/// It connects, or tries to: whoever is asked may not be there.
#[inline(always)]
pub fn connects(sk: Kptr, report: Report) {
    used(sk, RecordFlags::CONNECTS, report);
}

/// connect(2) of this descriptor failed, which was asked for such an address. Global: as below.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn refused_vsock(fd: u32, flags: u32, ret: i32) -> u32 {
    if let Some(sk) = syscall::file(fd).and_then(syscall::sock)
        && socket::family(sk) == AF_VSOCK
    {
        let report = Report {
            kind: EventKind::SOCKET,
            origin: Origin::DESCRIPTOR,
            flags,
            ret,
        };
        connects(sk, report);
    }
    0
}

/// `sk`: null when a ring has yet to make it.
#[inline(always)]
fn used(sk: Kptr, how: u32, report: Report) {
    let Origin { backend, trust, .. } = report.origin;
    use_of_vsock(sk.0, report.flags | how, report.ret, backend, trust.0);
}

/// Global, as those in [`crate::scratch`]: one may be used wherever another is.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn use_of_vsock(sk: u64, flags: u32, ret: i32, backend: u32, trust: u32) -> u32 {
    let asked = Asked::new(u32::from(AF_VSOCK), u32::from(socket::kind(Kptr(sk))), 0);
    let report = Report {
        kind: EventKind::SOCKET,
        origin: Origin {
            backend,
            trust: Trust(trust),
            means: 0,
        },
        flags,
        ret,
    };
    socket_create::report(asked, report);
    0
}
