//! System calls that no library wraps safely. The only unsafe code of the tests: what they must do to be seen is
//! what well-behaved programs never do.

mod sockets;

pub(crate) use sockets::{attach_filter, bind, connect, receive_by_recvmmsg, socket, with_message};

use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

const BPF_MAP_CREATE: i64 = 0;
/// `BPF_MAP_TYPE_ARRAY`.
pub(crate) const MAP_TYPE_ARRAY: u32 = 2;
/// `PTRACE_SEIZE`: attaches without a stop.
pub(crate) const PTRACE_SEIZE: u32 = 0x4206;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

pub(crate) fn check(result: i64) -> io::Result<i64> {
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

/// Tries to write to a process that it does not trace.
pub(crate) fn poke(request: u64, pid: u32) -> io::Result<i64> {
    // SAFETY: the kernel refuses: the process is not stopped.
    let result = check(unsafe { libc::syscall(libc::SYS_ptrace, request, i64::from(pid), 0, 0) });
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(0),
        other => other,
    }
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

/// name_to_handle_at(2) and open_by_handle_at(2), to read.
pub(crate) fn open_by_handle(path: &str) -> io::Result<i64> {
    // A descriptor of the same mount.
    let mount = File::open(Path::new(path).parent().unwrap_or(Path::new("/")))?;
    let path = CString::new(path)?;
    // `struct file_handle`: how long it is, its type, and what the filesystem makes of it.
    let mut handle = [0_u32; 2 + 32];
    handle[0] = 128;
    let (handle, mut id) = (handle.as_mut_ptr(), 0_i32);
    let here = i64::from(libc::AT_FDCWD);
    // SAFETY: the path is terminated, the handle as long as it says.
    check(unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            here,
            path.as_ptr(),
            handle,
            &raw mut id,
            0,
        )
    })?;
    // SAFETY: the handle is the kernel's own.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            mount.as_raw_fd(),
            handle,
            libc::O_RDONLY,
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) });
    Ok(0)
}

/// process_vm_readv(2) where nothing is mapped: the kernel asks for the right before it finds that out.
pub(crate) fn read_memory(pid: i64) -> io::Result<i64> {
    let mut byte = [0_u8; 1];
    let local = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let remote = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 1,
    };
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: writes one byte at most, to one of ours.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) };
    match check(i64::try_from(read).unwrap_or(0)) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(0),
        other => other,
    }
}

/// pidfd_open(2).
pub(crate) fn open_process(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: reads no memory of ours; the kernel has just made this descriptor for us.
    unsafe {
        let process = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(process).unwrap_or(-1)))
    }
}

/// setns(2).
pub(crate) fn setns(fd: i64, kind: i64) -> io::Result<i64> {
    // SAFETY: reads no memory of ours.
    check(unsafe { libc::syscall(libc::SYS_setns, fd, kind) })
}

/// bpf(BPF_PROG_LOAD) of a program of this type that returns 0; it is gone at once.
pub(crate) fn load_program(kind: u64) -> io::Result<i64> {
    const BPF_PROG_LOAD: i64 = 5;
    // r0 = 0; exit
    let instructions: [u64; 2] = [0xb7, 0x95];
    // union bpf_attr for BPF_PROG_LOAD: prog_type and insn_cnt, insns, license; the rest is zero.
    let mut attributes = [0_u64; 16];
    attributes[0] = kind | 2 << 32;
    attributes[1] = instructions.as_ptr() as u64;
    attributes[2] = c"GPL".as_ptr() as u64;
    // SAFETY: the kernel reads as many bytes as the size says, and what the attributes point to, which lives as long.
    let fd = check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })?;
    // SAFETY: the kernel has just made this descriptor for us.
    drop(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap_or(-1)) });
    Ok(0)
}

/// pidfd_getfd(2) of another process's descriptor.
pub(crate) fn take_descriptor(pid: u32, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: neither call reads memory of ours; the kernel has just made these descriptors for us.
    unsafe {
        let process = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        let process = OwnedFd::from_raw_fd(i32::try_from(process).unwrap_or(-1));
        let taken = check(libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), fd, 0))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(taken).unwrap_or(-1)))
    }
}

/// truncate(2): to nothing.
pub(crate) fn truncate(path: &str) -> io::Result<i64> {
    let path = CString::new(path)?;
    // SAFETY: a string that ends with a zero.
    check(unsafe { libc::truncate(path.as_ptr(), 0) }.into())
}

