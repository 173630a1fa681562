//! What an event shows, per kind. Keys are part of the alert's contract.

use crate::detect::Neighbours;
use crate::event::peer_address;
use crate::event::{
    Bpf, ContainerOp, EnrichedEvent, Exec, FileFlags, FileObject, FileOpen, KernelString, Lifecycle, Module,
    ModuleOp, Mount, MountOp, Name, Namespaces, Net, Payload, Ptrace, PtraceOp, RecordFlags, Setns,
    SocketAddress, UnixConnect,
};
use crate::profile::Protocol;
use serde_json::{Map, Value, json};

/// Evidence of an event.
pub(super) fn evidence(event: &EnrichedEvent, neighbours: &dyn Neighbours) -> Map<String, Value> {
    let header = &event.raw.header;
    let mut map = Evidence(Map::new());
    map.put("kind", header.kind.name());
    match &event.raw.payload {
        Payload::Exec(exec) => map.exec(exec),
        Payload::FileOpen(open) => map.file_open(open),
        Payload::Bind(net) | Payload::Listen(net) => map.listen(net),
        Payload::Connect(net) | Payload::Send(net) => map.connect(net, neighbours),
        Payload::UnixConnect(connect) => map.unix_connect(connect),
        Payload::Mount(mount) => map.mount(mount),
        Payload::Ptrace(ptrace) => map.ptrace(ptrace, neighbours),
        Payload::Setns(setns) => map.setns(setns),
        Payload::Module(module) => map.module(module),
        Payload::Bpf(bpf) => map.bpf(bpf),
        Payload::Unlink(name) | Payload::Rename(name) => map.name(name),
        Payload::Container(lifecycle) => map.lifecycle(lifecycle),
    }
    map.put("ret", header.ret);
    map.put("trust", header.flags.trust().name());
    map.put("backend", header.flags.backend());
    for (flag, key) in [
        (RecordFlags::CHROOTED, "chrooted"),
        (RecordFlags::EXEC_SESSION, "exec_session"),
        (RecordFlags::COMPAT, "compat"),
        (RecordFlags::IO_URING, "io_uring"),
    ] {
        if header.flags.has(flag) {
            map.put(key, true);
        }
    }
    map.0
}

struct Evidence(Map<String, Value>);

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

    fn file_open(&mut self, open: &FileOpen) {
        self.text("path", &open.path);
        if !open.fs_path.is_empty() {
            self.text("fs_path", &open.fs_path);
        }
        self.file(&open.file);
        let access = match (open.reads(), open.writes()) {
            (true, true) => "read_write",
            (false, true) => "write",
            _ => "read",
        };
        self.put("access", access);
        self.put("open_flags", open.open_flags);
    }

    fn file(&mut self, file: &FileObject) {
        if file.magic == 0 {
            return;
        }
        self.put("filesystem", filesystem(file.magic));
        self.put("inode", file.ino);
        self.put("device", device(file.dev));
        if file.flags & FileFlags::OVERLAY != 0 {
            self.put("in_image", file.flags & FileFlags::UPPER == 0);
        }
        if file.rdev != 0 {
            self.put("device_node", device(file.rdev));
        }
    }

    fn end(&mut self, side: &str, address: &SocketAddress) {
        if let Some(ip) = peer_address(address) {
            self.put(&format!("{side}_address"), ip.to_string());
            self.put(&format!("{side}_port"), address.port);
        }
    }

    fn protocol(&mut self, net: &Net) {
        match Protocol::from_number(net.protocol) {
            Some(protocol) => self.put("protocol", protocol.name()),
            None => self.put("protocol", net.protocol.to_string()),
        }
    }

    fn listen(&mut self, net: &Net) {
        self.protocol(net);
        self.end("local", &net.local);
        self.put("backlog", net.backlog);
    }

    fn connect(&mut self, net: &Net, neighbours: &dyn Neighbours) {
        self.protocol(net);
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

    fn unix_connect(&mut self, connect: &UnixConnect) {
        self.text("path", &connect.path);
        self.file(&connect.file);
        self.put("peer_pid", connect.peer_tgid);
    }

    fn mount(&mut self, mount: &Mount) {
        let operation = match mount.op {
            MountOp::MOUNT => "mount",
            MountOp::MOVE_MOUNT => "move_mount",
            MountOp::FSMOUNT => "fsmount",
            MountOp::OPEN_TREE => "open_tree",
            MountOp::UMOUNT => "umount",
            MountOp::PIVOT_ROOT => "pivot_root",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("source", &mount.source);
        self.text("target", &mount.target);
        self.text("fstype", &mount.fstype);
        self.put("mount_flags", mount.mount_flags);
    }

    fn ptrace(&mut self, ptrace: &Ptrace, neighbours: &dyn Neighbours) {
        let operation = match ptrace.op {
            PtraceOp::PTRACE => "ptrace",
            PtraceOp::PROCESS_VM_READ => "process_vm_read",
            PtraceOp::PROCESS_VM_WRITE => "process_vm_write",
            PtraceOp::ACCESS_CHECK => "access_check",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.put("request", ptrace.request);
        self.put("target_host_pid", ptrace.target_tgid);
        let container = neighbours
            .by_slot(ptrace.target_slot)
            .map(|container| container.id.as_str().to_owned());
        self.put("target_container_id", container);
    }

    fn setns(&mut self, setns: &Setns) {
        let named = |mask: u32| -> Vec<&str> {
            (0_u32..)
                .zip(Namespaces::NAMES)
                .filter(|(bit, _)| mask & (1 << bit) != 0)
                .map(|(_, name)| name)
                .collect()
        };
        self.put("host_namespaces", named(setns.host_mask));
        self.put("gained_namespaces", named(setns.gained_mask));
        self.put("nstype", setns.nstype);
    }

    fn module(&mut self, module: &Module) {
        let operation = match module.op {
            ModuleOp::INIT => "init_module",
            ModuleOp::FINIT => "finit_module",
            ModuleOp::DELETE => "delete_module",
            ModuleOp::REQUEST => "request",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("module", &module.path);
        self.file(&module.file);
    }

    fn bpf(&mut self, bpf: &Bpf) {
        self.put("cmd", bpf.cmd);
        self.put("subtype", bpf.subtype);
    }

    fn name(&mut self, name: &Name) {
        self.text("path", &name.path);
        if !name.new_path.is_empty() {
            self.text("new_path", &name.new_path);
        }
        self.file(&name.file);
    }

    fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        let operation = match lifecycle.op {
            ContainerOp::CREATED => "created",
            ContainerOp::LIVE => "live",
            ContainerOp::GONE => "gone",
            ContainerOp::LEFT => "left",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("cgroup", &lifecycle.cgroup);
    }
}

fn device(number: u32) -> String {
    format!("{}:{}", number >> 20, number & 0xf_ffff)
}

fn filesystem(magic: u32) -> String {
    let name = match magic {
        0x9fa0 => "proc",
        0x6265_6572 => "sysfs",
        0x0027_e0eb => "cgroup",
        0x6367_7270 => "cgroup2",
        0x4249_4e4d => "binfmt_misc",
        0x6462_6720 => "debugfs",
        0x7472_6163 => "tracefs",
        0x7363_6673 => "securityfs",
        0xcafe_4a11 => "bpf",
        0x0102_1994 => "tmpfs",
        0x794c_7630 => "overlay",
        0xef53 => "ext",
        0x5846_5342 => "xfs",
        0x9123_683e => "btrfs",
        0x1cd1 => "devpts",
        0x534f_434b => "sockfs",
        other => return format!("{other:#x}"),
    };
    name.to_owned()
}
