//! Bytes of a record → [`RawEvent`]. Total and pure: every byte string gives an event or a named error;
//! no panic, no `unsafe`, no I/O. Strings are checked against the record they stand in, in one place.

#[cfg(test)]
mod tests;

use crate::event::{
    Bpf, EventHeader, EventKind, Exec, ExecId, FileObject, FileOpen, KernelString, Lifecycle, Module, Mount,
    Name, Net, Payload, Ptrace, RawEvent, Setns, UnixConnect,
};
use agent_common::event::{
    BpfEvent, ContainerEvent, ExecEvent, FileOpenEvent, ModuleEvent, MountEvent, NameEvent, NetEvent,
    PtraceEvent, SetnsEvent, StrRef, UnixConnectEvent,
};
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

    fn exec(self) -> Result<Exec, DecodeError> {
        let event: ExecEvent = self.fixed()?;
        Ok(Exec {
            parent: ExecId(event.parent_exec_id),
            file: event.file,
            stdio: event.stdio,
            stdio_peer: event.stdio_peer,
            path: self.text(event.path)?,
            filename: self.text(event.filename)?,
            args: self.text(event.args)?,
            cwd: self.text(event.cwd)?,
        })
    }

    fn file_open(self) -> Result<FileOpen, DecodeError> {
        let event: FileOpenEvent = self.fixed()?;
        let (path, fs_path) = (self.text(event.path)?, self.text(event.fs_path)?);
        let (path, fs_path) = if event.file == FileObject::default() {
            // Nothing was opened: what was asked for, and the directory that it was asked for in.
            (path.resolved_in(&fs_path), KernelString::default())
        } else {
            (path, fs_path)
        };
        Ok(FileOpen {
            file: event.file,
            open_flags: event.open_flags,
            f_mode: event.f_mode,
            path,
            fs_path,
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

    fn unix_connect(self) -> Result<UnixConnect, DecodeError> {
        let event: UnixConnectEvent = self.fixed()?;
        Ok(UnixConnect {
            file: event.file,
            peer_tgid: event.peer_tgid,
            peer_slot: event.peer_slot,
            path: self.text(event.path)?,
        })
    }

    fn mount(self) -> Result<Mount, DecodeError> {
        let event: MountEvent = self.fixed()?;
        Ok(Mount {
            op: event.op,
            file: event.file,
            mount_flags: event.mount_flags,
            source: self.text(event.source)?,
            target: self.text(event.target)?,
            fstype: self.text(event.fstype)?,
        })
    }

    fn ptrace(self) -> Result<Ptrace, DecodeError> {
        let event: PtraceEvent = self.fixed()?;
        Ok(Ptrace {
            op: event.op,
            request: event.request,
            target_tgid: event.target_tgid,
            target_slot: event.target_slot,
            target: ExecId(event.target_exec_id),
        })
    }

    fn setns(self) -> Result<Setns, DecodeError> {
        let event: SetnsEvent = self.fixed()?;
        Ok(Setns {
            namespaces: event.namespaces,
            nstype: event.nstype,
            host_mask: event.host_mask,
            gained_mask: event.gained_mask,
        })
    }

    fn module(self) -> Result<Module, DecodeError> {
        let event: ModuleEvent = self.fixed()?;
        Ok(Module {
            op: event.op,
            file: event.file,
            path: self.text(event.path)?,
        })
    }

    fn bpf(self) -> Result<Bpf, DecodeError> {
        let event: BpfEvent = self.fixed()?;
        Ok(Bpf {
            cmd: event.cmd,
            subtype: event.subtype,
        })
    }

    fn name(self) -> Result<Name, DecodeError> {
        let event: NameEvent = self.fixed()?;
        Ok(Name {
            file: event.file,
            path: self.text(event.path)?,
            new_path: self.text(event.new_path)?,
        })
    }

    fn lifecycle(self) -> Result<Lifecycle, DecodeError> {
        let event: ContainerEvent = self.fixed()?;
        Ok(Lifecycle {
            op: event.op,
            slot_flags: event.slot_flags,
            id: self.text(event.id)?,
            cgroup: self.text(event.cgroup)?,
        })
    }
}
