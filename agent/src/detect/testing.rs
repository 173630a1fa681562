//! Events for tests of detectors and alerts.

mod payloads;

pub(crate) use payloads::{answer, called, connect, listen, open, question, socket};

use super::{Class, DetectContext, Detectors, Finding, Neighbours, Scope, Severity};
use crate::container::{Container, ContainerMetadata, ImageRef, Metadata};
use crate::event::{
    BootTime, Clock, ContainerId, DomainName, EnrichedEvent, EventHeader, Exec, ExecId, FileFlags,
    FileObject, KernelString, Payload, RawEvent, RecordFlags, SlotKey, SocketAddress,
};
use crate::host::HostFacts;
use crate::process::{ExecSession, Process};
use crate::profile::{CompiledProfile, RoleSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use zerocopy::FromZeros;

pub(crate) const OWN: SlotKey = SlotKey {
    slot: 1,
    generation: 1,
};
/// The tests' host was started then.
pub(crate) const CLOCK: Clock = Clock {
    boot_unix_ns: 1_700_000_000 * 1_000_000_000,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// Everything around one event. Fields are changed by tests at will.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) known: ContainerMetadata,
    pub(crate) host: HostFacts,
    pub(crate) profile: Option<CompiledProfile>,
    pub(crate) others: Vec<Arc<Container>>,
    /// What the container was answered, in this order.
    pub(crate) names: Vec<(IpAddr, DomainName)>,
    pub(crate) detectors: Detectors,
    pub(crate) roles: RoleSet,
    pub(crate) exe: Process,
    pub(crate) ancestors: Vec<Arc<Process>>,
    pub(crate) now_ns: u64,
    pub(crate) ret: i32,
    pub(crate) flags: RecordFlags,
    pub(crate) ns_tgid: u32,
    pub(crate) net_ns: u32,
}

/// A scene with a container of `image` in which `exe` runs below its entrypoint.
pub(crate) fn scene(image: &str, exe: &str) -> Scene {
    Scene {
        known: ContainerMetadata {
            name: "web".into(),
            runtime: "docker".into(),
            image: ImageRef {
                reference: image.into(),
                ..ImageRef::default()
            },
            addresses: vec!["172.17.0.2".parse().unwrap()],
            ..ContainerMetadata::default()
        },
        host: HostFacts {
            node: "node-1".into(),
            clock: CLOCK,
            ..HostFacts::default()
        },
        profile: None,
        others: Vec::new(),
        names: Vec::new(),
        detectors: Detectors::default(),
        roles: RoleSet::shipped().unwrap(),
        exe: process(exe),
        ancestors: vec![Arc::new(outside("/usr/bin/containerd-shim-runc-v2"))],
        now_ns: 100 * SECOND,
        ret: 0,
        flags: RecordFlags(0),
        ns_tgid: 7,
        net_ns: 0,
    }
}

/// A process of the own container that descends from the entrypoint.
pub(crate) fn process(exe: &str) -> Process {
    Process {
        exec_id: ExecId(2),
        parent: ExecId(1),
        host_pid: 4711,
        pid: 7,
        start: BootTime(SECOND),
        uid: 0,
        slot: Some(OWN),
        file: image_file(),
        exe: exe.into(),
        args: exe.into(),
        cwd: "/".into(),
        exec_session: ExecSession::Entrypoint,
    }
}

pub(crate) fn outside(exe: &str) -> Process {
    Process {
        slot: None,
        ..process(exe)
    }
}

/// A regular file in the image.
pub(crate) fn image_file() -> FileObject {
    FileObject {
        ino: 9,
        dev: 40,
        magic: 0x794c_7630,
        nlink: 1,
        mode: 0o100_755,
        flags: FileFlags::OVERLAY,
        ..FileObject::default()
    }
}

pub(crate) fn container(slot: u32, name: &str, known: ContainerMetadata) -> Arc<Container> {
    Arc::new(Container {
        key: SlotKey { slot, generation: 1 },
        id: ContainerId::from(format!("{slot:064x}").as_str()),
        cgroup: String::new(),
        first_seen: BootTime(0),
        metadata: Metadata::Resolved(Arc::new(ContainerMetadata {
            name: name.into(),
            ..known
        })),
    })
}

/// An end of a socket.
pub(crate) fn end(address: &str, port: u16) -> SocketAddress {
    let (addr, family) = match address.parse::<IpAddr>().unwrap() {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped(), 2),
        IpAddr::V6(v6) => (v6, 10),
    };
    SocketAddress {
        addr: Ipv6Addr::octets(&addr),
        port,
        family,
    }
}

/// A file of a filesystem with the given magic number.
pub(crate) fn file(magic: u32) -> FileObject {
    FileObject {
        ino: 5,
        dev: 21,
        magic,
        nlink: 1,
        mode: 0o100_644,
        ..FileObject::default()
    }
}

impl Scene {
    /// The process is an exec: its own path and file.
    pub(crate) fn exec(&self) -> Exec {
        Exec {
            parent: ExecId(1),
            file: self.exe.file,
            stdio: 0,
            stdio_peer: SocketAddress::default(),
            path: self.exe.exe.clone(),
            filename: self.exe.exe.clone(),
            args: self.exe.args.clone(),
            cwd: KernelString::default(),
        }
    }

