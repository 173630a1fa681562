//! Rules of class `drift`: code that is not in the image, and programs that do what the image's work does not need.

mod files;
mod profile;
mod programs;

pub(crate) use files::*;
pub(crate) use profile::*;
pub(crate) use programs::*;

use crate::detect::Rule;

pub(super) static ALL: &[&Rule] = &[
    &EXEC_FROM_UPPER,
    &EXEC_FROM_TMP,
    &EXEC_FROM_MEMORY,
    &EXEC_UNLINKED,
    &EXEC_FROM_VOLUME,
    &EXEC_OUTSIDE_PROFILE,
    &WRITE_OUTSIDE_PROFILE,
    &CAPABILITY_OUTSIDE_PROFILE,
    &EXEC_REFUSED,
    &LOADER_USED,
    &LIBRARY_OUTSIDE_IMAGE,
    &EXECUTABLE_MEMORY,
    &SCRIPT_DROPPED,
    &STARTUP_FILE,
    &SHELL_FROM_SERVICE,
    &PIPED_SCRIPT,
    &EXEC_SESSION_SHELL,
    &MASQUERADE,
    &KERNEL_THREAD_NAME,
    &PROCESS_FORGED,
    &MINER,
    &PACKAGE_MANAGER,
    &DISCOVERY_BURST,
    &PROCESS_TRACED,
    &ANTI_DEBUG,
];
