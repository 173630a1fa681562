//! Data in names: a label holds 63 bytes, and every resolver passes it on to whoever answers for the domain. Answers bring data back.
//!
//! Names of services, of content networks and of lists that mail servers ask are short, or few. What counts are bytes that look like
//! data, of different names below one domain, within a window: a budget that an ordinary day does not use up. Who stays below it for
//! good, some kilobytes an hour, is not found.

use super::domains::Placed;
use crate::detect::per_container::push_latest;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{BootTime, Dns, QuestionType};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Messages within this time belong together.
const WINDOW: Duration = Duration::from_secs(600);
/// Weight of the data that make a tunnel: 32 names with 48 bytes each, or 16 of an unusual type. A page of a content network has ten
/// names of 26 bytes at most.
const BUDGET: usize = 1536;
/// The same of all domains together: decoys are to push none out of sight.
const BUDGET_OF_ALL: usize = 4 * BUDGET;
/// Mail servers ask for the keys of all that send: digests, each below another domain.
const MAIL_KEYS: &str = "_domainkey";
/// Messages that make a tunnel: some long names are nothing.
const MIN_MESSAGES: usize = 12;
/// Domains of one container that are watched.
const MAX_DOMAINS: usize = 16;
/// Names of a domain that are not counted again: a name is asked for as A and AAAA, one right after the other.
const MAX_RECENT: usize = 16;
/// Labels of a domain that count once, and how long those are that everybody repeats: parts of addresses, `www`.
const MAX_LABELS: usize = 32;
const SHORT: usize = 3;
/// Any name may stand for something, if there are many below one domain: a sixteenth of its bytes.
const NAME_SHARE: usize = 16;
/// Letters and digits without a seam: words in names are shorter, or joined by hyphens.
const RUN: usize = 16;
/// Changes between letters and digits of what is encoded; identifiers that end in a number have one.
const CHANGES: usize = 3;
/// A run that is no word, whatever it consists of.
const LONG_RUN: usize = 28;
/// Labels that are long even if they have seams, longer than a UUID, and what stands before a domain that is: each byte of it may be
/// data, but need not.
const LONG_LABEL: usize = 40;
const LONG_NAME: usize = 96;
/// Lengths of MD5 and SHA-1 in hexadecimal digits, and of SHA-256 in base32: lists of mail and files are asked for digests. Such a name
/// weighs a sixteenth. SHA-256 in hexadecimal digits finds no room in a label.
const DIGESTS: [usize; 2] = [32, 40];
const BASE32_DIGEST: usize = 52;
const DIGEST_SHARE: usize = 16;
/// Bytes of an answer that policies and keys of mail have, too.
const ORDINARY_ANSWER: usize = 128;

/// Domains below which a container asked for names with data.
#[derive(Debug, Default)]
pub(super) struct DnsTunnels {
    /// The latest last.
    domains: Vec<Domain>,
    /// Data in questions below all domains, those with them that are watched no more.
    all: Sum,
}

#[derive(Debug)]
struct Domain {
    name: String,
    sum: Sum,
    recent: VecDeque<u64>,
    labels: VecDeque<u64>,
}

/// What was counted within a window.
#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    since: BootTime,
    messages: usize,
    bytes: usize,
    weight: usize,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    bytes: usize,
    weight: usize,
    /// It looks like data, and is not only a name.
    is_data: bool,
}

impl DnsTunnels {
    /// A message to a name server, or from it.
    pub(super) fn message(&mut self, context: &DetectContext<'_>, dns: &Dns) -> Option<Finding> {
        let question = dns.question.as_ref()?;
        let placed = Placed::of(&question.name)?;
        let asks = dns.asked().is_some();
        let load = match dns.answered() {
            _ if asks => asked(question.kind, &placed.labels),
            Some(_) => answered(dns),
            None => return None,
        };
        if load.weight == 0 {
            return None;
        }
        let now = context.time();
        let domain = self.domain(placed.domain, now);
        if domain.is_new(digest(&(question.name.as_str(), asks))) {
            let load = if asks {
                asked(question.kind, &domain.fresh(&placed.labels))
            } else {
                load
            };
            domain.sum.add(load);
            if asks && load.is_data && !placed.labels.contains(&MAIL_KEYS) {
                self.all.renew(now);
                self.all.add(load);
            }
        }
        self.tell(context)
    }

