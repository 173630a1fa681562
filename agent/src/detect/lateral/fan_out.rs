//! Many ports of one host, or one port of many hosts. Bounded per container, and one alert for a window.

use super::Contact;
use crate::detect::Finding;
use crate::detect::rules::lateral;
use crate::event::BootTime;
use crate::event::is_internal;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Contacts within this time belong together.
const WINDOW: Duration = Duration::from_secs(10);
/// Different ports or hosts that make a scan.
const THRESHOLD: usize = 10;
/// Contacts that are remembered: several times what makes a scan, and little memory for thousands of containers.
const MAX_CONTACTS: usize = 64;

/// Recent contacts of one container.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    contacts: VecDeque<(BootTime, IpAddr, u16)>,
}

impl FanOut {
    /// Counts a contact; the scans that it is part of.
    pub(super) fn contact(&mut self, contact: &Contact<'_>) -> Vec<Finding> {
        let now = BootTime(contact.context.event.raw.header.time_boot_ns);
        self.contacts.retain(|(time, ..)| now.since(*time) < WINDOW);
        let known = self
            .contacts
            .iter()
            .any(|(_, address, port)| (*address, *port) == (contact.address, contact.port));
        if !known {
            if self.contacts.len() >= MAX_CONTACTS {
                self.contacts.pop_front();
            }
            self.contacts.push_back((now, contact.address, contact.port));
        }
        self.port_scan(contact)
            .into_iter()
            .chain(self.host_sweep(contact))
            .collect()
    }

    fn port_scan(&self, contact: &Contact<'_>) -> Option<Finding> {
        let here = self
            .contacts
            .iter()
            .filter(|(_, address, _)| *address == contact.address);
        let ports: BTreeSet<u16> = here.map(|(.., port)| *port).collect();
        if ports.len() < THRESHOLD {
            return None;
        }
        let whose = contact.peer.as_ref().map_or_else(String::new, |peer| {
            format!(" (container {})", peer.display_name())
        });
        let summary = format!(
            "{} in {} tried {} ports of {}{whose} within {} s",
            contact.context.actor(),
            contact.context.container_name(),
            ports.len(),
            contact.address,
            WINDOW.as_secs()
        );
        let finding = Finding::new(&lateral::PORT_SCAN, contact.address.to_string(), summary)
            .step_of(contact.exploration());
        Some(
            finding
                .with("ports", ports.into_iter().collect::<Vec<_>>())
                .with("window_seconds", WINDOW.as_secs()),
        )
    }

    fn host_sweep(&self, contact: &Contact<'_>) -> Option<Finding> {
        // Crawlers and mail servers talk to many hosts of the internet.
        let same = self
            .contacts
            .iter()
            .filter(|(_, address, port)| *port == contact.port && is_internal(*address));
        let hosts: BTreeSet<IpAddr> = same.map(|(_, address, _)| *address).collect();
        if hosts.len() < THRESHOLD || !is_internal(contact.address) || contact.port == super::DNS {
            return None;
        }
        let summary = format!(
            "{} in {} tried port {} of {} hosts within {} s",
            contact.context.actor(),
            contact.context.container_name(),
            contact.port,
            hosts.len(),
            WINDOW.as_secs()
        );
        let hosts: Vec<String> = hosts.iter().map(IpAddr::to_string).collect();
        let finding = Finding::new(&lateral::HOST_SWEEP, format!("port {}", contact.port), summary)
            .step_of(contact.exploration());
        Some(
            finding
                .with("hosts", hosts)
                .with("window_seconds", WINDOW.as_secs()),
        )
    }
}
