//! Messages between containers and their name servers. Names are as strangers write them: in presentation format, so that no byte of
//! them steers a terminal.

use super::SocketAddress;
use hickory_proto::rr::RecordType;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;

/// A message. Fields: see `agent_common::event::DnsEvent`; of the message itself what rules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    pub server: SocketAddress,
    pub protocol: u16,
    pub direction: DnsDirection,
    /// Its header says so. Who believes in answers looks at the direction, too.
    pub is_response: bool,
    /// The first question; `None`: there is none.
    pub question: Option<Question>,
    pub code: ResponseCode,
    /// Of the answers, in their order.
    pub addresses: Vec<AddressRecord>,
    /// What the name is an alias of, in the order of the answers.
    pub canonical_names: Vec<DomainName>,
    /// The zone that an answer without a result stands for: the owner of its SOA.
    pub zone: Option<DomainName>,
    /// Bytes of the answers whose type may hold anything.
    pub opaque_bytes: usize,
    /// Not all of it is here: it was cut, or it ends before it should.
    pub cut: bool,
}

impl Dns {
    /// The question that is asked with it.
    #[must_use]
    pub fn asked(&self) -> Option<&Question> {
        self.question
            .as_ref()
            .filter(|_| self.direction == DnsDirection::SENT)
    }

    /// The question that is answered by it.
    #[must_use]
    pub fn answered(&self) -> Option<&Question> {
        let answers = self.direction == DnsDirection::RECEIVED && self.is_response;
        self.question.as_ref().filter(|_| answers)
    }
}

/// Which way a message goes: numbers of [`agent_common::event::DnsEvent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsDirection(pub u16);

impl DnsDirection {
    pub const SENT: Self = Self(agent_common::event::DnsEvent::SENT);
    pub const RECEIVED: Self = Self(agent_common::event::DnsEvent::RECEIVED);

    /// The word in evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SENT => "sent",
            Self::RECEIVED => "received",
            _ => "unknown",
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub name: DomainName,
    pub kind: QuestionType,
}

/// An address that an answer gives; IPv4 where the address carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRecord {
    pub address: IpAddr,
    pub ttl_secs: u32,
}

/// Type of a question or a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct QuestionType(pub u16);

impl QuestionType {
    pub const A: Self = Self(1);
    pub const CNAME: Self = Self(5);
    pub const SOA: Self = Self(6);
    pub const NULL: Self = Self(10);
    pub const PTR: Self = Self(12);
    pub const MX: Self = Self(15);
    pub const TXT: Self = Self(16);
    pub const AAAA: Self = Self(28);
    pub const SRV: Self = Self(33);
    pub const IXFR: Self = Self(251);
    pub const AXFR: Self = Self(252);

    /// A record of it may hold anything: texts, bytes, and what has no name.
    #[must_use]
    pub fn is_opaque(self) -> bool {
        matches!(self, Self::NULL | Self::TXT) || matches!(RecordType::from(self.0), RecordType::Unknown(_))
    }

    /// A whole zone is asked for, or what changed in it.
    #[must_use]
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::AXFR | Self::IXFR)
    }
}

impl fmt::Display for QuestionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RecordType::from(self.0) {
            RecordType::Unknown(number) => write!(f, "TYPE{number}"),
            known => {
                let name: &'static str = known.into();
                f.write_str(name)
            }
        }
    }
}

/// What became of a question: the four bits of the message's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResponseCode(pub u8);

impl ResponseCode {
    pub const NO_ERROR: Self = Self(0);
    /// There is no such name.
    pub const NX_DOMAIN: Self = Self(3);
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "NOERROR",
            1 => "FORMERR",
            2 => "SERVFAIL",
            3 => "NXDOMAIN",
            4 => "NOTIMP",
            5 => "REFUSED",
            6 => "YXDOMAIN",
            7 => "YXRRSET",
            8 => "NXRRSET",
            9 => "NOTAUTH",
            10 => "NOTZONE",
            other => return write!(f, "RCODE{other}"),
        };
        f.write_str(name)
    }
}

/// A name, in small letters and without the final dot; `.` is the root. At most 254 bytes in a message; what is no visible ASCII, a dot
/// within a label and a backslash stand as `\DDD`, so that each dot separates labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(Arc<str>);

impl DomainName {
    /// Of labels as they stand in a message.
    pub fn of_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut text = String::new();
        for label in labels {
            if !text.is_empty() {
                text.push('.');
            }
            for byte in label {
                push(&mut text, *byte);
            }
        }
        if text.is_empty() {
            text.push('.');
        }
        Self(Arc::from(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the leftmost on; none of the root.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.').filter(|label| !label.is_empty())
    }

    /// What stands before the zone, where the name lies in it; empty for the zone itself.
    #[must_use]
    pub fn within(&self, zone: &str) -> Option<&str> {
        if zone == "." {
            return Some(self.as_str());
        }
        match self.0.strip_suffix(zone)? {
            "" => Some(""),
            rest => rest.strip_suffix('.'),
        }
    }
}

impl From<&str> for DomainName {
    fn from(text: &str) -> Self {
        Self::of_labels(
            text.split('.')
                .filter(|label| !label.is_empty())
                .map(str::as_bytes),
        )
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push(text: &mut String, byte: u8) {
    if byte.is_ascii_graphic() && !matches!(byte, b'.' | b'\\') {
        text.push(char::from(byte.to_ascii_lowercase()));
    } else {
        // Writing to a String cannot fail.
        let _written = write!(text, "\\{byte:03}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_or_part_a_label_is_escaped() {
        let labels: [&[u8]; 3] = [b"A.b\\\x1b[2J", b"\xff_x", b"Org"];
        let name = DomainName::of_labels(labels.into_iter());
        assert_eq!(name.as_str(), "a\\046b\\092\\027[2j.\\255_x.org");
        assert_eq!(name.labels().count(), 3);
        let root = DomainName::of_labels(std::iter::empty());
        assert_eq!((root.as_str(), root.labels().count()), (".", 0));
    }

    #[test]
    fn a_name_lies_in_its_zones() {
        let name = DomainName::from("api.Example.org.");
        assert_eq!(name.as_str(), "api.example.org");
        assert_eq!(name.within("example.org"), Some("api"));
        assert_eq!(name.within("api.example.org"), Some(""));
        assert_eq!(name.within("."), Some("api.example.org"));
        assert_eq!(name.within("ample.org"), None);
    }

    #[test]
    fn types_and_codes_have_their_names_or_numbers() {
        let named: Vec<String> = [1, 16, 33, 65, 252, 255, 65_399]
            .map(|number| QuestionType(number).to_string())
            .into();
        assert_eq!(named, ["A", "TXT", "SRV", "HTTPS", "AXFR", "ANY", "TYPE65399"]);
        assert!(QuestionType(65_399).is_opaque() && !QuestionType::SRV.is_opaque());
        assert_eq!(ResponseCode::NX_DOMAIN.to_string(), "NXDOMAIN");
        assert_eq!(ResponseCode(11).to_string(), "RCODE11");
    }
}
