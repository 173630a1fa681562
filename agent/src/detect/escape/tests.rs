//! What leads out of a container, by what it is done to.

mod calls;
mod denied;
mod host_files;
mod kernel_files;
mod mounts;
mod places;
mod processes;
mod sandboxes;
mod sockets;

use crate::detect::testing::{Scene, scene};

/// Magic number of a disk's filesystem.
const EXT4: u32 = 0xef53;
/// Of `f_mode`.
const READ: u32 = 1;
const WRITE: u32 = 2;

fn python() -> Scene {
    scene("acme/app:1", "/usr/bin/python3")
}
