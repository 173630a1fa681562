//! Who asks for everything: whole zones, all services of a cluster, one name or address after the other. What a tool's arguments say
//! of it and what its questions show are one deed; who brings a resolver of his own is seen by the questions alone.

use super::domains::is_suffix;
use super::{clients, dns_tunnels};
use crate::detect::per_container::push_latest;
use crate::detect::program::{BROUGHT, called, is_main};
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, described};
use crate::event::{BootTime, Dns, DomainName, Exec, Question, QuestionType, ResponseCode, is_internal};
use ipnet::IpNet;
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

/// Tools that do nothing but ask.
const QUERIES: [&str; 6] = ["dig", "host", "nslookup", "drill", "kdig", "delv"];
/// The zone of a cluster, and namespaces that each has.
const CLUSTER: &str = "cluster.local";
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Last labels of names outside, beside those of countries: where a resolver puts what it searches in behind such a name, they stand
/// where a namespace does.
const OUTSIDE: [&str; 7] = ["biz", "com", "edu", "gov", "info", "net", "org"];
/// The same, but they stand within names of zones, too (`corp.example.org`): of networks without a registry, and newer ones.
const SEARCHED: [&str; 12] = [
    "app",
    "cloud",
    "corp",
    "dev",
    "home",
    "internal",
    "lan",
    "localdomain",
    "online",
    "shop",
    "site",
    "xyz",
];
/// Questions within this time belong together.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses of one network whose names are asked for. Mail servers and pipelines of logs ask for their clients, as they come.
const MIN_ADDRESSES: usize = 64;
/// Who goes through a network asks for one this near to one of the last few: some threads of one scan take turns.
const STEP: u8 = 2;
const FEW: usize = 4;
/// Words that were tried in one zone. Programs that find nothing under the names that they know know some.
const MIN_WORDS: usize = 50;
/// Questions of each sort that are remembered of a container: twice what makes a walk, and as many again for what is between.
const MAX_QUESTIONS: usize = 256;
/// Labels of a zone of which nobody said that it is one.
const MAX_ZONE: usize = 3;

/// What a container asked for, recently.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Addresses whose names were asked for.
    addresses: Recent<IpAddr>,
    /// Words of names that do not exist, with their zone, by their digests.
    words: Recent<(u64, u64)>,
}

/// Different things, the latest last.
#[derive(Debug)]
struct Recent<T> {
    seen: VecDeque<(BootTime, T)>,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self {
            seen: VecDeque::new(),
        }
    }
}

impl<T: PartialEq> Recent<T> {
    /// All that were seen within the window, this one with them.
    fn note(&mut self, now: BootTime, thing: T) -> impl Iterator<Item = &T> {
        self.seen
            .retain(|(time, other)| now.since(*time) < WINDOW && *other != thing);
        push_latest(&mut self.seen, MAX_QUESTIONS, (now, thing));
        self.seen.iter().map(|(_, thing)| thing)
    }
}

/// A tool was executed whose arguments say so.
pub(super) fn executed(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let names = clients::names(context, exec);
    if !QUERIES.iter().any(|query| clients::is_among(&names, query)) {
        return None;
    }
    let arguments: Vec<String> = exec
        .arguments()
        .skip(1)
        .map(|argument| argument.to_text().to_lowercase())
        .collect();
    let walks = is_walk(&arguments);
    walks.then(|| {
        found(
            context,
            &format!("asks for a whole zone or all services: {}", arguments.join(" ")),
        )
    })
}

/// One question that asks for everything.
pub(super) fn asked(context: &DetectContext<'_>, dns: &Dns) -> Option<Finding> {
    let everything = everything(dns.asked()?)?;
    (!is_expected(context)).then(|| found(context, &everything))
}

fn everything(question: &Question) -> Option<String> {
    let Question { name, kind } = question;
    if kind.is_transfer() {
        return Some(format!("asks for the whole zone {name}"));
    }
    let all = is_everything(name.as_str()) || *kind == QuestionType::SRV && is_of_all_services(name);
    all.then(|| format!("asks for all services: {name}"))
}

impl Walk {
    /// Many questions that together do.
    pub(super) fn message(&mut self, context: &DetectContext<'_>, dns: &Dns) -> Option<Finding> {
        let now = context.time();
        let walked = match (dns.asked(), dns.answered()) {
            (Some(question), _) if question.kind == QuestionType::PTR => self.reverse(now, question),
            (_, Some(question)) if dns.code == ResponseCode::NX_DOMAIN => {
                self.absent(now, question, dns.zone.as_ref())
            }
            _ => None,
        };
        walked
            .filter(|_| !is_expected(context))
            .map(|walked| found(context, &walked).with("window_seconds", WINDOW.as_secs()))
    }