    /// Counting begins anew when the window is over.
    fn domain(&mut self, name: &str, now: BootTime) -> &mut Domain {
        self.domains.retain(|domain| now.since(domain.sum.since) < WINDOW);
        let known = self.domains.iter().position(|domain| domain.name == name);
        let domain = if let Some(at) = known {
            self.domains.remove(at)
        } else {
            self.make_room();
            Domain::new(name, now)
        };
        let last = self.domains.len();
        self.domains.push(domain);
        &mut self.domains[last]
    }

    /// Of too many domains the one with the least data goes, of those that were not asked for lately: the lightest of all would be
    /// each new one, beside some that somebody filled first.
    fn make_room(&mut self) {
        if self.domains.len() >= MAX_DOMAINS {
            let least = (0..MAX_DOMAINS / 2).min_by_key(|at| self.domains[*at].sum.weight);
            self.domains.remove(least.unwrap_or_default());
        }
    }

    /// Of the latest domain; else of all, by the one with the most data.
    fn tell(&self, context: &DetectContext<'_>) -> Option<Finding> {
        let latest = self.domains.last()?;
        if latest.sum.reaches(BUDGET) {
            return Some(found(context, (latest.name.as_str(), ""), latest.sum));
        }
        let most = self.domains.iter().max_by_key(|domain| domain.sum.weight)?;
        let all = self.all.reaches(BUDGET_OF_ALL);
        all.then(|| found(context, (most.name.as_str(), " and others"), self.all))
    }
}

impl Domain {
    fn new(name: &str, since: BootTime) -> Self {
        Self {
            name: name.to_owned(),
            sum: Sum {
                since,
                ..Sum::default()
            },
            recent: VecDeque::new(),
            labels: VecDeque::new(),
        }
    }

    /// It was not counted just before.
    fn is_new(&mut self, name: u64) -> bool {
        let is_new = !self.recent.contains(&name);
        if is_new {
            push_latest(&mut self.recent, MAX_RECENT, name);
        }
        is_new
    }

    /// Labels that were not asked for below it before: what stays the same, as a customer's key does, carries nothing.
    fn fresh<'a>(&mut self, labels: &[&'a str]) -> Vec<&'a str> {
        let mut fresh = labels.to_vec();
        fresh.retain(|label| label.len() <= SHORT || self.is_fresh(digest(label)));
        fresh
    }

    /// One that returns is remembered anew.
    fn is_fresh(&mut self, label: u64) -> bool {
        let known = self.labels.iter().position(|other| *other == label);
        if let Some(at) = known {
            self.labels.remove(at);
        }
        push_latest(&mut self.labels, MAX_LABELS, label);
        known.is_none()
    }
}

impl Sum {
    fn add(&mut self, load: Load) {
        if load.weight > 0 {
            self.messages += 1;
            self.bytes = self.bytes.saturating_add(load.bytes);
            self.weight = self.weight.saturating_add(load.weight);
        }
    }

    /// Begins with the first message, and anew when the window is over.
    fn renew(&mut self, now: BootTime) {
        if self.messages == 0 || now.since(self.since) >= WINDOW {
            *self = Self {
                since: now,
                ..Self::default()
            };
        }
    }

    fn reaches(&self, budget: usize) -> bool {
        self.messages >= MIN_MESSAGES && self.weight >= budget
    }
}

