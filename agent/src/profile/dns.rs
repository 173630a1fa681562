use crate::event::DomainName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name, characters (RFC 1035).
const MAX_NAME: usize = 253;

/// A host's name, or all names below one (`*.example.org`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

impl DnsName {
    /// True when the name is this one, or lies below it where that is meant.
    #[must_use]
    pub fn matches(&self, name: &DomainName) -> bool {
        match self.0.strip_prefix("*.") {
            Some(zone) => name.within(zone).is_some_and(|rest| !rest.is_empty()),
            None => self.0 == name.as_str(),
        }
    }
}

impl TryFrom<String> for DnsName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let labels = text.strip_prefix("*.").unwrap_or(&text);
        let is_label = |label: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            !label.is_empty() && label.len() <= 63 && label.bytes().all(known)
        };
        if text.len() <= MAX_NAME && labels.split('.').all(is_label) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!(
                "`{}` is no host name; write one as db.example.org or *.example.org",
                text.escape_debug()
            ))
        }
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
