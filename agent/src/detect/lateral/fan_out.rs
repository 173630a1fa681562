//! Many ports of one host, or one port of many hosts, quickly or slowly. Bounded per container, and one alert for a window.

use super::Contact;
use crate::detect::Finding;
use crate::detect::per_container::push_latest;
use crate::detect::rules::lateral;
use crate::event::BootTime;
use crate::event::is_internal;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Contacts within this time belong together; so many different ports or hosts make a scan.
#[derive(Clone, Copy)]
struct Window {
    length: Duration,
    threshold: usize,
    /// Ports count that servers are given by their kernel: in the long run there are many.
    given_out: bool,
}

const QUICK: Window = Window {
    length: Duration::from_secs(10),
    threshold: 10,
    given_out: true,
};
/// Who has time makes few contacts at once. More of them, for services meet their neighbours too.
const SLOW: Window = Window {
    length: Duration::from_secs(600),
    threshold: 15,
    given_out: false,
};
/// Contacts that are remembered: several times what makes a scan, and little memory for thousands of containers.
const MAX_CONTACTS: usize = 64;

/// Recent contacts of one container, the last one last; each address and port once.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    contacts: VecDeque<(BootTime, IpAddr, u16)>,
}

impl FanOut {
    /// Counts a contact; the scans that it is part of.
    pub(super) fn contact(&mut self, contact: &Contact<'_>) -> Vec<Finding> {
        let now = contact.context.time();
        self.contacts.retain(|(time, ..)| now.since(*time) < SLOW.length);
        let new = self.note(now, contact);
        // What is only met again makes no slow scan longer.
        let windows: &[Window] = if new { &[QUICK, SLOW] } else { &[QUICK] };
        let ports = windows.iter().find_map(|window| self.port_scan(contact, *window));
        let hosts = windows
            .iter()
            .find_map(|window| self.host_sweep(contact, *window));
        ports.into_iter().chain(hosts).collect()
    }

    /// True when it is new.
    fn note(&mut self, now: BootTime, contact: &Contact<'_>) -> bool {
        let met = (contact.address, contact.port);
        let known = self
            .contacts
            .iter()
            .position(|(_, address, port)| (*address, *port) == met);
        if let Some(at) = known {
            self.contacts.remove(at);
        }
        push_latest(
            &mut self.contacts,
            MAX_CONTACTS,
            (now, contact.address, contact.port),
        );
        known.is_none()
    }

    /// Contacts of the window.
    fn within(&self, contact: &Contact<'_>, window: Window) -> impl Iterator<Item = (IpAddr, u16)> {
        let now = contact.context.time();
        let ports = contact.context.host.ephemeral_ports;
        let counts = move |at: BootTime, port: u16| {
            now.since(at) < window.length && (window.given_out || !ports.contains(port))
        };
        self.contacts
            .iter()
            .filter(move |(at, _, port)| counts(*at, *port))
            .map(|(_, address, port)| (*address, *port))
    }

    fn port_scan(&self, contact: &Contact<'_>, window: Window) -> Option<Finding> {
        let here = self
            .within(contact, window)
            .filter(|(address, _)| *address == contact.address);
        let ports: BTreeSet<u16> = here.map(|(_, port)| port).collect();
        if ports.len() < window.threshold {
            return None;
        }
        let whose = contact.peer.as_ref().map_or_else(
            || contact.context.name_in_brackets(contact.address),
            |peer| format!(" (container {})", peer.display_name()),
        );
        let summary = format!(
            "{} in {} tried {} ports of {}{whose} within {} s",
            contact.context.actor(),
            contact.context.container_name(),
            ports.len(),
            contact.address,
            window.length.as_secs()
        );
        let finding = Finding::new(&lateral::PORT_SCAN, contact.address.to_string(), summary)
            .step_of(contact.exploration());
        Some(
            finding
                .with("ports", ports.into_iter().collect::<Vec<_>>())
                .with("window_seconds", window.length.as_secs()),
        )
    }

    fn host_sweep(&self, contact: &Contact<'_>, window: Window) -> Option<Finding> {
        // Crawlers and mail servers talk to many hosts of the internet.
        let same = self
            .within(contact, window)
            .filter(|(address, port)| *port == contact.port && is_internal(*address));
        let hosts: BTreeSet<IpAddr> = same.map(|(address, _)| address).collect();
        if hosts.len() < window.threshold || !is_internal(contact.address) || contact.port == super::DNS {
            return None;
        }
        let summary = format!(
            "{} in {} tried port {} of {} hosts within {} s",
            contact.context.actor(),
            contact.context.container_name(),
            contact.port,
            hosts.len(),
            window.length.as_secs()
        );
        let hosts: Vec<String> = hosts.iter().map(IpAddr::to_string).collect();
        let finding = Finding::new(&lateral::HOST_SWEEP, format!("port {}", contact.port), summary)
            .step_of(contact.exploration());
        Some(
            finding
                .with("hosts", hosts)
                .with("window_seconds", window.length.as_secs()),
        )
    }
}
