//! A unix socket gets a name.

use crate::emit;
use crate::file;
use crate::global::offset;
use crate::header::Report;
use crate::kernel::Kptr;
use crate::path::Location;
use crate::process::Target;
use crate::socket;
use crate::task::{self, Actor, Deed};
use crate::text::Text;
use crate::unix::Address;
use agent_common::event::{EventKind, UnixConnectEvent};

pub const KIND: EventKind = EventKind::UNIX_BIND;

/// Reports a socket that was bound, or is about to be; the kernel's own names tell nothing.
#[inline(always)]
pub fn bound(sk: Kptr, address: Address, report: Report) {
    let Some(actor) = task::enter(KIND) else { return };
    let deed = deed(address, socket::net_ns(sk));
    write(&actor, address, deed, report);
}

#[inline(always)]
fn write(actor: &Actor, address: Address, deed: Deed, report: Report) {
    let file = address.file();
    let Ok(draft) = emit::draft(actor, KIND, deed) else {
        return;
    };
    let record: *mut UnixConnectEvent = draft.begin(actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = file;
        (*record).peer_tgid = Target::UNKNOWN.tgid;
        (*record).peer_slot = Target::UNKNOWN.slot;
        (*record).reserved = 0;
        (*record).path = address.append(draft.scratch);
    }
    draft.submit();
}

/// A place is its directory and name here: each bind makes an inode of its own, which would be new every time.
#[inline(always)]
fn deed(address: Address, net_ns: u32) -> Deed {
    match address {
        Address::Place(Location { dentry, .. }) => {
            let dentry = Kptr(dentry);
            let name = Text::kernel(dentry.read_or_zero(offset!(dentry_name)));
            Deed {
                object: [
                    name.identity(),
                    file::place(dentry.read_or_zero(offset!(dentry_parent))),
                ],
                ..Deed::default()
            }
        }
        other => other.deed(net_ns),
    }
}
