//! Addresses of unix sockets: a path, or an abstract name.

use crate::file;
use crate::global::offset;
use crate::kernel::{Kptr, read_user_or_zero};
use crate::path::{self, Location};
use crate::scratch::{self, Memory, Scratch};
use crate::task::Deed;
use crate::text::{self, Text};
use agent_common::event::{FileObject, StrRef};

/// Bytes of `sockaddr_un` before `sun_path`.
const FAMILY: u32 = 2;
/// Longest `sun_path`, bytes.
const MAX_NAME: u32 = 108;
/// In a key's detail: the object is an abstract name.
const ABSTRACT: u64 = 1;

/// What a unix socket is, or is to be, bound to.
#[derive(Clone, Copy)]
pub enum Address {
    /// Autobind, or nothing at all.
    Unnamed,
    /// Where its inode is.
    Place(Location),
    /// A path as it was given: its first byte, and at most so many.
    Text(Memory, u32),
    /// An abstract name: the zero before it, and its length with that.
    Abstract(Memory, u32),
}

impl Address {
    /// Of a socket that is bound.
    #[inline(always)]
    pub fn of_socket(socket: Kptr) -> Self {
        if let Some(location) = socket.field(offset!(unix_path)).and_then(Location::read) {
            return Self::Place(location);
        }
        let Some(bound) = socket.follow(offset!(unix_addr)) else {
            return Self::Unnamed;
        };
        let name = bound.field(offset!(unix_address_name)).unwrap_or(bound);
        match sun_path(bound.read_or_zero(offset!(unix_address_len))) {
            0 => Self::Unnamed,
            len => Self::Abstract(Memory::Kernel(name.0 + u64::from(FAMILY)), len),
        }
    }

    /// The `sockaddr_un` of a call, in the kernel's copy.
    #[inline(always)]
    pub fn given(address: Kptr, len: u32) -> Self {
        let first = address.read_or_zero::<u8>(FAMILY);
        Self::named(
            Memory::Kernel(address.0 + u64::from(FAMILY)),
            first,
            sun_path(len),
        )
    }

    /// The `sockaddr_un` of a call, in the caller's memory.
    #[inline(always)]
    pub fn asked(address: u64, len: u32) -> Self {
        let path = address + u64::from(FAMILY);
        let first = read_user_or_zero::<u8>(path);
        Self::named(Memory::User(path), first, sun_path(len))
    }

    #[inline(always)]
    fn named(path: Memory, first: u8, len: u32) -> Self {
        match (len, first) {
            (0, _) => Self::Unnamed,
            (_, 0) => Self::Abstract(path, len),
            _ => Self::Text(path, len),
        }
    }

    /// The inode that stands for the socket.
    #[inline(always)]
    pub fn file(self) -> FileObject {
        match self {
            Self::Place(location) => file::at(location).unwrap_or_default(),
            _ => FileObject::default(),
        }
    }

    /// A behaviour on the socket of this address. Abstract names are those of a network namespace.
    #[inline(always)]
    pub fn deed(self, net_ns: u32) -> Deed {
        let (object, detail) = match self {
            Self::Unnamed => ([0; 2], 0),
            Self::Place(location) => ([file::place(location.dentry), 0], 0),
            Self::Text(path, _) => ([Text::Memory(path).identity(), 0], 0),
            Self::Abstract(path, len) => ([text::hash_bytes(path, len), u64::from(net_ns)], ABSTRACT),
        };
        Deed {
            access: 0,
            object,
            detail,
        }
    }

    /// Appends it to the record: the path, or `@name`.
    #[inline(always)]
    pub fn append(self, scratch: *mut Scratch) -> StrRef {
        match self {
            Self::Unnamed => StrRef::default(),
            Self::Place(location) => path::append(scratch, location, Location { dentry: 0, mnt: 0 }),
            // One byte more for the terminator, which need not be there.
            Self::Text(path, len) => scratch::append_str(scratch, path, len + 1),
            Self::Abstract(path, len) => {
                let name = scratch::append(scratch, path, len);
                if name.len != 0 {
                    scratch::set_first(scratch, name, b'@');
                }
                name
            }
        }
    }
}

/// Length of `sun_path` in an address of `len` bytes.
#[inline(always)]
fn sun_path(len: u32) -> u32 {
    let len = len.saturating_sub(FAMILY);
    if len < MAX_NAME { len } else { MAX_NAME }
}
