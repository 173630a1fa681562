//! What an event shows, per kind. Keys are part of the alert's contract.

mod dns;
mod files;
mod names;
mod processes;

use crate::detect::Neighbours;
use crate::event::peer_address;
use crate::event::{
    EnrichedEvent, Exec, KernelString, Net, Payload, Received, RecordFlags, Socket, SocketAddress,
};
use crate::profile::Protocol;
use serde_json::{Map, Value, json};

/// Evidence of an event.
pub(super) fn evidence(event: &EnrichedEvent, neighbours: &dyn Neighbours) -> Map<String, Value> {
    let header = &event.raw.header;
    let near = Near { event, neighbours };
    let mut map = Evidence(Map::new());
    map.put("kind", header.kind.name());
    match &event.raw.payload {
        Payload::Exec(exec) => map.exec(exec),
        Payload::FileOpen(open) => map.file_open(open),
        Payload::Bind(net) | Payload::Listen(net) => map.listen(net),
        Payload::Connect(net) | Payload::Send(net) => map.connect(net, neighbours),
        Payload::UnixConnect(connect) => map.unix_connect(connect),
        Payload::Mount(mount) => map.mount(mount),
        Payload::Ptrace(ptrace) => map.ptrace(ptrace, near),
        Payload::Setns(setns) => map.setns(setns),
        Payload::Module(module) => map.module(module),
        Payload::Bpf(bpf) => map.bpf(bpf),
        Payload::Unlink(name) | Payload::Rename(name) | Payload::Link(name) | Payload::Symlink(name) => {
            map.name(name);
        }
        Payload::Container(lifecycle) => map.lifecycle(lifecycle),
        Payload::Chroot(directory) | Payload::Chdir(directory) => map.directory(directory),
        Payload::Mknod(name) => map.node(name),
        Payload::Setattr(attribute) => map.attribute(attribute),
        Payload::Mmap(mapping) => map.mapping(mapping),
        Payload::Socket(socket) => map.socket(socket),
        Payload::Capable(capable) => map.capable(capable),
        Payload::Signal(signal) => map.signal(signal, near),
        Payload::Credentials(credentials) => map.credentials(credentials),
        Payload::Syscall(call) => map.call(call),
        Payload::Receive(received) => map.received(received),
        Payload::UnixBind(bind) => map.unix_bind(bind),
        Payload::ExecAttempt(attempt) => map.text("path", &attempt.path),
        Payload::Unshare(unshare) => map.setns(unshare),
        Payload::Dns(dns) => map.dns(dns),
    }
    map.peer_name(near);
    map.put("ret", header.ret);
    map.put("trust", header.flags.trust().name());
    map.put("backend", header.flags.backend());
    for (flag, key) in [
        (RecordFlags::CHROOTED, "chrooted"),
        (RecordFlags::EXEC_SESSION, "exec_session"),
        (RecordFlags::COMPAT, "compat"),
        (RecordFlags::IO_URING, "io_uring"),
        (RecordFlags::INHERITED, "inherited"),
        (RecordFlags::BINDS, "binds"),
        (RecordFlags::CONNECTS, "connects"),
    ] {
        if header.flags.has(flag) {
            map.put(key, true);
        }
    }
    map.0
}

struct Evidence(Map<String, Value>);

/// Who a slot may belong to: the event's own container, and those that run.
#[derive(Clone, Copy)]
struct Near<'a> {
    event: &'a EnrichedEvent,
    neighbours: &'a dyn Neighbours,
}

impl Evidence {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn text(&mut self, key: &str, text: &KernelString) {
        self.put(key, text.to_text());
        if text.truncated {
            self.put("truncated", true);
        }
    }

    fn exec(&mut self, exec: &Exec) {
        self.text("path", &exec.path);
        self.text("filename", &exec.filename);
        self.file(&exec.file);
        let sockets: Vec<usize> = (0..3).filter(|fd| exec.stdio & (1 << fd) != 0).collect();
        if !sockets.is_empty() {
            self.put("socket_descriptors", sockets);
            self.end("peer", &exec.stdio_peer);
        }
    }

    fn end(&mut self, side: &str, address: &SocketAddress) {
        if let Some(ip) = peer_address(address) {
            self.put(&format!("{side}_address"), ip.to_string());
            self.put(&format!("{side}_port"), address.port);
        }
    }

    fn protocol(&mut self, number: u16) {
        match Protocol::from_number(number) {
            Some(protocol) => self.put("protocol", protocol.name()),
            None => self.put("protocol", number.to_string()),
        }
    }

    fn listen(&mut self, net: &Net) {
        self.protocol(net.protocol);
        self.end("local", &net.local);
        self.put("backlog", net.backlog);
    }

    fn connect(&mut self, net: &Net, neighbours: &dyn Neighbours) {
        self.protocol(net.protocol);
        self.end("local", &net.local);
        self.end("remote", &net.remote);
        if let Some(peer) = peer_address(&net.remote).and_then(|address| neighbours.by_address(address)) {
            let image = peer.known().map(|known| known.image.reference.clone());
            self.put(
                "peer",
                json!({"container_id": peer.id.as_str(), "name": peer.display_name(), "image": image}),
            );
        }
    }

    fn socket(&mut self, socket: &Socket) {
        self.put("family", names::family(socket.family));
        self.put("type", names::socket_type(socket.socket_type));
        self.put("protocol", socket.protocol);
    }

    fn received(&mut self, received: &Received) {
        let state = match received.state {
            1 => "established",
            10 => "listening",
            _ => "other",
        };
        self.put("family", names::family(received.family));
        self.put("type", names::socket_type(received.socket_type));
        self.put("state", state);
        self.end("local", &received.local);
        self.end("remote", &received.remote);
        self.put("network_namespace", received.net_ns);
    }
}
