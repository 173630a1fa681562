//! Names of addresses: what a container asked for before it was answered with an address. An alert then says whom it contacted, and a
//! profile may name whom it may.
//!
//! An answer counts whoever gave it: a container that asks a server of its own is told what it likes. So a name explains an address; it
//! proves nothing. Names are kept beyond their time to live: connections outlast it, and the kernel half hands on an answer once.
//!
//! Bounded for each container and in all, for each has as many addresses as somebody answers it; what finds no room is counted.

use super::per_container::PerContainer;
use crate::event::{DomainName, EnrichedEvent, Payload, SlotKey};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Addresses of one container, each once for each name that it has: more than most ever contact.
const MAX_ADDRESSES: usize = 256;
/// Addresses of all containers: with the longest names that are kept some ten megabytes.
const MAX_TOTAL: usize = 32_768;
/// Bytes of a name that is kept: no host's is longer (RFC 1035).
const MAX_NAME: usize = 253;

/// An address, and the name that was asked for.
type Named = (IpAddr, DomainName);

/// Names of the addresses that containers were answered.
#[derive(Debug, Default)]
pub struct AnsweredNames {
    /// The latest answer last.
    containers: PerContainer<VecDeque<Named>>,
    total: usize,
    dropped: u64,
}

impl AnsweredNames {
    /// Bound of [`Self::len`].
    pub const CAPACITY: usize = MAX_TOTAL;

    /// Takes in an event: an answer to its container.
    pub fn observe(&mut self, event: &EnrichedEvent) {
        let Payload::Dns(dns) = &event.raw.payload else {
            return;
        };
        // However many aliases led there: the name that was asked for is what the program meant.
        let name = dns.answered().map(|question| &question.name);
        let Some(name) = name.filter(|name| name.as_str().len() <= MAX_NAME) else {
            return;
        };
        // Nobody would ever forget it.
        if event.container.is_none() {
            return;
        }
        for record in &dns.addresses {
            self.keep(event, (record.address, name.clone()));
        }
    }

    fn keep(&mut self, event: &EnrichedEvent, named: Named) {
        let Some(known) = self.containers.note_first(event) else {
            self.dropped += 1;
            return;
        };
        let before = known.len();
        known.retain(|other| *other != named);
        self.total -= before - known.len();
        if known.len() >= MAX_ADDRESSES || self.total >= MAX_TOTAL {
            self.dropped += 1;
            // Where all others together left no room there is none: theirs is not taken.
            if known.pop_front().is_none() {
                return;
            }
            self.total -= 1;
        }
        known.push_back(named);
        self.total += 1;
    }

    /// What the container asked for when it was answered the address, the latest last.
    #[must_use]
    pub fn of(&self, container: SlotKey, address: IpAddr) -> Vec<DomainName> {
        let known = self.containers.of(container).into_iter().flatten();
        known
            .filter(|(other, _)| *other == address)
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// The container is gone.
    pub fn forget(&mut self, container: SlotKey) {
        let known = self.containers.forget(container);
        self.total -= known.map_or(0, |known| known.len());
    }

    /// Addresses that have a name, once for each.
    #[must_use]
    pub fn len(&self) -> usize {
        self.total
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Addresses that found no room, or made some for others.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{OWN, Scene, answer, connect, question, scene};
    use crate::event::{Dns, QuestionType};

    fn called(names: &AnsweredNames, address: &str) -> Vec<String> {
        let found = names.of(OWN, address.parse().unwrap());
        found.iter().map(ToString::to_string).collect()
    }

    fn observe(names: &mut AnsweredNames, scene: &Scene, dns: Dns) {
        names.observe(&scene.event(Payload::Dns(dns)));
    }

    #[test]
    fn an_address_has_the_name_that_was_asked_for_and_the_latest_is_the_last() {
        let (scene, mut names) = (scene("acme/app", "/app"), AnsweredNames::default());
        let mut aliased = answer(
            "shop.example.org",
            QuestionType::A,
            &["203.0.113.9", "203.0.113.10"],
        );
        aliased.canonical_names = vec!["edge7.cdn.example.net".into()];
        observe(&mut names, &scene, aliased);
        observe(
            &mut names,
            &scene,
            answer("blog.example.org", QuestionType::A, &["203.0.113.9"]),
        );
        assert_eq!(
            called(&names, "203.0.113.9"),
            ["shop.example.org", "blog.example.org"]
        );
        assert_eq!(called(&names, "203.0.113.10"), ["shop.example.org"]);
        observe(
            &mut names,
            &scene,
            answer("shop.example.org", QuestionType::A, &["203.0.113.9"]),
        );
        assert_eq!(
            called(&names, "203.0.113.9"),
            ["blog.example.org", "shop.example.org"]
        );
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn questions_and_what_is_no_answer_name_nothing() {
        let (scene, mut names) = (scene("acme/app", "/app"), AnsweredNames::default());
        let mut sent = answer("shop.example.org", QuestionType::A, &["203.0.113.9"]);
        sent.direction = question("x", QuestionType::A).direction;
        let mut echoed = answer("shop.example.org", QuestionType::A, &["203.0.113.9"]);
        echoed.is_response = false;
        let mut headless = answer("shop.example.org", QuestionType::A, &["203.0.113.9"]);
        headless.question = None;
        let long = answer(
            &vec!["\u{e9}".repeat(20); 6].join("."),
            QuestionType::A,
            &["203.0.113.9"],
        );
        for dns in [sent, echoed, headless, long] {
            observe(&mut names, &scene, dns);
        }
        names.observe(&scene.event(connect("203.0.113.9", 80)));
        assert!(names.is_empty() && names.dropped() == 0);
    }

    #[test]
    fn addresses_of_a_container_are_bounded_and_the_oldest_goes() {
        let (scene, mut names) = (scene("acme/app", "/app"), AnsweredNames::default());
        for number in 0..300_u32 {
            let address = format!("10.0.{}.{}", number / 256, number % 256);
            observe(
                &mut names,
                &scene,
                answer("many.example.org", QuestionType::A, &[&address]),
            );
        }
        assert_eq!((names.len(), names.dropped()), (MAX_ADDRESSES, 44));
        assert!(called(&names, "10.0.0.43").is_empty());
        assert_eq!(called(&names, "10.0.0.44"), ["many.example.org"]);
        names.forget(OWN);
        assert!(names.is_empty() && called(&names, "10.0.1.9").is_empty());
    }

    #[test]
    fn all_containers_together_are_bounded_and_none_pushes_another_s_out() {
        let (scene, mut names) = (scene("acme/app", "/app"), AnsweredNames::default());
        let addresses: Vec<String> = (0..MAX_ADDRESSES).map(|n| format!("10.0.0.{n}")).collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let full = u32::try_from(MAX_TOTAL / MAX_ADDRESSES).unwrap();
        for slot in 1..=full + 1 {
            let mut event = scene.event(Payload::Dns(answer("x.example.org", QuestionType::A, &addresses)));
            event.raw.header.slot = slot;
            names.observe(&event);
        }
        assert_eq!((names.len(), names.dropped()), (MAX_TOTAL, 256));
        assert_eq!(called(&names, "10.0.0.255"), ["x.example.org"]);
        names.forget(OWN);
        assert_eq!(names.len(), MAX_TOTAL - MAX_ADDRESSES);
    }
}
