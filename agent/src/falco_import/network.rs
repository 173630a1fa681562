//! Networks, as patterns of addresses in text.

use super::logic::Node;
use super::text::matches;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// That the address at `path` is in the network, or is it; `None`: no network, or one that patterns cannot tell.
pub(super) fn within(path: &str, network: &str) -> Option<Node> {
    if let Ok(address) = network.parse::<IpAddr>() {
        return Some(Node::equality(path, &format!("\"{address}\"")));
    }
    match network.parse::<IpNet>().ok()? {
        IpNet::V4(network) => Some(v4(path, network)),
        IpNet::V6(network) => v6(path, network),
    }
}

/// `172.16.0.0/12` is `^172\.(?:16|17|…|31)\.`
fn v4(path: &str, network: Ipv4Net) -> Node {
    let octets = network.network().octets();
    let whole = usize::from(network.prefix_len() / 8);
    let bits = network.prefix_len() % 8;
    let beginning = |between: &str| -> String {
        let octets = octets.iter().take(whole);
        octets.map(|octet| format!("{octet}{between}")).collect()
    };
    match (whole, bits) {
        (0, 0) => Node::equality(path, "\"\"").negated(),
        (4, _) => Node::equality(path, &format!("\"{}\"", network.network())),
        (_, 0) => Node::call(format!("{path}.startsWith(\"{}\")", beginning("."))),
        _ => {
            let first = octets.get(whole).copied().unwrap_or_default();
            let last = first | (u8::MAX >> bits);
            let alternatives: Vec<String> = (first..=last).map(|octet| octet.to_string()).collect();
            let end = if whole < 3 { "\\." } else { "$" };
            let pattern = format!("^{}(?:{}){end}", beginning("\\."), alternatives.join("|"));
            matches(path, &pattern)
        }
    }
}

/// Only what the first group decides, if it has four digits: `fc00::/7`, `fe80::/10`, `2000::/3`.
fn v6(path: &str, network: Ipv6Net) -> Option<Node> {
    let first = network.network().segments()[0];
    let len = network.prefix_len();
    if len == 128 {
        return Some(Node::equality(path, &format!("\"{}\"", network.network())));
    }
    if len == 0 || len > 16 || first < 0x1000 {
        return None;
    }
    let last = first | u16::MAX.checked_shr(u32::from(len)).unwrap_or(0);
    let digits: String = (1..=4_u32)
        .map(|digit| {
            let of = |group: u16| (group >> (16 - 4 * digit)) & 0xf;
            one_digit(of(first), of(last))
        })
        .collect();
    Some(matches(path, &format!("^{digits}:")))
}

fn one_digit(low: u16, high: u16) -> String {
    if low == high {
        return format!("{low:x}");
    }
    if (low, high) == (0, 15) {
        return "[0-9a-f]".to_owned();
    }
    let digits: Vec<String> = (low..=high).map(|digit| format!("{digit:x}")).collect();
    format!("[{}]", digits.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cel(network: &str) -> Option<String> {
        within("a", network).map(|node| node.cel())
    }

    #[test]
    fn networks_become_beginnings_and_patterns() {
        for (network, expected) in [
            ("10.0.0.0/8", "a.startsWith(\"10.\")"),
            ("192.168.0.0/16", "a.startsWith(\"192.168.\")"),
            ("192.0.2.7/32", "a == \"192.0.2.7\""),
            ("192.0.2.7", "a == \"192.0.2.7\""),
            ("0.0.0.0/0", "a != \"\""),
            ("192.0.2.4/30", r#"a.matches("^192\\.0\\.2\\.(?:4|5|6|7)$")"#),
            ("fe80::/10", r#"a.matches("^fe[89ab][0-9a-f]:")"#),
            ("fc00::/7", r#"a.matches("^f[cd][0-9a-f][0-9a-f]:")"#),
            ("::1/128", "a == \"::1\""),
        ] {
            assert_eq!(cel(network).as_deref(), Some(expected), "{network}");
        }
        assert_eq!(cel("2001:db8::/32"), None);
        assert_eq!(cel("kubernetes.default"), None);
    }

    #[test]
    fn a_part_of_an_octet_has_all_its_numbers() {
        let cel = cel("172.16.0.0/12").unwrap();
        let pattern = cel.split('"').nth(1).unwrap().replace("\\\\", "\\");
        let pattern = regex::Regex::new(&pattern).unwrap();
        for (address, is_within) in [
            ("172.15.0.1", false),
            ("172.16.0.1", true),
            ("172.31.255.1", true),
            ("172.32.0.1", false),
            ("1.172.16.0", false),
        ] {
            assert_eq!(pattern.is_match(address), is_within, "{address}");
        }
    }
}