fn found(context: &DetectContext<'_>, (domain, others): (&str, &str), sum: Sum) -> Finding {
    let Sum { messages, bytes, .. } = sum;
    let summary = format!(
        "{} in {} passes data through names below {domain}{others}: {bytes} bytes in {messages} messages within {} s",
        context.actor(),
        context.container_name(),
        WINDOW.as_secs()
    );
    Finding::new(&lateral::DNS_TUNNELLING, domain, summary)
        // Its questions are contacts of the same program.
        .step_of(context.actor())
        .with("domain", domain)
        .with("messages", messages)
        .with("bytes", bytes)
        .with("window_seconds", WINDOW.as_secs())
}

/// Of a question; types whose answers hold more than an address weigh twice, digests of any type little.
fn asked(kind: QuestionType, labels: &[&str]) -> Load {
    let data = data(labels);
    let lengths = labels.iter().map(|label| bytes_of(label).len());
    let carried: usize = lengths.filter(|length| *length > SHORT).sum();
    let is_digest = is_digest(labels);
    let weight = if is_digest {
        data / DIGEST_SHARE
    } else if is_unusual(kind) {
        2 * data
    } else {
        data
    };
    Load {
        bytes: if data > 0 { data } else { carried },
        weight: weight.max(carried / NAME_SHARE),
        is_data: data > 0 && !is_digest,
    }
}

/// Of an answer, beyond what is ordinary.
fn answered(dns: &Dns) -> Load {
    let bytes = dns.opaque_bytes.saturating_sub(ORDINARY_ANSWER);
    Load {
        bytes,
        weight: bytes,
        is_data: true,
    }
}

fn is_unusual(kind: QuestionType) -> bool {
    kind.is_opaque() || matches!(kind, QuestionType::CNAME | QuestionType::MX | QuestionType::SRV)
}

/// Bytes of the labels that look like data.
fn data(labels: &[&str]) -> usize {
    let labels: Vec<Vec<u8>> = labels.iter().map(|label| bytes_of(label)).collect();
    let lengths = || labels.iter().map(Vec::len);
    let runs: usize = labels.iter().map(|label| data_runs(label)).sum();
    let long: usize = lengths().filter(|length| *length >= LONG_LABEL).sum();
    let whole: usize = lengths().sum();
    let whole = if whole >= LONG_NAME { whole } else { 0 };
    runs.max(long / 2).max(whole / 2)
}

/// Bytes of a label's runs that no person chose.
fn data_runs(label: &[u8]) -> usize {
    let runs = label.split(|byte| matches!(byte, b'-' | b'_'));
    runs.filter(|run| is_data(run)).map(<[u8]>::len).sum()
}

fn is_data(run: &[u8]) -> bool {
    let changes = || {
        let pairs = run.windows(2);
        pairs.filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
    };
    // No host's name has other bytes.
    let foreign = || run.iter().any(|byte| !byte.is_ascii_alphanumeric());
    run.len() >= LONG_RUN || run.len() >= RUN && (changes().count() >= CHANGES || foreign())
}

/// One label of data, and it is as long as a digest.
fn is_digest(labels: &[&str]) -> bool {
    let mut data = labels.iter().filter(|label| data_runs(label.as_bytes()) > 0);
    let (Some(label), None) = (data.next(), data.next()) else {
        return false;
    };
    let all = |is: fn(&u8) -> bool| label.as_bytes().iter().all(is);
    DIGESTS.contains(&label.len()) && all(u8::is_ascii_hexdigit)
        || label.len() == BASE32_DIGEST && all(u8::is_ascii_alphanumeric)
}

/// A word that no person chose: who tries names one after the other takes those that people choose.
pub(super) fn is_no_word(label: &str) -> bool {
    data_runs(&bytes_of(label)) > 0
}

/// As the label stands in the message; for what is escaped one byte that is no letter.
fn bytes_of(label: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'\\' {
            // Three digits follow.
            rest.nth(2);
        }
        bytes.push(byte);
    }
    bytes
}

/// Names are compared by it: they are long.
pub(super) fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
