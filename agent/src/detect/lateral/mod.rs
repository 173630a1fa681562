//! Moving sideways: contacts that the image's work does not need, and programs that make them.

mod allowed;
mod brute_force;
mod clients;
mod contact;
mod dns;
mod dns_tunnels;
mod domains;
mod fan_out;
mod pipes;
mod received;
mod relays;
mod services;
mod shared_socket;
mod shell;
mod sockets;
mod tunnels;
mod zone_walk;

#[cfg(test)]
mod tests;

pub(crate) use contact::Contact;
pub(super) use contact::has_host_network;

use super::per_container::PerContainer;
use super::{DetectContext, Detector, Finding, Scope};
use crate::event::{Dns, Exec, Net, Payload, RecordFlags, SlotKey};
use brute_force::Logins;
use dns_tunnels::DnsTunnels;
use fan_out::FanOut;
use pipes::Pipes;
use services::Token;
use zone_walk::Walk;

const DNS: u16 = 53;

/// Finds lateral movement.
#[derive(Debug, Default)]
pub(super) struct LateralDetector {
    trails: PerContainer<Trail>,
}

/// What is remembered of one container. Each part is bounded.
#[derive(Debug, Default)]
struct Trail {
    fan: FanOut,
    token: Token,
    logins: Logins,
    pipes: Pipes,
    walk: Walk,
    dns_tunnels: DnsTunnels,
}

impl Detector for LateralDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        let raw = &context.event.raw;
        match &raw.payload {
            Payload::Exec(exec) => self.executed(context, exec, findings),
            Payload::FileOpen(open) if services::is_token(context, open) => {
                if let Some(trail) = self.trails.note(context) {
                    trail.token.was_read(context.time());
                }
            }
            Payload::Listen(_) => findings.extend(self.listening(context)),
            Payload::Connect(net) if !net.is_connection() => findings.extend(dns::asked(context, net)),
            Payload::Socket(socket) => findings.extend(sockets::inspect(context, socket)),
            Payload::Receive(received) => findings.extend(received::inspect(context, received)),
            Payload::UnixConnect(connect) => findings.extend(shared_socket::inspect(context, connect)),
            Payload::Dns(dns) => self.message(context, dns, findings),
            _ => {}
        }
        if let Some(contact) = raw.contact().and_then(|net: &Net| Contact::of(context, net)) {
            self.contact(&contact, findings);
        }
    }

    fn forget(&mut self, container: SlotKey) {
        self.trails.forget(container);
    }

    fn kept(&self) -> usize {
        self.trails.kept()
    }

    fn capacity(&self) -> usize {
        self.trails.capacity()
    }

    fn refused(&self) -> u64 {
        self.trails.refused()
    }
}

impl LateralDetector {
    fn executed(&mut self, context: &DetectContext<'_>, exec: &Exec, findings: &mut Vec<Finding>) {
        findings.extend(shell::on_exec(context, exec));
        // Of one that was denied the process is still the one that asked.
        if context.event.raw.header.flags.has(RecordFlags::DENIED) {
            return;
        }
        if pipes::reads_commands(&context.event.process)
            && let Some(trail) = self.trails.note(context)
        {
            findings.extend(trail.pipes.shell(context));
        }
        if allowed::is_expected(context, exec) {
            return;
        }
        findings.extend(clients::inspect(context, exec));
        findings.extend(zone_walk::executed(context, exec));
        findings.extend(relays::inspect(context, exec));
        findings.extend(tunnels::inspect(context, exec));
        findings.extend(brute_force::tool(context, exec));
        if tunnels::is_client(context)
            && let Some(trail) = self.trails.note(context)
        {
            findings.extend(trail.logins.executed(context, exec));
        }
    }

    fn listening(&mut self, context: &DetectContext<'_>) -> Option<Finding> {
        if !pipes::is_carrier(&context.event.process) {
            return None;
        }
        self.trails.note(context)?.pipes.listens(context)
    }

    /// A message to a name server, or from it. Names that the profile lets the image contact are its business.
    fn message(&mut self, context: &DetectContext<'_>, dns: &Dns, findings: &mut Vec<Finding>) {
        let repeat = context.event.raw.header.flags.has(RecordFlags::REPEAT);
        let name = dns.question.as_ref().map(|question| &question.name);
        let named = name
            .zip(context.profile)
            .is_some_and(|(name, profile)| profile.names(name));
        if context.scope == Scope::Universal || repeat || named || dns::is_resolver(context) {
            return;
        }
        findings.extend(zone_walk::asked(context, dns));
        if let Some(trail) = self.trails.note(context) {
            findings.extend(trail.walk.message(context, dns));
            findings.extend(trail.dns_tunnels.message(context, dns));
        }
    }

    fn contact(&mut self, contact: &Contact<'_>, findings: &mut Vec<Finding>) {
        let context = contact.context;
        let outward = !contact.address.is_loopback();
        if outward {
            findings.extend(shell::on_connect(contact));
            findings.extend(self.carried(contact));
        }
        if context.scope == Scope::Universal || contact.is_allowed() {
            return;
        }
        let token = self.trails.get(context.event).map(|trail| trail.token);
        findings.extend(contact.control_plane(token.unwrap_or_default()));
        if !outward {
            return;
        }
        if let Some(trail) = self.trails.note(context) {
            findings.extend(trail.fan.contact(contact));
            findings.extend(trail.logins.contact(contact));
        }
        findings.extend(contact.mining_pool());
        findings.extend(dns::unusual_resolver(contact));
        findings.extend(contact.first_contact());
        if findings.is_empty() {
            findings.extend(contact.outside_profile());
        }
    }

    /// What goes through pipes to the peer, or comes from it.
    fn carried(&mut self, contact: &Contact<'_>) -> Vec<Finding> {
        let process = &contact.context.event.process;
        let (carrier, script) = (pipes::is_carrier(process), pipes::is_script(process));
        if !carrier && !script {
            return Vec::new();
        }
        let Some(trail) = self.trails.note(contact.context) else {
            return Vec::new();
        };
        if carrier {
            return trail.pipes.connects(contact);
        }
        trail.pipes.script_connects(contact);
        Vec::new()
    }
}
