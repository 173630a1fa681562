//! Read-only globals, patched by the daemon before load and frozen: the verifier knows their values.

use agent_common::offsets::Offsets;
use agent_common::settings::Settings;

#[unsafe(no_mangle)]
pub static OFFSETS: Offsets = Offsets::UNRESOLVED;
#[unsafe(no_mangle)]
pub static SETTINGS: Settings = Settings::UNSET;

/// Volatile: the compiler must not fold the unpatched value in.
#[inline(always)]
pub fn patched<T: Copy>(value: &'static T) -> T {
    // SAFETY: reads an initialised static.
    unsafe { core::ptr::read_volatile(value) }
}

/// Offset of a kernel field.
macro_rules! offset {
    ($field:ident) => {
        $crate::global::patched(&$crate::global::OFFSETS.$field)
    };
}

/// A setting of the daemon.
macro_rules! setting {
    ($($field:tt)+) => {
        $crate::global::patched(&$crate::global::SETTINGS.$($field)+)
    };
}

pub(crate) use {offset, setting};
