//! Domains that somebody registered, as far as a name shows them. Only the list of public suffixes knows which they are, and it changes
//! weekly: taken are the last two labels, and three below a country that has kinds of them (`example.co.uk`). Below a suffix that is
//! nobody's and not known here (`example.pvt.k12.ma.us`, `x.github.io`) all domains are one; what is counted by domain stays far above
//! what so many have together.

use crate::event::DomainName;

/// Second labels below countries that are as good as their first.
const KINDS: [&str; 19] = [
    "ac", "co", "com", "edu", "go", "gob", "gouv", "gov", "govt", "ltd", "mil", "ne", "net", "nhs", "nom",
    "or", "org", "plc", "sch",
];
/// Last labels of names that no registry gives out: whoever answers for them is of the own network.
const OWN: [&str; 6] = ["arpa", "internal", "lan", "local", "localdomain", "localhost"];

/// A name in its domain.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed<'a> {
    /// What stands before the domain.
    pub(super) labels: Vec<&'a str>,
    pub(super) domain: &'a str,
}

impl<'a> Placed<'a> {
    /// `None`: the name is in nobody's domain, or of the own network.
    pub(super) fn of(name: &'a DomainName) -> Option<Self> {
        let mut labels: Vec<&str> = name.labels().collect();
        let own = labels.last().is_some_and(|last| OWN.contains(last));
        let before = labels.len().checked_sub(suffix(&labels) + 1)?;
        if own {
            return None;
        }
        labels.truncate(before);
        let start: usize = labels.iter().map(|label| label.len() + 1).sum();
        let domain = name.as_str().get(start..)?;
        Some(Self { labels, domain })
    }
}

/// True for names below which domains are registered, such as `org` and `co.uk`.
pub(super) fn is_suffix(name: &DomainName) -> bool {
    let labels: Vec<&str> = name.labels().collect();
    labels.len() <= suffix(&labels)
}

/// Labels of the name's public suffix.
fn suffix(labels: &[&str]) -> usize {
    match labels {
        [.., kind, country] if country.len() == 2 && KINDS.contains(kind) => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_what_somebody_registered() {
        let placed = |name: &str| {
            let name = DomainName::from(name);
            Placed::of(&name).map(|placed| (placed.labels.join(" "), placed.domain.to_owned()))
        };
        let some = |before: &str, domain: &str| Some((before.to_owned(), domain.to_owned()));
        assert_eq!(placed("a.b.example.org"), some("a b", "example.org"));
        assert_eq!(placed("a.example.co.uk"), some("a", "example.co.uk"));
        assert_eq!(placed("data.t.co"), some("data", "t.co"));
        assert_eq!(placed("example.org"), some("", "example.org"));
        for nobody_s in [
            ".",
            "org",
            "db",
            "co.uk",
            "web.shop.svc.cluster.local",
            "1.0.0.10.in-addr.arpa",
        ] {
            assert_eq!(placed(nobody_s), None, "{nobody_s}");
        }
    }

    #[test]
    fn suffixes_are_nobody_s_domain() {
        for (name, expected) in [
            (".", true),
            ("com", true),
            ("co.uk", true),
            ("t.co", false),
            ("example.org", false),
        ] {
            assert_eq!(is_suffix(&name.into()), expected, "{name}");
        }
    }
}
