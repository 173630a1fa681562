//! The scalars of a profile. Each refuses what it cannot mean while the file is read, so that the message has the
//! line and column.

use crate::host::PortRange;
use globset::{GlobBuilder, GlobMatcher};
use ipnet::IpNet;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::ffi::OsStr;
use std::fmt;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest pattern that is accepted, bytes: the kernel's PATH_MAX.
const MAX_PATTERN: usize = 4096;

/// A port, or a kind of port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Port {
    Number(u16),
    /// Any port that the kernel gives out (`net.ipv4.ip_local_port_range`).
    Ephemeral,
    #[default]
    Any,
}

impl Port {
    /// A port that was seen, with those that the kernel gives out as one.
    #[must_use]
    pub fn generalised(number: u16, ephemeral: PortRange) -> Self {
        if number == 0 || ephemeral.contains(number) {
            Self::Ephemeral
        } else {
            Self::Number(number)
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => write!(f, "{port}"),
            Self::Ephemeral => f.write_str("ephemeral"),
            Self::Any => f.write_str("any"),
        }
    }
}

impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(port) => serializer.serialize_u16(*port),
            other => serializer.serialize_str(&other.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortVisitor)
    }
}

struct PortVisitor;

impl Visitor<'_> for PortVisitor {
    type Value = Port;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a port from 1 to 65535, `ephemeral` or `any`")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Port, E> {
        match u16::try_from(number) {
            Ok(port) if port > 0 => Ok(Port::Number(port)),
            _ => Err(E::custom(format!(
                "port {number} is not between 1 and 65535; write one, `ephemeral` or `any`"
            ))),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Port, E> {
        let positive = u64::try_from(number).map_err(|_| {
            E::custom(format!(
                "port {number} is not between 1 and 65535; write one, `ephemeral` or `any`"
            ))
        })?;
        self.visit_u64(positive)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Port, E> {
        match text {
            "ephemeral" => Ok(Port::Ephemeral),
            "any" => Ok(Port::Any),
            digits => match digits.parse::<u64>() {
                Ok(number) => self.visit_u64(number),
                Err(_) => Err(E::custom(format!(
                    "`{text}` is no port; write 1 to 65535, `ephemeral` or `any`"
                ))),
            },
        }
    }
}

/// Transport protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// From `IPPROTO_*`; multipath TCP is TCP. `None`: no protocol with ports.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        match number {
            6 | 262 => Some(Self::Tcp),
            17 | 136 => Some(Self::Udp),
            132 => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Name as in `80/tcp`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// A network, `10.0.0.0/8`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(pub IpNet);

impl Cidr {
    /// The network that holds only `address`.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        Self(IpNet::from(address))
    }

    /// True when `address` lies in the network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network =
            network.map_err(|_| format!("`{text}` is no network; write one as 10.0.0.0/8 or fd00::/8"))?;
        if network.trunc() == network {
            Ok(Self(network))
        } else {
            Err(format!(
                "`{text}` has bits set beyond its prefix; write {}",
                network.trunc()
            ))
        }
    }
}

/// Which local addresses a listener may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AddressScope {
    #[default]
    Any,
    Loopback,
    Network(Cidr),
}

impl AddressScope {
    /// True when a listener on `address` lies within the scope.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Loopback => address.is_loopback(),
            Self::Network(network) => network.contains(address),
        }
    }
}

impl fmt::Display for AddressScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Loopback => f.write_str("loopback"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl std::str::FromStr for AddressScope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            "loopback" => Ok(Self::Loopback),
            network => network.parse().map(Self::Network).map_err(|_: String| {
                format!("`{text}` is no address scope; write `any`, `loopback` or a network")
            }),
        }
    }
}

/// An absolute path in the container's root; `*` stands for part of one component, `**` for any components.
#[derive(Clone)]
pub struct PathPattern {
    text: String,
    glob: Option<GlobMatcher>,
}

impl PathPattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True when it has wildcards.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// True when the whole of `path` matches.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(Path::new(OsStr::from_bytes(path))),
            None => self.text.as_bytes() == path,
        }
    }

    /// True when `path` matches, or lies below the folder that the pattern names.
    #[must_use]
    pub fn covers(&self, path: &[u8]) -> bool {
        let folder = self.text.trim_end_matches('/').as_bytes();
        self.matches(path)
            || (self.glob.is_none()
                && path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with(b"/")))
    }
}

impl std::str::FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with('/') && !text.starts_with("**") && !text.starts_with("memfd:") {
            return Err(format!(
                "`{text}` is no absolute path; begin it with `/` or `**/`"
            ));
        }
        if text.len() > MAX_PATTERN {
            return Err(format!(
                "a path of {} bytes is longer than {MAX_PATTERN}",
                text.len()
            ));
        }
        let glob = text
            .contains(['*', '?', '[', '{'])
            .then(|| compile_glob(text))
            .transpose()?;
        Ok(Self {
            text: text.to_owned(),
            glob,
        })
    }
}

fn compile_glob(text: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| {
            format!(
                "`{text}` is no pattern: {}; escape special characters with `\\`",
                error.kind()
            )
        })
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl PartialOrd for PathPattern {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PathPattern {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

/// Text in the file, a checked value in memory.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!(Cidr, AddressScope, PathPattern, super::ImagePattern);
