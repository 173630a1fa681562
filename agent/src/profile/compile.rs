//! The one place where a profile becomes something that decides: the daemon's matcher here, the kernel's tables in
//! [`super::tables`]. Where both decide they decide alike.

use super::model::{Connect, Exec, Listen, Mode, Profile, ProfileState, Source};
use super::value::{PathPattern, Port, Protocol};
use super::{DnsName, ImageName, Matching, PolicyTables, sensitive};
use crate::detect::Class;
use crate::event::{DomainName, KernelString, Script};
use crate::host::PortRange;
use std::net::IpAddr;

/// A profile that decides.
#[derive(Debug, PartialEq)]
pub struct CompiledProfile {
    profile: Profile,
    tables: PolicyTables,
}

/// Makes a profile decide.
#[must_use]
pub fn compile(profile: Profile) -> CompiledProfile {
    CompiledProfile {
        tables: PolicyTables::of(&profile),
        profile,
    }
}

/// A listener as it was observed.
#[derive(Debug, Clone, Copy)]
pub struct ListenQuery<'a> {
    pub proto: Protocol,
    pub port: u16,
    pub address: IpAddr,
    pub exe: &'a [u8],
    pub ephemeral: PortRange,
}

/// What a profile says of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenVerdict {
    /// An entry allows it; where that entry comes from.
    Expected(Source),
    /// The executable listens, but not here.
    WrongPort,
    /// Somebody listens here, but not this executable.
    WrongExecutable,
    /// Neither is known.
    Unknown,
}

/// A contact as it was observed.
#[derive(Debug, Clone, Copy)]
pub struct ConnectQuery<'a> {
    pub proto: Protocol,
    pub address: IpAddr,
    pub port: u16,
    pub exe: &'a [u8],
    /// Image of the container that has the address.
    pub peer: Option<&'a ImageName>,
    pub ephemeral: PortRange,
}

/// An execution as it was observed.
#[derive(Debug, Clone, Copy)]
pub struct ExecQuery<'a> {
    pub path: &'a [u8],
    /// `argv[0]` left out.
    pub arguments: &'a [KernelString],
    /// What `path` interprets.
    pub script: Option<&'a Script>,
    /// `None` stands for the runtime (entrypoint, exec session), which may start whatever the profile knows.
    pub parent: Option<&'a [u8]>,
}

impl CompiledProfile {
    /// What it was made of.
    #[must_use]
    pub fn document(&self) -> &Profile {
        &self.profile
    }

    /// What it is in the kernel.
    #[must_use]
    pub fn tables(&self) -> &PolicyTables {
        &self.tables
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.profile.metadata.name
    }

    /// How much it knows.
    #[must_use]
    pub fn state(&self) -> ProfileState {
        self.profile.state
    }

    /// What is done about deviations of `class`.
    #[must_use]
    pub fn mode(&self, class: Class) -> Mode {
        self.profile.mode.get(&class).copied().unwrap_or_default()
    }

    /// True when what is outside the profile is a finding of `class`.
    #[must_use]
    pub fn judges(&self, class: Class) -> bool {
        self.mode(class) != Mode::Learn && self.state() >= ProfileState::Partial
    }

    /// Which images it is for.
    #[must_use]
    pub fn matching(&self) -> &Matching {
        &self.profile.matching
    }

    /// The profile as it was written.
    #[must_use]
    pub fn source(&self) -> &Profile {
        &self.profile
    }

    /// What the profile says of a listener.
    #[must_use]
    pub fn listen(&self, query: &ListenQuery<'_>) -> ListenVerdict {
        let entries = &self.profile.listen;
        if let Some(entry) = entries
            .iter()
            .find(|entry| here(entry, query) && by(entry.exe.as_ref(), query.exe))
        {
            return ListenVerdict::Expected(entry.provenance.source);
        }
        if entries.iter().any(|entry| here(entry, query)) {
            return ListenVerdict::WrongExecutable;
        }
        let listens = |entry: &Listen| entry.exe.as_ref().is_some_and(|exe| exe.matches(query.exe));
        if entries.iter().any(listens) {
            ListenVerdict::WrongPort
        } else {
            ListenVerdict::Unknown
        }
    }

    /// True when the contact is allowed, whatever the address is called.
    #[must_use]
    pub fn connect(&self, query: &ConnectQuery<'_>) -> bool {
        self.connect_named(query, &[])
    }