    /// The name of an address. Whoever goes through a network asks for neighbours; who asks for those that he met does not.
    fn reverse(&mut self, now: BootTime, question: &Question) -> Option<String> {
        let address = address_of(&question.name).filter(|address| is_internal(*address))?;
        let network = network_of(address);
        let asked = self.addresses.note(now, address);
        let ends: Vec<u8> = asked
            .filter(|other| network.contains(*other))
            .map(|other| last_byte(*other))
            .collect();
        (ends.len() >= MIN_ADDRESSES && lie_side_by_side(&ends) && follow_one_another(&ends))
            .then(|| format!("asked for the names of {} addresses of {network}", ends.len()))
    }

    /// A name that does not exist.
    fn absent(&mut self, now: BootTime, question: &Question, zone: Option<&DomainName>) -> Option<String> {
        let (word, zone) = tried(&question.name, zone)?;
        let zone_digest = dns_tunnels::digest(&zone);
        let seen = self.words.note(now, (zone_digest, dns_tunnels::digest(&word)));
        let words = seen.filter(|(zone, _)| *zone == zone_digest).count();
        (words >= MIN_WORDS).then(|| format!("tried {words} names below {zone} that do not exist"))
    }
}

fn found(context: &DetectContext<'_>, walked: &str) -> Finding {
    let (actor, container) = (context.actor(), context.container_name());
    let summary = format!("{actor} in {container} {walked}");
    // Whatever it asks for, and whom it contacts to ask, is of one program.
    Finding::new(&lateral::ZONE_WALK, actor.as_str(), summary).step_of(actor)
}

/// Nearly all have a neighbour.
fn lie_side_by_side(ends: &[u8]) -> bool {
    let all: BTreeSet<u8> = ends.iter().copied().collect();
    let has = |end: Option<u8>| end.is_some_and(|end| all.contains(&end));
    let beside = |end: &&u8| has(end.checked_sub(1)) || has(end.checked_add(1));
    4 * all.iter().filter(beside).count() >= 3 * all.len()
}

/// Most were asked for right after one nearby. Clients of a full network lie side by side, too, but come in any order.
fn follow_one_another(ends: &[u8]) -> bool {
    let near = |at: &usize| {
        let before = &ends[at.saturating_sub(FEW)..*at];
        before.iter().any(|other| other.abs_diff(ends[*at]) <= STEP)
    };
    2 * (0..ends.len()).filter(near).count() > ends.len()
}

/// A tool that the image is made for, or that its profile has it execute.
fn is_expected(context: &DetectContext<'_>) -> bool {
    let process = &context.event.process;
    let name = called(process);
    let tool = QUERIES.iter().any(|query| name == query.as_bytes());
    let own = process.file.flags & BROUGHT == 0 && is_main(context.event);
    tool && (own || described::executes(context, None) == Some(true))
}

/// Of arguments in small letters.
fn is_walk(arguments: &[String]) -> bool {
    let transfer =
        |argument: &String| argument == "-l" || argument.ends_with("axfr") || argument.starts_with("ixfr=");
    // Who asks for a named port of one service looks for that service.
    let services = |argument: &String| {
        let name = argument.trim_end_matches('.');
        name == "svc.cluster.local" || name.ends_with(".svc.cluster.local") && !name.starts_with('_')
    };
    let of_services = arguments.iter().any(|argument| argument.ends_with("srv"));
    arguments
        .iter()
        .any(|argument| transfer(argument) || is_everything(argument))
        || of_services && arguments.iter().any(services)
}

fn is_everything(name: &str) -> bool {
    name.contains("any.any.svc") || name.contains("*.svc")
}

/// Of the cluster, or of a namespace that has one by nature. Below others what looks so may be a client's name behind which its resolver
/// put what it searches in: `kafka.svc.cluster.local`, `db.service.consul.shop.svc.cluster.local`.
fn is_of_all_services(name: &DomainName) -> bool {
    name.within("svc.cluster.local")
        .is_some_and(|namespace| namespace.is_empty() || NAMESPACES.contains(&namespace))
}

/// The word that was tried in a zone, and the zone. A name that a resolver made of a whole one and what it searches in is none, nor are
/// names that lists of mail are asked for: both have more labels.
fn tried<'a>(name: &'a DomainName, zone: Option<&DomainName>) -> Option<(&'a str, String)> {
    let (word, zone) = match (name.within(CLUSTER), zone) {
        (Some(rest), _) => in_cluster(rest)?,
        (None, Some(zone)) => (name.within(zone.as_str())?, zone.to_string()),
        (None, None) => beside_others(name)?,
    };
    let is_word = !word.is_empty() && !word.contains('.') && !dns_tunnels::is_no_word(word);
    (is_word && !is_suffix(&zone.as_str().into())).then_some((word, zone))
}