    /// The execution of the actor's program with these arguments, the first one for its name.
    pub(crate) fn executed(&mut self, args: &[&str]) -> Payload {
        self.exe.args = args.join("\0").as_str().into();
        Payload::Exec(self.exec())
    }

    /// Puts processes of the own container above the actor, parent first; outside of them is the shim.
    pub(crate) fn below(mut self, exes: &[&str]) -> Self {
        let session = self.exe.exec_session;
        let inner = exes.iter().map(|exe| {
            Arc::new(Process {
                exec_session: session,
                ..process(exe)
            })
        });
        self.ancestors = inner
            .chain([Arc::new(outside("/usr/bin/containerd-shim-runc-v2"))])
            .collect();
        self
    }

    /// The container was answered the address when it asked for the name.
    pub(crate) fn answered(mut self, address: &str, name: &str) -> Self {
        self.names.push((address.parse().unwrap(), name.into()));
        self
    }

    /// The actor came by `docker exec`.
    pub(crate) fn attached(mut self) -> Self {
        self.exe.exec_session = ExecSession::Attached;
        self
    }

    pub(crate) fn with_profile(mut self, yaml: &str) -> Self {
        let head = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: p}\nmatch: {images: [\"**\"]}\n";
        let profile = crate::profile::parse(&format!("{head}{yaml}"), std::path::Path::new("p")).unwrap();
        self.profile = Some(crate::profile::compile(profile));
        self
    }

    pub(crate) fn event(&self, payload: Payload) -> EnrichedEvent {
        let mut header = EventHeader::new_zeroed();
        header.kind = payloads::kind(&payload);
        header.time_boot_ns = self.now_ns;
        header.slot = OWN.slot;
        header.generation = OWN.generation;
        header.tgid = self.exe.host_pid;
        header.ns_tgid = self.ns_tgid;
        header.net_ns = self.net_ns;
        header.ret = self.ret;
        header.flags = self.flags;
        header.behaviour.kind = header.kind;
        header.behaviour.slot = OWN.slot;
        EnrichedEvent {
            raw: RawEvent { header, payload },
            time: self.host.clock.wall(BootTime(self.now_ns)),
            container: Some(container(OWN.slot, "web", self.known.clone())),
            process: Arc::new(self.exe.clone()),
            ancestors: self.ancestors.clone(),
            ancestors_truncated: false,
        }
    }

    /// Findings of one event.
    pub(crate) fn inspect(&mut self, payload: Payload) -> Vec<Finding> {
        let event = self.event(payload);
        let mut detectors = std::mem::take(&mut self.detectors);
        let findings = self.with_context(&event, |context| detectors.inspect(context));
        self.detectors = detectors;
        findings
    }

    /// Runs `work` with the context of an event.
    pub(crate) fn with_context<T>(
        &self,
        event: &EnrichedEvent,
        work: impl FnOnce(&DetectContext<'_>) -> T,
    ) -> T {
        work(&DetectContext {
            event,
            scope: Scope::All,
            host: &self.host,
            profile: self.profile.as_ref(),
            role: self.roles.of(&self.known),
            neighbours: &Others(self),
        })
    }

    /// Ids of the rules that match, in the order of findings.
    pub(crate) fn rules(&mut self, payload: Payload) -> Vec<&'static str> {
        self.inspect(payload)
            .iter()
            .map(|finding| finding.rule.id)
            .collect()
    }

    /// Those of a class, without its name.
    pub(crate) fn rules_of(&mut self, class: Class, payload: Payload) -> Vec<&'static str> {
        let findings = self.findings_of(class, payload).into_iter();
        findings.map(|(rule, _)| rule).collect()
    }

    /// The same with their severities.
    pub(crate) fn findings_of(&mut self, class: Class, payload: Payload) -> Vec<(&'static str, Severity)> {
        let findings = self.inspect(payload);
        let of_class = findings.iter().filter(|finding| finding.rule.class == class);
        of_class
            .filter_map(|finding| Some((finding.rule.id.split_once('.')?.1, finding.severity)))
            .collect()
    }
}

#[derive(Debug)]
struct Others<'a>(&'a Scene);

impl Neighbours for Others<'_> {
    fn by_address(&self, address: IpAddr) -> Option<Arc<Container>> {
        self.0
            .others
            .iter()
            .find(|other| {
                other
                    .known()
                    .is_some_and(|known| known.addresses.contains(&address))
            })
            .cloned()
    }

    fn by_slot(&self, slot: u32) -> Option<Arc<Container>> {
        let mut others = self.0.others.iter();
        others.find(|other| other.key.slot == slot).cloned()
    }

    fn names(&self, container: SlotKey, address: IpAddr) -> Vec<DomainName> {
        let names = self.0.names.iter();
        names
            .filter(|(other, _)| container == OWN && *other == address)
            .map(|(_, name)| name.clone())
            .collect()
    }
}
