//! System calls that no library wraps safely. The only unsafe code of the tests: what they must do to be seen is
//! what well-behaved programs never do.

use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_MAP_CREATE: i64 = 0;
/// `BPF_MAP_TYPE_ARRAY`.
pub(crate) const MAP_TYPE_ARRAY: u32 = 2;
/// `PTRACE_SEIZE`: attaches without a stop.
pub(crate) const PTRACE_SEIZE: u32 = 0x4206;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn check(result: i64) -> io::Result<i64> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// bpf(BPF_MAP_CREATE) of a small array; the map is gone at once.
pub(crate) fn create_map() -> io::Result<i64> {
    // union bpf_attr for BPF_MAP_CREATE: map_type, key_size, value_size, max_entries.
    let attributes: [u32; 4] = [MAP_TYPE_ARRAY, 4, 8, 1];
    // SAFETY: the kernel reads as many bytes as the size says.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_MAP_CREATE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) });
    Ok(0)
}

/// creat(2).
pub(crate) fn creat(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    // SAFETY: the path is terminated.
    let fd = unsafe { libc::creat(path.as_ptr(), 0o600) };
    check(fd.into())?;
    // SAFETY: the kernel has just made this descriptor for us.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(0)
}

/// Attaches to a process as a debugger, without stopping it.
pub(crate) fn seize(pid: u32) -> io::Result<i64> {
    // SAFETY: PTRACE_SEIZE reads no memory of ours.
    check(unsafe { libc::syscall(libc::SYS_ptrace, i64::from(PTRACE_SEIZE), i64::from(pid), 0, 0) })
}

/// Makes namespaces of one's own.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: callers have one thread: nobody relies on descriptors that are shared now.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// What the child of [`clone_into`] becomes.
pub(crate) struct Image<'a> {
    pub(crate) program: &'a str,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) stdin: File,
    pub(crate) stdout: File,
}

/// clone3(CLONE_INTO_CGROUP) and execve: a process that is born in a control group.
pub(crate) fn clone_into(cgroup: BorrowedFd<'_>, image: &Image<'_>) -> io::Result<u32> {
    let program = CString::new(image.program)?;
    let words = std::iter::once(&image.program).chain(image.arguments);
    let words: Vec<CString> = words.map(|word| CString::new(*word)).collect::<Result<_, _>>()?;
    let mut argv: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let environment = [std::ptr::null::<libc::c_char>()];
    let (stdin, stdout) = (image.stdin.as_raw_fd(), image.stdout.as_raw_fd());
    // struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
    // set_tid_size, cgroup.
    let mut arguments = [0u64; 11];
    arguments[0] = CLONE_INTO_CGROUP;
    arguments[4] = u64::try_from(libc::SIGCHLD).unwrap_or(0);
    arguments[10] = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
    // SAFETY: without CLONE_VM the child has its own memory; it only makes system calls on what was prepared above.
    unsafe {
        let pid = libc::syscall(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments));
        if pid == 0 {
            libc::dup2(stdin, 0);
            libc::dup2(stdout, 1);
            libc::execve(program.as_ptr(), argv.as_ptr(), environment.as_ptr());
            libc::_exit(127);
        }
        Ok(u32::try_from(check(pid)?).unwrap_or(0))
    }
}

/// open(2) as a 32-bit program makes it. A kernel without 32-bit calls ends the process.
#[cfg(target_arch = "x86_64")]
pub(crate) fn open32(path: &str) -> io::Result<i64> {
    const OPEN32: u64 = 5;
    const PAGE: usize = 4096;
    let path = CString::new(path)?;
    // SAFETY: a new anonymous page below 4 GiB, where a 32-bit pointer reaches it; the path is shorter.
    let result = unsafe {
        let page = libc::mmap(
            std::ptr::null_mut(),
            PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
            -1,
            0,
        );
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let bytes = path.as_bytes_with_nul();
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), page.cast(), bytes.len().min(PAGE));
        let mut result = OPEN32;
        // rbx belongs to the compiler; the kernel clears r8 to r11.
        std::arch::asm!(
            "xchg {address}, rbx",
            "int 0x80",
            "xchg {address}, rbx",
            address = inout(reg) page as u64 => _,
            inout("rax") result,
            in("rcx") 0u64,
            in("rdx") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
        result
    };
    // A 32-bit result: its sign is bit 31.
    // The result is the low half of the register.
    let [a, b, c, d, ..] = result.to_le_bytes();
    let result = i32::from_le_bytes([a, b, c, d]);
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    Ok(i64::from(result))
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn open32(_path: &str) -> io::Result<i64> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// truncate(2): to nothing.
pub(crate) fn truncate(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    // SAFETY: a string that ends with a zero.
    check(unsafe { libc::truncate(path.as_ptr(), 0) }.into())
}

/// ioctl(TIOCSTI) on standard input: the error's number, for it is no terminal.
pub(crate) fn type_ahead() -> i64 {
    let byte = b'x';
    // SAFETY: the kernel reads one byte.
    let done = unsafe { libc::ioctl(0, libc::TIOCSTI, &raw const byte) };
    if done == 0 {
        return 0;
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(0).into()
}
