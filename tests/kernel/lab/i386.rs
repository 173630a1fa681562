//! System calls as 32-bit programs make them. A kernel without such calls ends the process.

use std::io;

/// An argument of `socketcall`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Argument<'a> {
    Number(u32),
    /// The address of these bytes.
    Memory(&'a [u8]),
}

const OPEN: u32 = 5;
const SOCKETCALL: u32 = 102;

/// open(2).
pub(crate) fn open(path: &str) -> io::Result<i64> {
    let mut page = Page::new()?;
    let path = page.put(&[path.as_bytes(), b"\0"].concat())?;
    call(OPEN, path, 0)
}

/// `socketcall(call, arguments)`.
pub(crate) fn socketcall(number: u32, arguments: &[Argument<'_>]) -> io::Result<i64> {
    let mut page = Page::new()?;
    let mut words = Vec::new();
    for argument in arguments {
        let word = match argument {
            Argument::Number(number) => *number,
            Argument::Memory(bytes) => page.put(bytes)?,
        };
        words.extend(word.to_ne_bytes());
    }
    let words = page.put(&words)?;
    call(SOCKETCALL, number, words)
}

/// Memory below 4 GiB, where a 32-bit pointer reaches it; unmapped when the process ends.
struct Page {
    start: *mut u8,
    used: usize,
}

impl Page {
    const LEN: usize = 4096;
    const ALIGNMENT: usize = 8;

    /// Copies bytes to it; their address.
    fn put(&mut self, bytes: &[u8]) -> io::Result<u32> {
        let start = self.used.next_multiple_of(Self::ALIGNMENT);
        self.used = start + bytes.len();
        if self.used > Self::LEN {
            return Err(io::Error::other("the page is full"));
        }
        // SAFETY: the bytes end within the page.
        let address = unsafe {
            let to = self.start.add(start);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            to as usize
        };
        u32::try_from(address).map_err(io::Error::other)
    }
}

#[cfg(target_arch = "x86_64")]
impl Page {
    fn new() -> io::Result<Self> {
        // SAFETY: a new anonymous page that nobody knows.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            start: page.cast(),
            used: 0,
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn call(number: u32, first: u32, second: u32) -> io::Result<i64> {
    let mut result = u64::from(number);
    // SAFETY: the arguments are numbers, or addresses of what the call reads. rbx belongs to the compiler; the kernel clears
    // r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg {first}, rbx",
            "int 0x80",
            "xchg {first}, rbx",
            first = inout(reg) u64::from(first) => _,
            inout("rax") result,
            in("rcx") u64::from(second),
            in("rdx") 0u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    // The result is the low half of the register; its sign is bit 31.
    let [a, b, c, d, ..] = result.to_le_bytes();
    let result = i32::from_le_bytes([a, b, c, d]);
    if result < 0 {
        return Err(io::Error::from_raw_os_error(-result));
    }
    Ok(i64::from(result))
}

#[cfg(not(target_arch = "x86_64"))]
impl Page {
    fn new() -> io::Result<Self> {
        Err(io::Error::from_raw_os_error(libc::ENOSYS))
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn call(_number: u32, _first: u32, _second: u32) -> io::Result<i64> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}
