//! System calls by the x32 convention of `x86_64`: 64-bit registers, 32-bit pointers.

/// `__X32_SYSCALL_BIT`: what marks them.
pub const BIT: u32 = 0x4000_0000;
/// The first of those whose structures hold pointers, and which therefore have numbers of their own.
pub const FIRST: u32 = 512;
/// What each of these is in the native table, in the kernel's order
/// (`arch/x86/entry/syscalls/syscall_64.tbl`). All others have the native numbers.
pub const NATIVE: [u16; 36] = [
    13,  // rt_sigaction
    15,  // rt_sigreturn
    16,  // ioctl
    19,  // readv
    20,  // writev
    45,  // recvfrom
    46,  // sendmsg
    47,  // recvmsg
    59,  // execve
    101, // ptrace
    127, // rt_sigpending
    128, // rt_sigtimedwait
    129, // rt_sigqueueinfo
    131, // sigaltstack
    222, // timer_create
    244, // mq_notify
    246, // kexec_load
    247, // waitid
    273, // set_robust_list
    274, // get_robust_list
    278, // vmsplice
    279, // move_pages
    295, // preadv
    296, // pwritev
    297, // rt_tgsigqueueinfo
    299, // recvmmsg
    307, // sendmmsg
    310, // process_vm_readv
    311, // process_vm_writev
    54,  // setsockopt
    55,  // getsockopt
    206, // io_setup
    209, // io_submit
    322, // execveat
    327, // preadv2
    328, // pwritev2
];
