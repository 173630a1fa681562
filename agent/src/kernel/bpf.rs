//! Commands of bpf(2) that aya has no function for.

use agent_common::settings::HEARTBEAT_COMMAND;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const BPF_OBJ_PIN: u32 = 6;
const BPF_PROG_TEST_RUN: u32 = 10;
const BPF_MAP_FREEZE: u32 = 22;
const BPF_MAP_LOOKUP_BATCH: u32 = 24;

/// `union bpf_attr` of BPF_OBJ_PIN.
#[repr(C)]
struct Pin {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// `union bpf_attr` of BPF_MAP_FREEZE.
#[repr(C)]
struct Freeze {
    map_fd: u32,
}

/// `union bpf_attr` of BPF_MAP_LOOKUP_BATCH.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// `union bpf_attr` of BPF_PROG_TEST_RUN.
#[repr(C)]
#[derive(Default)]
struct Run {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    reserved: u32,
}

/// # Safety
/// Addresses in `attributes` point to memory of the size that the command writes there.
unsafe fn call<T>(command: u32, attributes: &mut T) -> io::Result<()> {
    // SAFETY: the kernel reads and writes as many bytes as the size says, and what the caller vouches for.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn number(descriptor: BorrowedFd<'_>) -> u32 {
    u32::try_from(descriptor.as_raw_fd()).unwrap_or(u32::MAX)
}

/// From now on only programs write to the map.
///
/// # Errors
/// When the kernel refuses: somebody has it mapped for writing.
pub(super) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    let mut attributes = Freeze { map_fd: number(map) };
    // SAFETY: no addresses.
    unsafe { call(BPF_MAP_FREEZE, &mut attributes) }
}

/// Reads a whole array into `values`, by one system call; an entry has `each` of them.
///
/// # Errors
/// When the kernel refuses, or has another number of values.
///
/// # Safety
/// The array's entries are `each` of type `T`, any bytes of which are one.
pub(super) unsafe fn read_array<T>(map: BorrowedFd<'_>, values: &mut [T], each: usize) -> io::Result<()> {
    let entries = values.len() / each;
    let count = u32::try_from(entries).unwrap_or(u32::MAX);
    let mut keys = vec![0u32; entries];
    let mut next = 0u32;
    let mut attributes = Batch {
        in_batch: 0,
        out_batch: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count,
        map_fd: number(map),
        elem_flags: 0,
        flags: 0,
    };
    // SAFETY: keys and values have room for `count` of each, the position for one.
    match unsafe { call(BPF_MAP_LOOKUP_BATCH, &mut attributes) } {
        // The end of the array was reached.
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ if attributes.count != count => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Pins what a descriptor of this process stands for.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn pin(descriptor: u32, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Pin {
        pathname: path.as_ptr() as u64,
        bpf_fd: descriptor,
        file_flags: 0,
    };
    // SAFETY: the kernel reads the path, which lives until it is done.
    unsafe { call(BPF_OBJ_PIN, &mut attributes) }
}

/// Runs a raw tracepoint's program with these arguments: what it returns.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn run(program: BorrowedFd<'_>, arguments: &[u64]) -> io::Result<u32> {
    let mut attributes = Run {
        prog_fd: number(program),
        ctx_size_in: u32::try_from(size_of_val(arguments)).unwrap_or(u32::MAX),
        ctx_in: arguments.as_ptr() as u64,
        ..Run::default()
    };
    // SAFETY: the kernel only reads the arguments, as many as there are.
    unsafe { call(BPF_PROG_TEST_RUN, &mut attributes)? };
    Ok(attributes.retval)
}

/// Calls the sensor's own programs; the kernel does not know the command, and says so.
pub(super) fn call_programs(key: u64) {
    let mut attributes = [key, 0];
    // SAFETY: no addresses. The answer comes over the rings.
    let _refused = unsafe { call(HEARTBEAT_COMMAND, &mut attributes) };
}
