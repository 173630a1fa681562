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

/// The same, and gives what was there before (since 5.12).
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn fetch_add(value: *mut u64, amount: u64) -> u64 {
    let mut old = amount;
    // SAFETY: the caller's.
    unsafe { asm!("{1} = atomic_fetch_add((u64 *)({0} + 0), {1})", in(reg) value, inout(reg) old) };
    old
}

/// Sets bits, and gives what was there before (since 5.12).
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn fetch_or(value: *mut u64, bits: u64) -> u64 {
    let mut old = bits;
    // SAFETY: the caller's.
    unsafe { asm!("{1} = atomic_fetch_or((u64 *)({0} + 0), {1})", in(reg) value, inout(reg) old) };
    old
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

/// Stores `new` where `old` stands, and gives what was there (since 5.12).
///
/// # Safety
/// `value` is a live, aligned map value.
#[inline(always)]
pub unsafe fn replace(value: *mut u64, old: u64, new: u64) -> u64 {
    let mut found = old;
    // SAFETY: the caller's.
    unsafe { asm!("r0 = cmpxchg_64({0} + 0, r0, {1})", in(reg) value, in(reg) new, inout("r0") found) };
    found
}
