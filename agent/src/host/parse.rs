//! Text of procfs → values. Pure and total.

use super::PortRange;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A line of `/proc/PID/mountinfo`; escapes (`\040`) are left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    /// Internal encoding.
    pub(super) dev: u32,
    pub(super) mount_point: &'a str,
    pub(super) fstype: &'a str,
    pub(super) source: &'a str,
}

pub(super) fn mountinfo(text: &str) -> impl Iterator<Item = Mount<'_>> {
    text.lines().filter_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(2);
        let dev = device(fields.next()?)?;
        let mount_point = fields.nth(1)?;
        let mut fields = filesystem.split(' ');
        Some(Mount {
            dev,
            mount_point,
            fstype: fields.next()?,
            source: fields.next()?,
        })
    })
}

/// `254:1` in the kernel's internal encoding.
pub(super) fn device(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once(':')?;
    let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
    (major < 1 << 12 && minor < 1 << 20).then_some(major << 20 | minor)
}

/// The host's own IPv4 addresses: leaves of `/proc/net/fib_trie` that are `/32 host LOCAL`.
pub(super) fn fib_trie(text: &str) -> impl Iterator<Item = IpAddr> + '_ {
    let mut leaf = None;
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
            return None;
        }
        if line == "/32 host LOCAL" {
            leaf.map(IpAddr::from)
        } else {
            None
        }
    })
}

/// The addresses of `/proc/net/if_inet6`.
pub(super) fn if_inet6(text: &str) -> impl Iterator<Item = IpAddr> + '_ {
    text.lines().filter_map(|line| {
        let digits = line.split_ascii_whitespace().next()?;
        let bits = u128::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 32)?;
        Some(IpAddr::from(Ipv6Addr::from(bits)))
    })
}

/// `32768 60999`, with any blank between.
pub(super) fn port_range(text: &str) -> Option<PortRange> {
    let mut ports = text.split_ascii_whitespace();
    let (first, last) = (ports.next()?.parse().ok()?, ports.next()?.parse().ok()?);
    (first <= last).then_some(PortRange { first, last })
}

/// Where the Kubernetes API is, from the variables that every pod is given. `variable`: reads one of them.
pub(super) fn kubernetes_api(variable: impl Fn(&str) -> Option<String>) -> Vec<SocketAddr> {
    let address = || -> Option<SocketAddr> {
        let host = variable("KUBERNETES_SERVICE_HOST")?.parse().ok()?;
        let port = variable("KUBERNETES_SERVICE_PORT")?.parse().ok()?;
        Some(SocketAddr::new(host, port))
    };
    address().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mounts_are_read_with_and_without_optional_fields() {
        let text = "27 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw\n\
                    28 27 8:3 /a /b rw shared:5 master:1 - xfs /dev/sda3 rw\ngarbage\n";
        let mounts: Vec<_> = mountinfo(text).collect();
        assert_eq!(mounts[0].dev, 254 << 20 | 1);
        assert_eq!(
            mounts[1],
            Mount {
                dev: 8 << 20 | 3,
                mount_point: "/b",
                fstype: "xfs",
                source: "/dev/sda3",
            }
        );
        assert_eq!(mounts.len(), 2);
    }

    #[test]
    fn only_the_hosts_own_addresses_are_taken() {
        let text = "Local:\n  |-- 10.0.0.0\n     /24 link UNICAST\n  |-- 10.0.0.2\n     /32 host LOCAL\n\
                    |-- 10.0.0.255\n     /32 link BROADCAST\n";
        let found: Vec<_> = fib_trie(text).collect();
        assert_eq!(found, [IpAddr::from([10, 0, 0, 2])]);
        let text = "fe800000000000000000000000000001 02 40 20 80 eth0\nx\n1 2 3\n";
        let found: Vec<_> = if_inet6(text).collect();
        assert_eq!(found, ["fe80::1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn port_ranges_are_checked() {
        let range = PortRange {
            first: 1024,
            last: 2000,
        };
        assert_eq!(port_range("1024\t2000\n"), Some(range));
        assert!(range.contains(2000) && !range.contains(2001));
        for bad in ["", "5", "9 1", "1 70000", "a b"] {
            assert_eq!(port_range(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,300}") {
            std::hint::black_box(mountinfo(&text).count());
            std::hint::black_box(fib_trie(&text).count());
            std::hint::black_box(if_inet6(&text).count());
            std::hint::black_box(port_range(&text));
        }
    }

    #[test]
    fn a_pod_knows_where_its_api_is() {
        let pod = |host: &'static str, port: &'static str| {
            kubernetes_api(|name| {
                Some(if name.ends_with("HOST") { host } else { port }.to_owned())
                    .filter(|value| !value.is_empty())
            })
        };
        assert_eq!(pod("10.96.0.1", "443"), ["10.96.0.1:443".parse().unwrap()]);
        assert_eq!(pod("fd00::1", "6443"), ["[fd00::1]:6443".parse().unwrap()]);
        for (host, port) in [
            ("", "443"),
            ("10.96.0.1", ""),
            ("kubernetes", "443"),
            ("10.96.0.1", "tcp"),
        ] {
            assert!(pod(host, port).is_empty(), "{host}:{port}");
        }
    }
}
