//! Descriptors that are closed by another thread while a call that began with them waits.

use crate::lab::raw;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, accept, bind, connect, listen, socket};
use rustix::pipe::{PipeFlags, SpliceFlags, pipe_with, splice};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["splice-closed", path] => splice_closed(path),
        ["unix-connect-closed", path] => connect_closed(path),
        _ => return None,
    })
}

/// Into a pipe that is full until the file is closed.
fn splice_closed(path: &str) -> io::Result<i64> {
    let file = OwnedFd::from(File::open(path)?);
    let (reader, writer) = pipe_with(PipeFlags::NONBLOCK)?;
    while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
    fcntl_setfl(&writer, OFlags::empty())?;
    let moved = while_it_waits(
        || Ok(splice(&file, None, &writer, None, 8, SpliceFlags::empty())?),
        || {
            close(&file)?;
            rustix::io::read(&reader, &mut [0_u8; 65536])?;
            Ok(())
        },
    );
    // It is closed already.
    let _number = file.into_raw_fd();
    i64::try_from(moved?).map_err(io::Error::other)
}

/// To a server whose queue is full until the socket is closed.
fn connect_closed(path: &str) -> io::Result<i64> {
    let unix = || socket(AddressFamily::UNIX, SocketType::STREAM, None);
    let address = SocketAddrUnix::new(path)?;
    let (server, first, second) = (unix()?, unix()?, unix()?);
    bind(&server, &address)?;
    listen(&server, 0)?;
    connect(&first, &address)?;
    let connected = while_it_waits(
        || Ok(connect(&second, &address)?),
        || {
            close(&second)?;
            // Takes the number, which the server's end would have else.
            let file = File::open("/dev/null")?;
            accept(&server)?;
            let _number = file.into_raw_fd();
            Ok(())
        },
    );
    // Another file's by now.
    let _number = second.into_raw_fd();
    connected.map(|()| 0)
}

fn close(descriptor: &OwnedFd) -> io::Result<i64> {
    raw::numbers(libc::SYS_close, [descriptor.as_raw_fd().into(), 0, 0, 0, 0])
}

/// Begins the one in a thread of its own, and does the other once that waits.
fn while_it_waits<T: Send>(
    begins: impl FnOnce() -> io::Result<T> + Send,
    then: impl FnOnce() -> io::Result<()>,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let (tell, told) = mpsc::sync_channel(1);
        let thread = scope.spawn(move || {
            tell.send(fs::read_link("/proc/thread-self"))
                .map_err(io::Error::other)?;
            begins()
        });
        let own = told.recv().map_err(io::Error::other)??;
        until_it_sleeps(&PathBuf::from("/proc").join(own).join("stat"))?;
        then()?;
        thread.join().map_err(|_| io::Error::other("it panicked"))?
    })
}

fn until_it_sleeps(stat: &std::path::Path) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let said = fs::read_to_string(stat)?;
        if said
            .rsplit_once(") ")
            .is_some_and(|(_, state)| state.starts_with('S'))
        {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::other("the call does not wait"))
}
