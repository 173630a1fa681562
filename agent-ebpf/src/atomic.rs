//! Atomic instructions. The BPF target of rustc declares none, the machine has them (xchg since 5.12).

use core::arch::asm;

/// Adds to a map value that other programs change too.
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn add(value: *mut u64, amount: u64) {
    // SAFETY: the caller's.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) value, in(reg) amount) };
}

/// The same for a 32-bit number; `u32::MAX` takes one away.
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn add_u32(value: *mut u32, amount: u32) {
    // SAFETY: the caller's.
    unsafe { asm!("lock *(u32 *)({0} + 0) += {1}", in(reg) value, in(reg) amount) };
}

/// Stores `new` and gives what was there.
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn exchange(value: *mut u64, new: u64) -> u64 {
    let mut old = new;
    // SAFETY: the caller's.
    unsafe { asm!("{1} = xchg_64({0} + 0, {1})", in(reg) value, inout(reg) old) };
    old
}
