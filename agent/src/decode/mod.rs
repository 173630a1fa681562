//! Bytes of a record → [`RawEvent`]. Total and pure: every byte string gives an event or a named error;
//! no panic, no `unsafe`, no I/O. Strings are checked against the record they stand in, in one place.

mod dns;
mod files;
mod processes;
#[cfg(test)]
mod tests;

use crate::event::{EventHeader, EventKind, KernelString, Net, Payload, RawEvent, Received, Socket};
use agent_common::event::{NetEvent, ReceiveEvent, SocketEvent, StrRef};
use zerocopy::FromBytes;

/// Why bytes are no event. Each variant is a reason in the metric of undecodable records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("record of {0} bytes is shorter than a header")]
    NoHeader(usize),
    #[error("header says {said} bytes, the record has {got}")]
    Length { said: u16, got: usize },
    #[error("record of kind {} is shorter than its fixed part", kind.0)]
    TooShort { kind: EventKind },
    #[error("a string of the record (kind {}) points outside it", kind.0)]
    StringOutOfRange { kind: EventKind },
    #[error("kind {} is not known", .0.0)]
    UnknownKind(EventKind),
    /// The record is whole, but what it hands on of a packet is no message: a container's doing, or its peer's.
    #[error("a record of kind {} holds no message of its protocol", kind.0)]
    Unreadable { kind: EventKind },
}

impl DecodeError {
    /// Metric label.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoHeader(_) => "no_header",
            Self::Length { .. } => "length",
            Self::TooShort { .. } => "too_short",
            Self::StringOutOfRange { .. } => "string_out_of_range",
            Self::UnknownKind(_) => "unknown_kind",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// Decodes one record.
///
/// # Errors
/// [`DecodeError`] names what is wrong; the caller counts it and goes on.
pub fn decode(bytes: &[u8]) -> Result<RawEvent, DecodeError> {
    let (header, _) = EventHeader::read_from_prefix(bytes).map_err(|_| DecodeError::NoHeader(bytes.len()))?;
    let record = bytes
        .get(..usize::from(header.len))
        .filter(|record| record.len() >= size_of::<EventHeader>())
        .ok_or(DecodeError::Length {
            said: header.len,
            got: bytes.len(),
        })?;
    let payload = Record {
        kind: header.kind,
        bytes: record,
    }
    .payload()?;
    Ok(RawEvent { header, payload })
}

/// One record of known length and kind.
#[derive(Clone, Copy)]
struct Record<'a> {
    kind: EventKind,
    bytes: &'a [u8],
}

impl Record<'_> {
    fn payload(self) -> Result<Payload, DecodeError> {
        Ok(match self.kind {
            EventKind::EXEC => Payload::Exec(self.exec()?),
            EventKind::FILE_OPEN => Payload::FileOpen(self.file_open()?),
            EventKind::BIND => Payload::Bind(self.net()?),
            EventKind::LISTEN => Payload::Listen(self.net()?),
            EventKind::CONNECT => Payload::Connect(self.net()?),
            EventKind::SEND => Payload::Send(self.net()?),
            EventKind::UNIX_CONNECT => Payload::UnixConnect(self.unix_connect()?),
            EventKind::MOUNT => Payload::Mount(self.mount()?),
            EventKind::PTRACE => Payload::Ptrace(self.ptrace()?),
            EventKind::SETNS => Payload::Setns(self.setns()?),
            EventKind::MODULE => Payload::Module(self.module()?),
            EventKind::BPF => Payload::Bpf(self.bpf()?),
            EventKind::UNLINK => Payload::Unlink(self.name()?),
            EventKind::RENAME => Payload::Rename(self.name()?),
            EventKind::CONTAINER => Payload::Container(self.lifecycle()?),
            EventKind::CHROOT => Payload::Chroot(self.directory()?),
            EventKind::CHDIR => Payload::Chdir(self.directory()?),
            EventKind::MKNOD => Payload::Mknod(self.name()?),
            EventKind::LINK => Payload::Link(self.name()?),
            EventKind::SYMLINK => Payload::Symlink(self.name()?),
            EventKind::SETATTR => Payload::Setattr(self.attribute()?),
            EventKind::MMAP => Payload::Mmap(self.mapping()?),
            EventKind::SOCKET => Payload::Socket(self.socket()?),
            EventKind::CAPABLE => Payload::Capable(self.capable()?),
            EventKind::SIGNAL => Payload::Signal(self.signal()?),
            EventKind::CREDENTIALS => Payload::Credentials(self.credentials()?),
            EventKind::SYSCALL => Payload::Syscall(self.call()?),
            EventKind::RECEIVE => Payload::Receive(self.received()?),
            EventKind::UNIX_BIND => Payload::UnixBind(self.unix_connect()?),
            EventKind::EXEC_ATTEMPT => Payload::ExecAttempt(self.attempt()?),
            EventKind::UNSHARE => Payload::Unshare(self.setns()?),
            EventKind::DNS => Payload::Dns(self.dns()?),
            kind => return Err(DecodeError::UnknownKind(kind)),
        })
    }

    /// The fixed part, copied: alignment and reuse of the buffer cannot matter.
    fn fixed<T: FromBytes>(self) -> Result<T, DecodeError> {
        T::read_from_prefix(self.bytes)
            .map(|(fixed, _)| fixed)
            .map_err(|_| DecodeError::TooShort { kind: self.kind })
    }

    fn text(self, reference: StrRef) -> Result<KernelString, DecodeError> {
        let start = usize::from(reference.off);
        let len = usize::from(reference.len & !StrRef::TRUNCATED);
        if len == 0 {
            // No room was left for it: that it was cut is all that is known.
            return Ok(KernelString {
                truncated: reference.len & StrRef::TRUNCATED != 0,
                ..KernelString::default()
            });
        }
        let bytes = self
            .bytes
            .get(start..start + len)
            .ok_or(DecodeError::StringOutOfRange { kind: self.kind })?;
        Ok(KernelString {
            bytes: bytes.into(),
            truncated: reference.len & StrRef::TRUNCATED != 0,
        })
    }

    fn net(self) -> Result<Net, DecodeError> {
        let event: NetEvent = self.fixed()?;
        Ok(Net {
            local: event.local,
            remote: event.remote,
            protocol: event.protocol,
            socket_type: event.socket_type,
            backlog: event.backlog,
        })
    }

    fn socket(self) -> Result<Socket, DecodeError> {
        let event: SocketEvent = self.fixed()?;
        Ok(Socket {
            family: event.family,
            socket_type: event.socket_type,
            protocol: event.protocol,
        })
    }

    fn received(self) -> Result<Received, DecodeError> {
        let event: ReceiveEvent = self.fixed()?;
        Ok(Received {
            file: event.file,
            local: event.local,
            remote: event.remote,
            family: event.family,
            socket_type: event.socket_type,
            protocol: event.protocol,
            state: event.state,
            net_ns: event.net_ns,
        })
    }
}
