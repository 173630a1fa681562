//! What events say.

use super::end;
use crate::event::{
    AddressRecord, Call, CallName, Dns, DnsDirection, EventKind, FileObject, FileOpen, KernelString, Net,
    Payload, Question, QuestionType, ResponseCode, Socket, SocketAddress,
};

/// An open: `path` in the container, `fs_path` in the file's own filesystem.
pub(crate) fn open(file: FileObject, path: &str, fs_path: &str, f_mode: u32) -> Payload {
    Payload::FileOpen(FileOpen {
        file,
        open_flags: 0,
        f_mode,
        path: path.into(),
        fs_path: fs_path.into(),
    })
}

pub(crate) fn listen(address: &str, port: u16) -> Payload {
    Payload::Listen(Net {
        local: end(address, port),
        remote: SocketAddress::default(),
        protocol: 6,
        socket_type: 1,
        backlog: 128,
    })
}

pub(crate) fn connect(address: &str, port: u16) -> Payload {
    Payload::Connect(Net {
        local: SocketAddress::default(),
        remote: end(address, port),
        protocol: 6,
        socket_type: 1,
        backlog: 0,
    })
}

/// A socket is asked for.
pub(crate) fn socket(family: u16, socket_type: u16, protocol: u32) -> Payload {
    Payload::Socket(Socket {
        family,
        socket_type,
        protocol,
    })
}

/// A system call without a text.
pub(crate) fn called(call: CallName, args: [u64; 4]) -> Payload {
    Payload::Syscall(Call {
        call,
        args,
        text: KernelString::default(),
    })
}

/// The cluster's name server is asked.
pub(crate) fn question(name: &str, kind: QuestionType) -> Dns {
    Dns {
        server: end("10.96.0.10", 53),
        protocol: 17,
        direction: DnsDirection::SENT,
        is_response: false,
        question: Some(Question {
            name: name.into(),
            kind,
        }),
        code: ResponseCode::NO_ERROR,
        addresses: Vec::new(),
        canonical_names: Vec::new(),
        zone: None,
        opaque_bytes: 0,
        cut: false,
    }
}

/// It answers with these addresses.
pub(crate) fn answer(name: &str, kind: QuestionType, addresses: &[&str]) -> Dns {
    let record = |address: &&str| AddressRecord {
        address: address.parse().unwrap(),
        ttl_secs: 30,
    };
    Dns {
        direction: DnsDirection::RECEIVED,
        is_response: true,
        addresses: addresses.iter().map(record).collect(),
        ..question(name, kind)
    }
}

pub(super) fn kind(payload: &Payload) -> EventKind {
    match payload {
        Payload::Exec(_) => EventKind::EXEC,
        Payload::FileOpen(_) => EventKind::FILE_OPEN,
        Payload::Bind(_) => EventKind::BIND,
        Payload::Listen(_) => EventKind::LISTEN,
        Payload::Connect(_) => EventKind::CONNECT,
        Payload::Send(_) => EventKind::SEND,
        Payload::UnixConnect(_) => EventKind::UNIX_CONNECT,
        Payload::Mount(_) => EventKind::MOUNT,
        Payload::Ptrace(_) => EventKind::PTRACE,
        Payload::Setns(_) => EventKind::SETNS,
        Payload::Module(_) => EventKind::MODULE,
        Payload::Bpf(_) => EventKind::BPF,
        Payload::Unlink(_) => EventKind::UNLINK,
        Payload::Rename(_) => EventKind::RENAME,
        Payload::Container(_) => EventKind::CONTAINER,
        Payload::Chroot(_) => EventKind::CHROOT,
        Payload::Chdir(_) => EventKind::CHDIR,
        Payload::Mknod(_) => EventKind::MKNOD,
        Payload::Link(_) => EventKind::LINK,
        Payload::Symlink(_) => EventKind::SYMLINK,
        Payload::Setattr(_) => EventKind::SETATTR,
        Payload::Mmap(_) => EventKind::MMAP,
        Payload::Socket(_) => EventKind::SOCKET,
        Payload::Capable(_) => EventKind::CAPABLE,
        Payload::Signal(_) => EventKind::SIGNAL,
        Payload::Credentials(_) => EventKind::CREDENTIALS,
        Payload::Syscall(_) => EventKind::SYSCALL,
        Payload::Receive(_) => EventKind::RECEIVE,
        Payload::UnixBind(_) => EventKind::UNIX_BIND,
        Payload::ExecAttempt(_) => EventKind::EXEC_ATTEMPT,
        Payload::Unshare(_) => EventKind::UNSHARE,
        Payload::Dns(_) => EventKind::DNS,
    }
}