    /// True when the contact is allowed. `names`: what the container asked for when it was answered the address.
    #[must_use]
    pub fn connect_named(&self, query: &ConnectQuery<'_>, names: &[DomainName]) -> bool {
        let mut entries = self.profile.connect.iter();
        entries.any(|entry| allows(entry, query, names))
    }

    /// True when an entry names whatever has this name as a peer.
    #[must_use]
    pub fn names(&self, name: &DomainName) -> bool {
        let mut named = self.profile.connect.iter().filter_map(|entry| entry.dns.as_ref());
        named.any(|dns| dns.matches(name))
    }

    /// True when the program, or the script that it interprets, may be executed.
    #[must_use]
    pub fn exec(&self, query: &ExecQuery<'_>) -> bool {
        self.profile.exec.iter().any(|entry| executes(entry, query))
    }

    /// True when the file may be written by the executable. Of a path that was cut nobody knows where it begins.
    #[must_use]
    pub fn write(&self, path: &KernelString, exe: &[u8]) -> bool {
        let entries = &self.profile.files.write;
        !path.truncated
            && entries
                .iter()
                .any(|entry| entry.path.covers(&path.bytes) && by(entry.exe.as_ref(), exe))
    }

    /// Whether the file may be read by the executable. `None`: that is not judged, for the file is not sensitive and not named, or where its
    /// path begins is not known, or the profile says nothing of reading.
    #[must_use]
    pub fn read(&self, path: &KernelString, exe: &[u8]) -> Option<bool> {
        let entries = self.profile.files.read.as_ref().filter(|_| !path.truncated)?;
        let mut named = entries
            .iter()
            .filter(|entry| entry.path.covers(&path.bytes))
            .peekable();
        let judged = named.peek().is_some() || sensitive::is_sensitive(&path.bytes);
        judged.then(|| named.any(|entry| by(entry.exe.as_ref(), exe)))
    }

    /// Whether the capability may be used, by its number. `None`: the profile says nothing of capabilities.
    #[must_use]
    pub fn capability(&self, number: u32) -> Option<bool> {
        let entries = self.profile.capabilities.as_ref()?;
        Some(entries.iter().any(|entry| entry.number() == Some(number)))
    }

    /// True when it has a listener or a contact of the protocol.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        let listens = self.profile.listen.iter().any(|entry| entry.proto == protocol);
        listens || self.profile.connect.iter().any(|entry| entry.proto == protocol)
    }

    /// True when the profile says anything about files that are written; otherwise none of them is a deviation.
    #[must_use]
    pub fn describes_writes(&self) -> bool {
        !self.profile.files.write.is_empty()
    }

    /// True when the profile says anything about executables; otherwise none of them is a deviation.
    #[must_use]
    pub fn describes_exec(&self) -> bool {
        !self.profile.exec.is_empty()
    }
}

fn executes(entry: &Exec, query: &ExecQuery<'_>) -> bool {
    let with = |arguments: &[KernelString]| entry.args.as_ref().is_none_or(|args| args.matches(arguments));
    let program = || entry.path.matches(query.path) && with(query.arguments);
    let script = || {
        query
            .script
            .is_some_and(|script| entry.path.matches(&script.path.bytes) && with(&script.arguments))
    };
    let by = |parent: &[u8]| entry.parents.iter().any(|allowed| allowed.matches(parent));
    (program() || script()) && (entry.parents.is_empty() || query.parent.is_none_or(by))
}

fn here(entry: &Listen, query: &ListenQuery<'_>) -> bool {
    entry.proto == query.proto
        && port(entry.port, query.port, query.ephemeral)
        && entry.address.allows(query.address)
}

fn allows(entry: &Connect, query: &ConnectQuery<'_>, names: &[DomainName]) -> bool {
    let named = |dns: &DnsName| names.iter().any(|name| dns.matches(name));
    entry.dns.as_ref().is_none_or(named)
        && entry.proto == query.proto
        && port(entry.port, query.port, query.ephemeral)
        && entry.cidr.is_none_or(|cidr| cidr.contains(query.address))
        && entry
            .image
            .as_ref()
            .is_none_or(|image| query.peer.is_some_and(|peer| image.matches(peer)))
        && by(entry.exe.as_ref(), query.exe)
}

fn port(allowed: Port, seen: u16, ephemeral: PortRange) -> bool {
    match allowed {
        Port::Number(number) => number == seen,
        Port::Ephemeral => ephemeral.contains(seen),
        Port::Any => true,
    }
}

fn by(allowed: Option<&PathPattern>, exe: &[u8]) -> bool {
    allowed.is_none_or(|allowed| allowed.matches(exe))
}
