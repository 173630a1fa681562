//! Access to kernel memory by address and resolved offset.

use agent_common::offsets::MISSING;
use aya_ebpf::helpers::bpf_probe_read_user;
use aya_ebpf::helpers::generated::{self, bpf_probe_read_kernel};
use core::arch::asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;

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
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: the helper checks the address, and writes a whole `T` (plain numbers everywhere).
        unsafe {
            let failed = bpf_probe_read_kernel(
                value.as_mut_ptr().cast(),
                size_of::<T>() as u32,
                self.0.wrapping_add(u64::from(offset)) as *const c_void,
            );
            if failed == 0 {
                Some(value.assume_init())
            } else {
                None
            }
        }
    }

    /// The field at `offset`, or zero.
    #[inline(always)]
    pub fn read_or_zero<T: Default>(self, offset: u32) -> T {
        if offset == MISSING {
            return T::default();
        }
        let mut value = T::default();
        // SAFETY: the helper checks the address; it zeroes the value when it fails.
        unsafe {
            bpf_probe_read_kernel(
                core::ptr::from_mut(&mut value).cast(),
                size_of::<T>() as u32,
                self.0.wrapping_add(u64::from(offset)) as *const c_void,
            );
        }
        value
    }

    /// Copies what is at `offset` to `value`, or zeroes it: without the temporary that large values would need.
    #[inline(always)]
    pub fn copy<T>(self, offset: u32, value: &mut T) {
        if offset == MISSING {
            return;
        }
        // SAFETY: as above.
        unsafe {
            bpf_probe_read_kernel(
                core::ptr::from_mut(value).cast(),
                size_of::<T>() as u32,
                self.0.wrapping_add(u64::from(offset)) as *const c_void,
            );
        }
    }

    /// The pointer at `offset`; `None` when it is null too. Zero stands for a failed read: with an `Option` in between
    /// the compiler may leave the pointer's register unwritten, which the verifier refuses ("R3 !read_ok", 6.18).
    #[inline(always)]
    pub fn follow(self, offset: u32) -> Option<Kptr> {
        match self.read_or_zero::<u64>(offset) {
            0 => None,
            address => Some(Kptr(address)),
        }
    }

    /// Address of the embedded structure at `offset`.
    #[inline(always)]
    pub fn field(self, offset: u32) -> Option<Kptr> {
        (offset != MISSING).then(|| Kptr(self.0.wrapping_add(u64::from(offset))))
    }
}

/// The same value, of which the verifier knows nothing any more: what follows is looked at once, not once for each way that it
/// was come by.
#[inline(always)]
pub fn forget<T: Default>(value: T) -> T {
    Kptr(core::ptr::from_ref(&value) as u64).read_or_zero(0)
}

/// An address as a number: global functions refuse what the verifier knows to be a pointer, and it does not know what is negated.
#[inline(always)]
pub fn number(address: u64) -> u64 {
    let mut number = address;
    // SAFETY: registers only.
    unsafe { asm!("{0} = -{0}", "{0} = -{0}", inout(reg) number, options(pure, nomem, nostack)) };
    number
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

/// A word of user memory, or zero. Without an `Option` in between: see [`Kptr::follow`].
#[inline(always)]
pub fn read_user_or_zero<T: Default>(address: u64) -> T {
    let mut value = T::default();
    // SAFETY: the helper checks the address, and writes a whole `T` (plain numbers everywhere); it zeroes it when it fails.
    unsafe {
        generated::bpf_probe_read_user(
            core::ptr::from_mut(&mut value).cast(),
            size_of::<T>() as u32,
            address as *const c_void,
        );
    }
    value
}
