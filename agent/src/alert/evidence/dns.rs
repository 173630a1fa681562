//! Of messages between containers and their name servers.

use super::Evidence;
use crate::event::{Dns, DnsDirection};

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
}
