//! What the micro workloads do, one operation each.

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::fs;
use std::hint::black_box;
use std::io::{Read, Write, stdin, stdout};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The other end of [`Operation::Pipe`].
pub(crate) const ECHO: &str = "echo";
const FILES: usize = 64;
const LOOPBACK: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);

pub(crate) enum Operation {
    /// None at all: the control.
    Cpu(u64),
    Getppid,
    /// A byte to another process and back.
    Pipe(Echo),
    /// Open to read, read, close.
    Open(Files),
    /// Open to write, write, close.
    OpenForWrite(Files),
    Stat(Files),
    /// TCP: connect, accept, close both.
    Connect(OwnedFd, SocketAddrV4),
    /// TCP: bind to a port of the kernel's choice, listen, close.
    Listen,
    /// A datagram from one socket to the other.
    Udp(UdpSocket, UdpSocket, SocketAddr),
}

impl Operation {
    /// None: there is none of that name. Files are made in `folder`.
    pub(crate) fn new(name: &str, folder: &Path) -> Result<Option<Self>> {
        Ok(Some(match name {
            "cpu" => Self::Cpu(1),
            "getppid" => Self::Getppid,
            "pipe" => Self::Pipe(Echo::start()?),
            "open" => Self::Open(Files::create(folder)?),
            "open-for-write" => Self::OpenForWrite(Files::create(folder)?),
            "stat" => Self::Stat(Files::create(folder)?),
            "connect" => {
                let (listener, address) = listen(128)?;
                Self::Connect(listener, address)
            }
            "listen" => Self::Listen,
            "udp" => {
                let receiver = UdpSocket::bind(LOOPBACK)?;
                let address = receiver.local_addr()?;
                Self::Udp(UdpSocket::bind(LOOPBACK)?, receiver, address)
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn run(&mut self) -> Result<()> {
        let mut bytes = [0; 512];
        match self {
            Self::Cpu(state) => compute(state),
            Self::Getppid => drop(black_box(rustix::process::getppid())),
            Self::Pipe(echo) => echo.exchange()?,
            Self::Open(files) => {
                let file = rustix::fs::open(files.next(), OFlags::RDONLY, Mode::empty())?;
                rustix::io::read(file, &mut bytes)?;
            }
            Self::OpenForWrite(files) => {
                let file = rustix::fs::open(files.next(), OFlags::WRONLY | OFlags::CREATE, Mode::RUSR)?;
                rustix::io::write(file, b"hello")?;
            }
            Self::Stat(files) => drop(rustix::fs::stat(files.next())?),
            Self::Connect(listener, address) => connect(listener, *address)?,
            Self::Listen => drop(listen(16)?),
            Self::Udp(sender, receiver, address) => {
                sender.send_to(&bytes[..64], *address)?;
                receiver.recv(&mut bytes)?;
            }
        }
        Ok(())
    }
}

fn compute(state: &mut u64) {
    for _ in 0..2_000 {
        *state = black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        );
    }
}

fn socket() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    Ok(net::socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

fn listen(backlog: i32) -> Result<(OwnedFd, SocketAddrV4)> {
    let socket = socket()?;
    net::bind(&socket, &LOOPBACK)?;
    net::listen(&socket, backlog)?;
    match SocketAddr::try_from(net::getsockname(&socket)?)? {
        SocketAddr::V4(address) => Ok((socket, address)),
        SocketAddr::V6(_) => anyhow::bail!("an IPv4 socket with an IPv6 address"),
    }
}

/// It ends by a reset, so that no port waits for stragglers.
fn connect(listener: &OwnedFd, address: SocketAddrV4) -> Result<()> {
    let client = socket()?;
    net::connect(&client, &address)?;
    let served = net::accept(listener)?;
    set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client);
    drop(served);
    Ok(())
}

/// Files that are taken in turn.
pub(crate) struct Files {
    paths: Vec<PathBuf>,
    next: usize,
}

impl Files {
    fn create(folder: &Path) -> Result<Self> {
        let path = |number| folder.join(format!("bench-{number}"));
        let paths: Vec<_> = (0..FILES).map(path).collect();
        for path in &paths {
            fs::write(path, [b'x'; 512]).with_context(|| path.display().to_string())?;
        }
        Ok(Self { paths, next: 0 })
    }

    fn next(&mut self) -> &Path {
        self.next = (self.next + 1) % FILES;
        &self.paths[self.next]
    }
}

/// A process that sends back what it gets; it ends with its standard input.
pub(crate) struct Echo {
    process: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
}

impl Echo {
    fn start() -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(ECHO)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let from = process.stdout.take().context("no pipe from the echo")?;
        let to = process.stdin.take();
        Ok(Self { process, to, from })
    }

    fn exchange(&mut self) -> Result<()> {
        let to = self.to.as_mut().context("no pipe to the echo")?;
        to.write_all(b"a")?;
        Ok(self.from.read_exact(&mut [0])?)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.to = None;
        // Its end counts: processor time is what the group used.
        let _ended = self.process.wait();
    }
}

pub(crate) fn echo() -> Result<()> {
    let (mut from, mut to) = (stdin().lock(), stdout().lock());
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        to.write_all(&byte)?;
        to.flush()?;
    }
    Ok(())
}
