//! A connection to a unix socket that fails, or that a ring is asked for. There is no server to look at: what was asked for is
//! reported, and says so.

use crate::emit;
use crate::header::{self, Origin, Report};
use crate::kernel::{self, Kptr, read_user_or_zero};
use crate::process::Target;
use crate::scratch::Memory;
use crate::socket::{self, AF_UNIX};
use crate::syscall::Syscall;
use crate::task::{self, Actor};
use crate::text;
use crate::unix::Address;
use agent_common::counter::Outcome;
use agent_common::event::{EventKind, FileObject, RecordFlags, UnixConnectEvent};

const KIND: EventKind = EventKind::UNIX_CONNECT;
const EPERM: i64 = -1;
const ENOENT: i64 = -2;
const EACCES: i64 = -13;
/// A socket of another type.
const EPROTOTYPE: i64 = -91;
/// A socket that is there, and that nobody serves.
const ECONNREFUSED: i64 = -111;
/// In a key's access, with the error's number.
const FAILED: u16 = 0x100;
/// How the abstract names of containerd's shims begin.
const SHIM: [u8; 16] = *b"/containerd-shim";

/// A connection that was asked for.
#[derive(Clone, Copy)]
pub struct Attempt {
    pub address: Address,
    /// In the key.
    pub access: u16,
    /// Urgent, or as urgent as the name is.
    pub report: Report,
}

/// connect(2) fails: reported when it was to a unix socket, and the server's side is why.
#[inline(never)]
pub fn refused(call: &Syscall) -> u32 {
    if !matches!(call.ret, EPERM | ENOENT | EACCES | EPROTOTYPE | ECONNREFUSED) {
        return 0;
    }
    let address = call.arg::<1>();
    if socket::asked_family(address) != AF_UNIX {
        return 0;
    }
    // Forgotten: the verifier would look at what follows once for each error.
    let ret = kernel::forget(call.ret);
    attempted(&Attempt {
        address: Address::asked(address, call.arg::<2>() as u32),
        access: FAILED | (-ret) as u16,
        report: Report {
            kind: KIND,
            origin: Origin::ARGUMENTS,
            flags: call.flags() | urgent(matches!(ret, EACCES | ECONNREFUSED)),
            ret: ret as i32,
        },
    });
    0
}

/// Reports it.
#[inline(always)]
pub fn attempted(attempt: &Attempt) {
    if let Some(actor) = task::enter(KIND) {
        write(&actor, attempt);
    }
}

#[inline(always)]
fn write(actor: &Actor, attempt: &Attempt) {
    let address = attempt.address;
    let Some(watched) = is_watched(address) else {
        return emit::lose(KIND, Outcome::LOST_SCRATCH_BUSY, actor.slot());
    };
    let urgent = urgent(watched);
    let mut deed = address.deed(header::network_namespace(Kptr(actor.task as u64)));
    deed.access = attempt.access;
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let report = Report {
        flags: attempt.report.flags | urgent,
        ..attempt.report
    };
    let record: *mut UnixConnectEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = FileObject::default();
        (*record).peer_tgid = Target::UNKNOWN.tgid;
        (*record).peer_slot = Target::UNKNOWN.slot;
        (*record).reserved = 0;
        (*record).path = address.append(draft.scratch);
    }
    draft.submit();
}

/// Bits of a record's flags. Forgotten: what follows is looked at once.
#[inline(always)]
pub fn urgent(telling: bool) -> u32 {
    kernel::forget(if telling { RecordFlags::DEVIATION } else { 0 })
}

/// A socket that leads to the host by its name. Whoever looks for another that is not there (nscd's, at every start) tells
/// nothing. `None` without scratch memory.
#[inline(always)]
fn is_watched(address: Address) -> Option<bool> {
    Some(match address {
        Address::Text(path, len) => text::is_watched(text::base_name_hash(path, len + 1)?),
        Address::Abstract(Memory::User(name), _) => read_user_or_zero::<[u8; 16]>(name + 1) == SHIM,
        Address::Abstract(Memory::Kernel(name), _) => Kptr(name + 1).read_or_zero::<[u8; 16]>(0) == SHIM,
        _ => false,
    })
}