/// The cluster's zone is one to its server. Whoever looks for services does it in one namespace after the other; what a resolver
/// searches behind short names of many kinds is not all in one.
fn in_cluster(rest: &str) -> Option<(&str, String)> {
    let labels: Vec<&str> = rest.split('.').collect();
    match labels.as_slice() {
        [word] => Some((*word, CLUSTER.to_owned())),
        [word, "svc"] => Some((*word, format!("svc.{CLUSTER}"))),
        [word, namespace, "svc"] if !ends_whole_names(namespace) => {
            Some((*word, format!("{namespace}.svc.{CLUSTER}")))
        }
        _ => None,
    }
}

/// It is more likely the end of a name that a resolver searches than a namespace.
fn ends_whole_names(label: &str) -> bool {
    is_outside(label) || SEARCHED.contains(&label)
}

/// Where the answer does not tell the zone: what stands right above the name.
fn beside_others(name: &DomainName) -> Option<(&str, String)> {
    let (word, zone) = name.as_str().split_once('.')?;
    let mut above = zone.split('.');
    let searched = above.next().is_some_and(is_outside) && above.next().is_some();
    (!searched && zone.split('.').count() <= MAX_ZONE).then(|| (word, zone.to_owned()))
}

/// Nobody has it by himself in a network of his own.
fn is_outside(label: &str) -> bool {
    label.len() == 2 || OUTSIDE.contains(&label)
}

/// The address whose name is asked for: `4.3.2.10.in-addr.arpa`, and 32 digits before `ip6.arpa`.
fn address_of(name: &DomainName) -> Option<IpAddr> {
    if let Some(reversed) = name.within("in-addr.arpa") {
        let octets: Option<Vec<u8>> = reversed.rsplit('.').map(|label| label.parse().ok()).collect();
        let octets: [u8; 4] = octets?.try_into().ok()?;
        return Some(octets.into());
    }
    let digit = |label: &str| u8::from_str_radix(label, 16).ok().filter(|digit| *digit < 16);
    let digits: Option<Vec<u8>> = name.within("ip6.arpa")?.rsplit('.').map(digit).collect();
    let digits: [u8; 32] = digits?.try_into().ok()?;
    let mut octets = [0_u8; 16];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = pair[0] * 16 + pair[1];
    }
    Some(octets.into())
}

/// The 256 addresses that it is one of.
fn network_of(address: IpAddr) -> IpNet {
    let length = if address.is_ipv4() { 24 } else { 120 };
    IpNet::new_assert(address, length).trunc()
}

fn last_byte(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(v4) => v4.octets()[3],
        IpAddr::V6(v6) => v6.octets()[15],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_backwards() {
        let read = |name: &str| address_of(&name.into()).map(|address| address.to_string());
        assert_eq!(read("4.3.2.10.in-addr.arpa").as_deref(), Some("10.2.3.4"));
        let v6 = format!("7.{}8.b.d.0.1.0.0.2.ip6.arpa", "0.".repeat(23));
        assert_eq!(read(&v6).as_deref(), Some("2001:db8::7"));
        for other in [
            "3.2.10.in-addr.arpa",
            "400.3.2.10.in-addr.arpa",
            "in-addr.arpa",
            "1.ip6.arpa",
            "db",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_word_is_tried_in_its_zone() {
        let of = |name: &str, zone: Option<&str>| {
            let (name, zone) = (DomainName::from(name), zone.map(DomainName::from));
            tried(&name, zone.as_ref()).map(|(word, zone)| format!("{word} in {zone}"))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            of("api.example.org", Some("example.org")),
            some("api in example.org")
        );
        assert_eq!(of("api.example.org", None), some("api in example.org"));
        // What a resolver searches for one name.
        for zone in ["web.svc.cluster.local", "svc.cluster.local", "cluster.local"] {
            let tried = of(&format!("redis.{zone}"), Some("cluster.local"));
            assert_eq!(tried, Some(format!("redis in {zone}")));
        }
        for end in ["dev", "xyz", "lan", "io", "com"] {
            let name = format!("switch12.{end}.svc.cluster.local");
            assert_eq!(of(&name, Some("cluster.local")), None, "{name}");
        }
        for (name, zone) in [
            ("api.github.com.shop.svc.cluster.local", Some("cluster.local")),
            ("api.github.com.corp.example.org", Some("example.org")),
            ("example.com.multi.uribl.example", Some("uribl.example")),
            ("example.com.multi.uribl.example", None),
            ("9.2.0.192.zen.example.org", Some("zen.example.org")),
            (
                "da39a3ee5e6b4b0d3255bfef95601890afd80709.ebl.example.org",
                Some("ebl.example.org"),
            ),
            ("nobody-has-this.com", Some("com")),
            ("redis", Some(".")),
            ("example.org", Some("example.org")),
        ] {
            assert_eq!(of(name, zone), None, "{name}");
        }
    }
}
