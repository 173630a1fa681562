//! What the daemon tells the programs before they load: read-only, known to the verifier.

use crate::event::{CallName, Namespaces};

/// System calls that the dispatcher can tell apart, native and compat each.
pub const MAX_SYSCALLS: u32 = 512;
/// Words of a bitmap of system calls.
pub const SYSCALL_WORDS: usize = MAX_SYSCALLS as usize / 64;
/// Entries of the table of tail calls: native numbers first, then the compat ones.
pub const SYSCALL_TABLE: u32 = 2 * MAX_SYSCALLS;

/// The daemon's own command of bpf(2), which the kernel does not know: the programs on bpf(2) answer it with a record.
pub const HEARTBEAT_COMMAND: u32 = 0x7669_6761;

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
    /// Number of bpf(2), for the daemon's own calls; [`MISSING`] where it has none.
    ///
    /// [`MISSING`]: crate::offsets::MISSING
    pub bpf_call: u32,
    /// How long a runtime's work is taken for the runtime's: see [`crate::limits::RUNTIME_TICKS`].
    pub runtime_ticks: u32,
    /// Address of `call_usermodehelper_exec_work`, which starts a program for the kernel; 0: not known.
    pub helper_starter: u64,
    /// Drawn at each start: strings in behaviours' keys are hashed with it.
    pub hash_key: [u64; 2],
    /// The same for the paths of policies.
    pub policy_key: [u64; 2],
    /// Drawn at each start: by it the programs know [`HEARTBEAT_COMMAND`] as the daemon's.
    pub heartbeat_key: u64,
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
        bpf_call: crate::offsets::MISSING,
        runtime_ticks: crate::limits::RUNTIME_TICKS,
        helper_starter: 0,
        hash_key: [0; 2],
        policy_key: [0; 2],
        heartbeat_key: 0,
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

/// How the return of a call that tells by itself becomes a SYSCALL record. One per entry of the table of tail calls.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct CallRule {
    /// 0: no such call.
    pub call: CallName,
    /// Offsets in `pt_regs` of what the record's arguments are.
    pub args: [u32; 4],
    /// Offset in `pt_regs` of the name's address.
    pub text: u32,
    /// Offset in `pt_regs` of the address of a structure.
    pub structure: u32,
    /// Offset in it of a word of 32 bits.
    pub word: u32,
    /// Bit i: the record has argument i. Addresses are left out.
    pub kept: u8,
    /// Bit i: the record's argument i is part of the behaviour.
    pub keyed: u8,
    /// Bit i: argument i is the word of the structure.
    pub words: u8,
    /// Bits below.
    pub flags: u8,
}

impl CallRule {
    /// No call.
    pub const NONE: Self = Self {
        call: CallName(0),
        args: [0; 4],
        text: 0,
        structure: 0,
        word: 0,
        kept: 0,
        keyed: 0,
        words: 0,
        flags: 0,
    };
    /// A universal rule may apply.
    pub const DEVIATION: u8 = 1;
    /// Without the word the call only asks, and is not reported.
    pub const UNLESS_ZERO: u8 = 2;
    /// It has a name.
    pub const TEXT: u8 = 4;
    /// The name is part of the behaviour.
    pub const TEXT_KEYED: u8 = 8;
}
