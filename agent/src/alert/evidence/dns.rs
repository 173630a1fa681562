//! Of messages between containers and their name servers, and what came of them: names of addresses.

use super::{Evidence, Near};
use crate::event::{Dns, DnsDirection, Payload, peer_address};

impl Evidence {
    pub(super) fn dns(&mut self, dns: &Dns) {
        let question = dns.question.as_ref();
        self.put("name", question.map_or("", |question| question.name.as_str()));
        let kind = question.map_or_else(String::new, |question| question.kind.to_string());
        self.put("type", kind);
        self.put("direction", dns.direction.name());
        if dns.direction == DnsDirection::RECEIVED {
            self.answer(dns);
        }
        self.protocol(dns.protocol);
        self.end("remote", &dns.server);
        if dns.cut {
            self.put("truncated", true);
        }
    }

    fn answer(&mut self, dns: &Dns) {
        self.put("code", dns.code.to_string());
        let addresses = || dns.addresses.iter();
        let shown: Vec<String> = addresses().map(|record| record.address.to_string()).collect();
        if !shown.is_empty() {
            self.put("addresses", shown);
            let ttls: Vec<u32> = addresses().map(|record| record.ttl_secs).collect();
            self.put("ttls", ttls);
        }
        let names: Vec<&str> = dns.canonical_names.iter().map(|name| name.as_str()).collect();
        if !names.is_empty() {
            self.put("canonical_names", names);
        }
        if let Some(zone) = &dns.zone {
            self.put("zone", zone.as_str());
        }
    }

    /// What the container asked for when it was given the address at the other end.
    pub(super) fn peer_name(&mut self, near: Near<'_>) {
        let raw = &near.event.raw;
        let peer = match &raw.payload {
            Payload::Connect(net) | Payload::Send(net) => &net.remote,
            Payload::Receive(received) => &received.remote,
            Payload::Exec(exec) => &exec.stdio_peer,
            _ => return,
        };
        let (Some(container), Some(address)) = (raw.slot(), peer_address(peer)) else {
            return;
        };
        if let Some(name) = near.neighbours.names(container, address).last() {
            self.put("peer_name", name.as_str());
        }
    }
}
