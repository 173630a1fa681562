//! Access to kernel memory by address and resolved offset.

use agent_common::offsets::MISSING;
use aya_ebpf::helpers::{bpf_probe_read_kernel, bpf_probe_read_user};
use core::ffi::c_void;

/// A `task_struct` as the verifier knows it (a BTF pointer): what task storage needs.
pub type Task = *mut c_void;

/// Address of a kernel object. Reading goes through a helper that fails instead of faulting.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Kptr(pub u64);

impl Kptr {
    /// The field at `offset`; `None` when the kernel lacks it or the memory cannot be read.
    #[inline(always)]
    pub fn read<T>(self, offset: u32) -> Option<T> {
        if offset == MISSING {
            return None;
        }
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel((self.0.wrapping_add(u64::from(offset))) as *const T).ok() }
    }

    /// The field at `offset`, or zero.
    #[inline(always)]
    pub fn read_or_zero<T: Default>(self, offset: u32) -> T {
        self.read(offset).unwrap_or_default()
    }

    /// The pointer at `offset`; `None` when it is null too.
    #[inline(always)]
    pub fn follow(self, offset: u32) -> Option<Kptr> {
        match self.read::<u64>(offset) {
            Some(0) | None => None,
            Some(address) => Some(Kptr(address)),
        }
    }

    /// Address of the embedded structure at `offset`.
    #[inline(always)]
    pub fn field(self, offset: u32) -> Option<Kptr> {
        (offset != MISSING).then(|| Kptr(self.0.wrapping_add(u64::from(offset))))
    }
}

/// Loads a field through a BTF pointer: cheaper than the helper, and a loaded pointer keeps its type.
///
/// # Safety
/// `object` is a BTF pointer whose type has a `T` at `offset`; the verifier checks it.
#[inline(always)]
pub unsafe fn load<T: Copy>(object: Task, offset: u32) -> T {
    // SAFETY: the caller's; the kernel turns a fault into zero.
    unsafe { core::ptr::read_volatile(object.cast::<u8>().wrapping_add(offset as usize).cast::<T>()) }
}

/// A word of user memory.
#[inline(always)]
pub fn read_user<T>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(address as *const T).ok() }
}
