//! What several formats read out of an alert.

use crate::alert::{Action, Alert};
use crate::detect::{self, Class};
use crate::event::Timestamp;

/// Who makes the alerts, where a format names product and vendor.
pub(super) const PRODUCT: &str = "Vigia";
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Characters of a container's id where it is shown short.
const SHORT_ID: usize = 12;

/// What the act was about, when that has a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object<'a> {
    pub(super) path: &'a str,
    pub(super) file_type: FileType,
}

/// As far as the evidence tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    Unknown,
    Regular,
    Directory,
    Character,
    Block,
    Socket,
    Fifo,
    Symlink,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoint<'a> {
    pub(super) address: &'a str,
    pub(super) port: u16,
}

/// An image's reference in parts. `registry:5000/team/app:1@sha256:…` has the name `registry:5000/team/app`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageName<'a> {
    pub(super) name: &'a str,
    pub(super) tag: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    pub(super) fn of(reference: &'a str) -> Self {
        let named = reference.split_once('@').map_or(reference, |(named, _)| named);
        match named.rsplit_once(':') {
            // A colon before a slash is a registry's port.
            Some((name, tag)) if !tag.contains('/') => Self { name, tag: Some(tag) },
            _ => Self {
                name: named,
                tag: None,
            },
        }
    }
}

impl Alert {
    /// The rule's title; its id when this version does not know it.
    pub(super) fn title(&self) -> &str {
        detect::rule(&self.rule).map_or(self.rule.as_str(), |rule| rule.title)
    }

    pub(super) fn kind(&self) -> &str {
        self.text("kind").unwrap_or("unknown")
    }

    /// Text of the evidence that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.evidence
            .get(key)
            .and_then(|value| value.as_str())
            .filter(|text| !text.is_empty())
    }

    fn endpoint(&self, side: &str) -> Option<Endpoint<'_>> {
        let port = self.evidence.get(&format!("{side}_port"))?.as_u64()?;
        Some(Endpoint {
            address: self.text(&format!("{side}_address"))?,
            port: u16::try_from(port).ok()?,
        })
    }

    /// This side of a socket.
    pub(super) fn local(&self) -> Option<Endpoint<'_>> {
        self.endpoint("local")
    }

    /// The other side of a socket, or of a program's standard input and output.
    pub(super) fn remote(&self) -> Option<Endpoint<'_>> {
        self.endpoint("remote").or_else(|| self.endpoint("peer"))
    }

    /// What the container asked for before it was answered the other side's address.
    pub(super) fn remote_name(&self) -> Option<&str> {
        self.text("peer_name")
    }

    /// The name that a message to or from a name server asks for, and the type.
    pub(super) fn question(&self) -> Option<(&str, &str)> {
        let name = self.text("name").filter(|_| self.kind() == "dns")?;
        Some((name, self.text("type").unwrap_or_default()))
    }

    /// `tcp`, `udp`, …, or the number that the kernel has for it.
    pub(super) fn protocol(&self) -> Option<&str> {
        self.text("protocol")
    }

    /// What was opened, executed, mounted upon, …
    pub(super) fn object(&self) -> Option<Object<'_>> {
        let key = match self.kind() {
            "mount" => "target",
            "module" => "module",
            _ => "path",
        };
        Some(Object {
            path: self.text(key)?,
            file_type: self.file_type(),
        })
    }

    fn file_type(&self) -> FileType {
        match self.kind() {
            "exec" => FileType::Regular,
            "file_open" if !self.evidence.contains_key("device_node") => FileType::Regular,
            "unix_connect" | "unix_bind" => FileType::Socket,
            "mount" | "chroot" | "chdir" => FileType::Directory,
            "symlink" => FileType::Symlink,
            "mknod" => match self.text("type") {
                Some("char") => FileType::Character,
                Some("block") => FileType::Block,
                Some("fifo") => FileType::Fifo,
                Some("socket") => FileType::Socket,
                _ => FileType::Unknown,
            },
            _ => FileType::Unknown,
        }
    }

    /// Whether the act succeeded; `None` when the alert is about none.
    pub(super) fn succeeded(&self) -> Option<bool> {
        let ret = self.evidence.get("ret")?.as_i64()?;
        Some(ret >= 0 && self.action == Action::Alerted)
    }

    /// `alerted`, `denied`, `killed`.
    pub(super) fn action_word(&self) -> &'static str {
        match self.action {
            Action::Alerted => "alerted",
            Action::Denied => "denied",
            Action::Killed => "killed",
        }
    }
}

/// The word in alerts.
pub(super) fn class_word(class: Class) -> &'static str {
    match class {
        Class::Escape => "escape",
        Class::Listener => "listener",
        Class::Lateral => "lateral",
        Class::Drift => "drift",
        Class::Credential => "credential",
        Class::Tampering => "tampering",
        Class::Posture => "posture",
        Class::Sensor => "sensor",
    }
}

/// The last part of a path; the path itself when it has none.
pub(super) fn base_name(path: &str) -> &str {
    match path.rsplit('/').next() {
        Some(name) if !name.is_empty() => name,
        _ => path,
    }
}

/// What stands before the last part of a path.
pub(super) fn folder(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 => Some("/"),
        end => path.get(..end),
    }
}

/// First characters of a container's id.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// Milliseconds since the Unix epoch.
pub(super) fn unix_ms(time: Timestamp) -> i64 {
    i64::try_from(time.0 / 1_000_000).unwrap_or(0)
}

/// A technique and, where the id names one, its sub-technique: `T1552.007` is part of `T1552`.
pub(super) fn technique(id: &str) -> (&str, Option<&str>) {
    match id.split_once('.') {
        Some((technique, _)) => (technique, Some(id)),
        None => (id, None),
    }
}
