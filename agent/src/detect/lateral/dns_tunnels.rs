//! Data in names: a label holds 63 bytes, and every resolver passes it on to whoever answers for the domain. Answers bring data back.
//!
//! Names of services, of content networks and of lists that mail servers ask are short, or few. What counts are bytes that look like
//! data, of different names below one domain, within a window: a budget that an ordinary day does not use up. Who stays below it for
//! good, some kilobytes an hour, is not found.

use super::domains::Placed;
use crate::detect::per_container::push_latest;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{BootTime, Dns, Question, QuestionType};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Messages within this time belong together.
const WINDOW: Duration = Duration::from_secs(600);
/// Weight of the data that make a tunnel: 32 names with 48 bytes each, or 16 of an unusual type. A page of a content network has ten
/// names of 26 bytes at most.
const BUDGET: usize = 1536;
/// Messages that make a tunnel: some long names are nothing.
const MIN_MESSAGES: usize = 12;
/// Domains of one container that are watched: those below which there is most.
const MAX_DOMAINS: usize = 16;
/// Names of a domain that are not counted again: a name is asked for as A and AAAA, one right after the other.
const MAX_RECENT: usize = 16;
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
/// Lengths of MD5 and SHA-1 in hexadecimal digits: lists of mail and files are asked for digests. Such a name weighs a sixteenth.
const DIGESTS: [usize; 2] = [32, 40];
const DIGEST_SHARE: usize = 16;
/// Bytes of an answer that policies and keys of mail have, too.
const ORDINARY_ANSWER: usize = 128;

/// Domains below which a container asked for names with data.
#[derive(Debug, Default)]
pub(super) struct DnsTunnels {
    domains: Vec<Domain>,
}

#[derive(Debug)]
struct Domain {
    digest: u64,
    since: BootTime,
    messages: usize,
    bytes: usize,
    weight: usize,
    recent: VecDeque<u64>,
}

/// What a message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Load {
    bytes: usize,
    weight: usize,
}

impl DnsTunnels {
    /// A message to a name server, or from it.
    pub(super) fn message(&mut self, context: &DetectContext<'_>, dns: &Dns) -> Option<Finding> {
        let question = dns.question.as_ref()?;
        let placed = Placed::of(&question.name)?;
        let load = match (dns.asked(), dns.answered()) {
            (Some(question), _) => asked(question, &placed.labels),
            (None, Some(_)) => answered(dns),
            (None, None) => return None,
        };
        if load.weight == 0 {
            return None;
        }
        let domain = self.domain(placed.domain, context.time());
        domain.add(load, digest(&(question.name.as_str(), dns.asked().is_some())));
        let (messages, bytes) = (domain.messages, domain.bytes);
        (messages >= MIN_MESSAGES && domain.weight >= BUDGET)
            .then(|| found(context, placed.domain, (messages, bytes)))
    }

    /// Counting begins anew when the window is over. Of too many domains the one with the least data makes room.
    fn domain(&mut self, name: &str, now: BootTime) -> &mut Domain {
        self.domains.retain(|domain| now.since(domain.since) < WINDOW);
        let digest = digest(&name);
        let known = self.domains.iter().position(|domain| domain.digest == digest);
        let at = known.unwrap_or_else(|| {
            if self.domains.len() >= MAX_DOMAINS {
                let least = (0..self.domains.len()).min_by_key(|at| self.domains[*at].weight);
                self.domains.remove(least.unwrap_or_default());
            }
            self.domains.push(Domain::new(digest, now));
            self.domains.len() - 1
        });
        &mut self.domains[at]
    }
}

impl Domain {
    fn new(digest: u64, since: BootTime) -> Self {
        Self {
            digest,
            since,
            messages: 0,
            bytes: 0,
            weight: 0,
            recent: VecDeque::new(),
        }
    }

    fn add(&mut self, load: Load, name: u64) {
        if self.recent.contains(&name) {
            return;
        }
        push_latest(&mut self.recent, MAX_RECENT, name);
        self.messages += 1;
        self.bytes = self.bytes.saturating_add(load.bytes);
        self.weight = self.weight.saturating_add(load.weight);
    }
}

fn found(context: &DetectContext<'_>, domain: &str, (messages, bytes): (usize, usize)) -> Finding {
    let summary = format!(
        "{} in {} passes data through names below {domain}: {bytes} bytes in {messages} messages within {} s",
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

/// Of a question; types whose answers hold more than an address weigh twice.
fn asked(question: &Question, labels: &[&str]) -> Load {
    let bytes = data(labels);
    let weight = if is_unusual(question.kind) {
        2 * bytes
    } else if is_digest(labels) {
        bytes / DIGEST_SHARE
    } else {
        bytes
    };
    Load { bytes, weight }
}

/// Of an answer, beyond what is ordinary.
fn answered(dns: &Dns) -> Load {
    let bytes = dns.opaque_bytes.saturating_sub(ORDINARY_ANSWER);
    Load { bytes, weight: bytes }
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
    DIGESTS.contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_hexdigit())
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
