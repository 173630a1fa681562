//! Whoever tries to log in again and again. Counted is what leaves the kernel: of repeats of one executable at one address,
//! one record for each burst.

use super::contact::Contact;
use super::{clients, tunnels};
use crate::detect::per_container::push_latest;
use crate::detect::rules::lateral;
use crate::detect::{Class, DetectContext, Finding};
use crate::event::{BootTime, Exec, ExecId};
use crate::profile::Protocol;
use agent_common::behaviour::Burst;
use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

/// Tries within this time belong together.
const WINDOW: Duration = Duration::from_secs(60);
/// Processes at one service, or different logins, that make an attack.
const THRESHOLD: usize = 5;
/// Tries that are remembered of a container.
const MAX_TRIES: usize = 32;
/// Services that ask a person who they are: one connection for one login.
const SESSIONS: [u16; 8] = [21, 22, 23, 445, 2222, 3389, 5900, 5985];
/// Databases, which programs open many connections to at once.
const DATABASES: [u16; 8] = [1433, 3306, 5432, 5984, 6379, 9200, 11_211, 27_017];
/// Bursts of connections to a database that make an attack: pools are smaller as a rule.
const DATABASE_BURSTS: usize = 3;
/// Programs that guess passwords.
const GUESSERS: [&str; 10] = [
    "hydra",
    "medusa",
    "ncrack",
    "patator",
    "crowbar",
    "brutespray",
    "kerbrute",
    "thc-hydra",
    "netexec",
    "crackmapexec",
];

/// Recent tries of one container.
#[derive(Debug, Default)]
pub(super) struct Logins {
    connections: VecDeque<(BootTime, IpAddr, u16, ExecId)>,
    bursts: VecDeque<(BootTime, IpAddr, u16)>,
    /// Of clients of SSH, by a digest of whom they log in as and where.
    destinations: VecDeque<(BootTime, u64)>,
}

impl Logins {
    /// A connection to a service that asks who one is, each process once: a pool of connections is one process.
    pub(super) fn contact(&mut self, contact: &Contact<'_>) -> Option<Finding> {
        let database = DATABASES.contains(&contact.port);
        if contact.proto != Protocol::Tcp || !database && !SESSIONS.contains(&contact.port) {
            return None;
        }
        if contact.is_burst() {
            return self.burst(contact, database);
        }
        let (now, by) = (contact.context.time(), contact.context.event.process.exec_id);
        let tries = &mut self.connections;
        tries.retain(|(time, ..)| now.since(*time) < WINDOW);
        let (address, port) = (contact.address, contact.port);
        let here =
            |(_, other, number, _): &&(BootTime, IpAddr, u16, ExecId)| (*other, *number) == (address, port);
        if !tries.iter().filter(here).any(|(.., process)| *process == by) {
            push_latest(tries, MAX_TRIES, (now, address, port, by));
        }
        let processes = tries.iter().filter(here).count();
        (processes >= THRESHOLD).then(|| {
            let tries = format!("{processes} processes connected to {}", contact.place());
            found(contact.context, contact.socket(), &tries).step_of(contact.exploration())
        })
    }

    /// One executable connected many times within a minute. To a single database that is what its clients do, unless a profile
    /// says whom the image contacts.
    fn burst(&mut self, contact: &Contact<'_>, database: bool) -> Option<Finding> {
        let now = contact.context.time();
        let (address, port) = (contact.address, contact.port);
        self.bursts.retain(|(time, ..)| now.since(*time) < WINDOW);
        push_latest(&mut self.bursts, MAX_TRIES, (now, address, port));
        let here = |(_, other, number): &&(BootTime, IpAddr, u16)| (*other, *number) == (address, port);
        let bursts = self.bursts.iter().filter(here).count();
        let another = |(_, other, number): &(BootTime, IpAddr, u16)| *other == address && *number != port;
        let profile = contact.context.profile;
        let judged = profile.is_some_and(|profile| profile.judges(Class::Lateral));
        if database && !judged && !self.bursts.iter().any(another) {
            return None;
        }
        let enough = if database { DATABASE_BURSTS } else { 1 };
        (bursts >= enough).then(|| {
            let count = bursts * Burst::CONNECTIONS.size as usize;
            let tries = format!("{count} connections were made to {}", contact.place());
            found(contact.context, contact.socket(), &tries).step_of(contact.exploration())
        })
    }

    /// A client of SSH was executed.
    pub(super) fn executed(&mut self, context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
        let destination = tunnels::started(context, exec).destination?;
        let now = context.time();
        let mut hasher = DefaultHasher::new();
        destination.hash(&mut hasher);
        self.destinations.retain(|(time, _)| now.since(*time) < WINDOW);
        push_latest(&mut self.destinations, MAX_TRIES, (now, hasher.finish()));
        let different: BTreeSet<u64> = self.destinations.iter().map(|(_, digest)| *digest).collect();
        (different.len() >= THRESHOLD).then(|| {
            let tries = format!("{} logins by SSH were tried", different.len());
            found(context, context.actor(), &tries)
        })
    }
}

/// A program was executed that does nothing else.
pub(super) fn tool(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let names = clients::names(context, exec);
    let guesser = GUESSERS
        .iter()
        .find(|guesser| clients::is_among(&names, guesser))?;
    let (actor, container) = (context.actor(), context.container_name());
    let summary = format!("{actor} in {container} guesses passwords: it is {guesser}");
    Some(Finding::new(&lateral::BRUTE_FORCE, actor, summary))
}

fn found(context: &DetectContext<'_>, object: String, tries: &str) -> Finding {
    let summary = format!(
        "{tries} from {} within {} s, the last one is {}",
        context.container_name(),
        WINDOW.as_secs(),
        context.actor()
    );
    let finding = Finding::new(&lateral::BRUTE_FORCE, object, summary);
    finding.with("window_seconds", WINDOW.as_secs())
}