/// ioctl(FS_IOC_FSSETXATTR): nobody may change the file, and then he may again. Not every filesystem has such flags.
pub(crate) fn keep_for_good(file: &File) -> i64 {
    const FS_IOC_FSSETXATTR: libc::Ioctl = 0x401c_5820;
    const FS_XFLAG_IMMUTABLE: u32 = 0x8;
    for flags in [FS_XFLAG_IMMUTABLE, 0] {
        let attributes = [flags, 0, 0, 0, 0, 0, 0];
        // SAFETY: the kernel reads a `struct fsxattr` of 28 bytes.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSSETXATTR, attributes.as_ptr()) };
        if done != 0 {
            return io::Error::last_os_error().raw_os_error().unwrap_or(0).into();
        }
    }
    0
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

const PAGE: usize = 4096;

/// Maps a page, does something while it is there, and unmaps it; -1 for no descriptor.
fn with_page(
    prot: i32,
    flags: i32,
    fd: i32,
    then: impl FnOnce(*mut libc::c_void) -> io::Result<i64>,
) -> io::Result<i64> {
    // SAFETY: a new mapping of our own, unmapped before anything else could use it.
    unsafe {
        let page = libc::mmap(std::ptr::null_mut(), PAGE, prot, flags, fd, 0);
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let result = then(page);
        libc::munmap(page, PAGE);
        result
    }
}

/// mmap(2) of a file's first page.
pub(crate) fn map_file(file: BorrowedFd<'_>, prot: i32) -> io::Result<i64> {
    with_page(prot, libc::MAP_PRIVATE, file.as_raw_fd(), |_| Ok(0))
}

/// mmap(2) of a page that no file has.
pub(crate) fn map_anonymous(prot: i32) -> io::Result<i64> {
    with_page(prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, |_| Ok(0))
}

/// mprotect(2) of such a page.
pub(crate) fn protect(prot: i32) -> io::Result<i64> {
    let before = libc::PROT_READ | libc::PROT_WRITE;
    with_page(before, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, |page| {
        // SAFETY: a whole page of our own that nobody reads.
        check(unsafe { libc::mprotect(page, PAGE, prot) }.into())
    })
}

/// A child in new namespaces, which ends at once.
pub(crate) fn clone_new(flags: u64) -> io::Result<i64> {
    let mut arguments = [0u64; 11];
    arguments[0] = flags;
    arguments[4] = u64::try_from(libc::SIGCHLD).unwrap_or(0);
    // SAFETY: without CLONE_VM the child has its own memory, and does nothing with it.
    unsafe {
        let pid = check(libc::syscall(
            libc::SYS_clone3,
            arguments.as_ptr(),
            size_of_val(&arguments),
        ))?;
        if pid == 0 {
            libc::_exit(0);
        }
        check(libc::waitpid(i32::try_from(pid).unwrap_or(-1), std::ptr::null_mut(), 0).into()).map(|_| 0)
    }
}

/// Becomes effectively another user, by a system call of this thread alone; the real user stays.
pub(crate) fn become_user(uid: i64) -> io::Result<i64> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, -1_i64, uid, -1_i64) })
}

/// Becomes another user for good.
pub(crate) fn leave_root(uid: i64) -> io::Result<i64> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })
}

/// setuid(2) of this thread alone.
pub(crate) fn setuid(uid: i64) -> io::Result<i64> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_setuid, uid) })
}

/// kill(2).
pub(crate) fn kill(pid: i64, signal: i64) -> io::Result<i64> {
    // SAFETY: numbers only.
    check(unsafe { libc::syscall(libc::SYS_kill, pid, signal) })
}

/// prctl(2) with numbers.
pub(crate) fn prctl(arguments: [u64; 4]) -> io::Result<i64> {
    let [option, second, third, fourth] = arguments;
    // SAFETY: options that take addresses get none that is ours.
    check(unsafe { libc::syscall(libc::SYS_prctl, option, second, third, fourth, 0) })
}

/// A call, by its arguments; addresses among them are of memory that lives as long.
pub(crate) fn numbers(call: libc::c_long, arguments: [i64; 5]) -> io::Result<i64> {
    let [first, second, third, fourth, fifth] = arguments;
    // SAFETY: the callers' structures are as large as the calls want them; small numbers are no address of ours.
    check(unsafe { libc::syscall(call, first, second, third, fourth, fifth) })
}

/// A call whose argument `index` is a name; the others are numbers.
pub(crate) fn with_name(
    call: libc::c_long,
    index: usize,
    name: &str,
    mut arguments: [i64; 5],
) -> io::Result<i64> {
    let name = CString::new(name)?;
    if let Some(argument) = arguments.get_mut(index) {
        *argument = name.as_ptr() as i64;
    }
    numbers(call, arguments)
}

/// A call whose argument `index` points to words; the others are numbers.
pub(crate) fn with_words(
    call: libc::c_long,
    index: usize,
    words: &mut [u32; 64],
    mut arguments: [i64; 5],
) -> io::Result<i64> {
    if let Some(argument) = arguments.get_mut(index) {
        *argument = words.as_mut_ptr() as i64;
    }
    numbers(call, arguments)
}
