//! The contract between Vigia's kernel programs and its daemon.
//!
//! Only layouts, constants, and what both sides must compute alike (hashes, a policy's verdict): no other logic, no I/O. Every shared struct derives zerocopy's traits, so a
//! hidden padding byte, a `bool` or an `enum` does not compile; every number that comes from the
//! kernel is a `#[repr(transparent)]` newtype, so an unknown value is data and never undefined.
#![no_std]
#![deny(unsafe_code)]

pub mod behaviour;
pub mod counter;
pub mod escape;
pub mod event;
pub mod limits;
pub mod lineage;
pub mod magic;
pub mod mode;
pub mod offsets;
#[cfg(feature = "user")]
mod pod;
pub mod policy;
pub mod settings;
pub mod slot;
pub mod x32;

/// Version of everything in this crate. The daemon refuses an object that says otherwise.
pub const ABI_VERSION: u32 = 3;

/// The first version whose records are read as those of today: what came since is new bits and other maps.
pub const OLDEST_RECORDS: u32 = 2;

/// Hash of a base name, as both sides compute it: FNV-1a over its first [`limits::HASHED_NAME`] bytes.
#[must_use]
pub const fn name_hash(name: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut index = 0;
    while index < name.len() && index < limits::HASHED_NAME {
        hash = (hash ^ name[index] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        index += 1;
    }
    hash
}
