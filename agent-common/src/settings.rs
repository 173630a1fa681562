//! What the daemon tells the programs before they load: read-only, known to the verifier.

use crate::event::Namespaces;

/// System calls that the dispatcher can tell apart, native and compat each.
pub const MAX_SYSCALLS: u32 = 512;
/// Words of a bitmap of system calls.
pub const SYSCALL_WORDS: usize = MAX_SYSCALLS as usize / 64;
/// Entries of the table of tail calls: native numbers first, then the compat ones.
pub const SYSCALL_TABLE: u32 = 2 * MAX_SYSCALLS;

/// Where `pt_regs` holds a system call, by offset.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    /// Offset of the call's number in `pt_regs`.
    pub number: u32,
    /// Offsets of its arguments.
    pub args: [u32; 6],
    /// Offsets of the arguments of a 32-bit call; [`crate::offsets::MISSING`] where there are none.
    pub compat_args: [u32; 6],
}

/// Global `SETTINGS` of the object.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// [`crate::ABI_VERSION`] of the object; the daemon refuses another before it overwrites it.
    pub abi_version: u32,
    /// Number of the v1 hierarchy that names containers (`pids`, else `memory`); 0: none.
    pub v1_hierarchy: u32,
    /// Index of its controller in `css_set.subsys`.
    pub v1_subsystem: u32,
    /// Lowest port that the kernel gives to sockets that did not ask for one.
    pub ephemeral_low: u32,
    /// Highest of them.
    pub ephemeral_high: u32,
    /// Drawn at each start: strings in behaviours' keys are hashed with it.
    pub hash_key: [u64; 2],
    /// Namespaces of the host.
    pub host: Namespaces,
    pub registers: Registers,
}

impl Settings {
    /// What the object file holds until the daemon patches it.
    pub const UNSET: Self = Self {
        abi_version: crate::ABI_VERSION,
        v1_hierarchy: 0,
        v1_subsystem: 0,
        ephemeral_low: 32_768,
        ephemeral_high: 60_999,
        hash_key: [0; 2],
        host: Namespaces {
            mnt: 0,
            pid: 0,
            net: 0,
            ipc: 0,
            uts: 0,
            cgroup: 0,
            user: 0,
            time: 0,
        },
        registers: Registers {
            number: 0,
            args: [0; 6],
            compat_args: [0; 6],
        },
    };
}

/// Value of the one entry of the map of wanted system calls.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct SyscallMask {
    /// Native system calls that have a handler.
    pub native: [u64; SYSCALL_WORDS],
    /// The same for 32-bit calls.
    pub compat: [u64; SYSCALL_WORDS],
}
