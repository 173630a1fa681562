//! Messages of DNS: hostile bytes, whoever sent them. Header, names and types are read by `hickory-proto`; records are gone through by
//! their lengths, so that one of an unknown type, or a wrong one, hides nothing that precedes it.

use super::{DecodeError, Record};
use crate::event::{
    AddressRecord, Dns, DnsDirection, DomainName, Question, QuestionType, ResponseCode, canonical,
};
use agent_common::event::DnsEvent;
use hickory_proto::op::{Header, HeaderCounts, MessageType};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::net::IpAddr;

/// Names that a name is an alias of: resolvers follow some ten, and a name takes a hundred times the two bytes that refer to it.
const MAX_CANONICAL_NAMES: usize = 16;

impl Record<'_> {
    /// # Errors
    /// Also [`DecodeError::Unreadable`], where there is no header, or not the question that it promises.
    pub(super) fn dns(self) -> Result<Dns, DecodeError> {
        let event: DnsEvent = self.fixed()?;
        let message = self.text(event.message)?;
        let unreadable = DecodeError::Unreadable { kind: self.kind };
        let read = Message::read(&message.bytes, message.truncated).ok_or(unreadable)?;
        Ok(Dns {
            server: event.server,
            protocol: event.protocol,
            direction: DnsDirection(event.direction),
            is_response: read.is_response,
            question: read.question,
            code: read.code,
            addresses: read.addresses,
            canonical_names: read.canonical_names,
            zone: read.zone,
            opaque_bytes: read.opaque_bytes,
            cut: read.cut,
        })
    }
}

/// What is read of a message.
#[derive(Default)]
struct Message {
    is_response: bool,
    question: Option<Question>,
    code: ResponseCode,
    addresses: Vec<AddressRecord>,
    canonical_names: Vec<DomainName>,
    zone: Option<DomainName>,
    opaque_bytes: usize,
    cut: bool,
}

impl Message {
    /// `None`: it is none. Of one that ends early, what is whole; `truncated`: the kernel had no room for the rest.
    fn read(bytes: &[u8], truncated: bool) -> Option<Self> {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).ok()?;
        let question = match header.counts.queries {
            0 => None,
            _ => Some(question(&mut decoder)?),
        };
        let mut message = Self {
            is_response: header.metadata.message_type == MessageType::Response,
            code: ResponseCode(header.metadata.response_code.low()),
            question,
            cut: truncated,
            ..Self::default()
        };
        message.cut |= message.records(&mut decoder, header.counts).is_none();
        Some(message)
    }

    /// `None`: the message ends before the records that it promises.
    fn records(&mut self, decoder: &mut BinDecoder<'_>, counts: HeaderCounts) -> Option<()> {
        // One question is usual; each further one takes bytes of the message, so there are not many.
        for _ in 1..counts.queries {
            question(decoder)?;
        }
        for _ in 0..counts.answers {
            let record = ResourceRecord::read(decoder)?;
            self.answer(decoder, &record)?;
        }
        for _ in 0..counts.authorities {
            let record = ResourceRecord::read(decoder).filter(ResourceRecord::is_whole)?;
            if record.kind == QuestionType::SOA {
                self.zone = Some(domain_name(&record.owner));
            }
        }
        Some(())
    }

    /// `None`: it has not the form that its type has.
    fn answer(&mut self, decoder: &BinDecoder<'_>, record: &ResourceRecord<'_>) -> Option<()> {
        let data = record.data;
        if !record.is_whole() {
            // Its sender's length is believed where it was not he who cut it.
            let believed = self.cut && record.kind.is_opaque();
            self.opaque_bytes += if believed { record.length } else { 0 };
            return None;
        }
        match record.kind {
            QuestionType::A => {
                let octets: [u8; 4] = data.try_into().ok()?;
                self.address(IpAddr::from(octets), record);
            }
            QuestionType::AAAA => {
                let octets: [u8; 16] = data.try_into().ok()?;
                self.address(IpAddr::from(octets), record);
            }
            QuestionType::CNAME => self.alias(record.name_in(decoder)?)?,
            kind if kind.is_opaque() => self.opaque_bytes += data.len(),
            _ => {}
        }
        Some(())
    }

    fn address(&mut self, address: IpAddr, record: &ResourceRecord<'_>) {
        self.addresses.push(AddressRecord {
            address: canonical(address),
            ttl_secs: record.ttl_secs,
        });
    }

    /// `None`: there are too many.
    fn alias(&mut self, name: DomainName) -> Option<()> {
        (self.canonical_names.len() < MAX_CANONICAL_NAMES).then(|| self.canonical_names.push(name))
    }
}

/// A record of any type.
struct ResourceRecord<'a> {
    owner: Name,
    kind: QuestionType,
    ttl_secs: u32,
    /// Where its data begin in the message.
    start: usize,
    /// As the record says.
    length: usize,
    /// What is there of them.
    data: &'a [u8],
}

impl<'a> ResourceRecord<'a> {
    fn read(decoder: &mut BinDecoder<'a>) -> Option<Self> {
        let owner = Name::read(decoder).ok()?;
        let (kind, _class) = (number(decoder)?, number(decoder)?);
        let ttl_secs = decoder.read_u32().ok()?.unverified();
        let length = usize::from(number(decoder)?);
        let start = decoder.index();
        let there = length.min(decoder.len());
        let data = decoder.read_slice(there).ok()?.unverified();
        Some(Self {
            owner,
            kind: QuestionType(kind),
            ttl_secs,
            start,
            length,
            data,
        })
    }

    fn is_whole(&self) -> bool {
        self.data.len() == self.length
    }

    /// The name that is its data. It may refer to what precedes it in the message, but must not go on behind it.
    fn name_in(&self, decoder: &BinDecoder<'_>) -> Option<DomainName> {
        let mut inner = decoder.clone(u16::try_from(self.start).ok()?);
        let name = Name::read(&mut inner).ok()?;
        (inner.index() == self.start + self.data.len()).then(|| domain_name(&name))
    }
}

fn question(decoder: &mut BinDecoder<'_>) -> Option<Question> {
    let name = Name::read(decoder).ok()?;
    let (kind, _class) = (number(decoder)?, number(decoder)?);
    Some(Question {
        name: domain_name(&name),
        kind: QuestionType(kind),
    })
}

/// Any number is valid.
fn number(decoder: &mut BinDecoder<'_>) -> Option<u16> {
    Some(decoder.read_u16().ok()?.unverified())
}

fn domain_name(name: &Name) -> DomainName {
    DomainName::of_labels(name.iter())
}
