//! Socket addresses of records in the words of `std::net`.

use super::SocketAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a socket's end; mapped IPv4 becomes IPv4. `None`: the record has none.
#[must_use]
pub fn peer_address(address: &SocketAddress) -> Option<IpAddr> {
    (address.family != 0).then(|| canonical(IpAddr::V6(Ipv6Addr::from(address.addr))))
}

/// IPv4 for addresses that carry one: mapped ones, and those that NAT64 (RFC 6052) leads to.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let [a, b] = high.to_be_bytes();
                let [c, d] = low.to_be_bytes();
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            _ => v6.to_canonical(),
        },
        IpAddr::V4(_) => address,
    }
}

/// True for addresses that no router forwards to the internet: networks of containers, pods and hosts.
#[must_use]
pub fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // 100.64.0.0/10 is shared space (RFC 6598), which clouds give to pods.
            v4.is_private() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// True for addresses that stand for this machine or for nobody in particular.
#[must_use]
pub fn is_nobody(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    address.is_loopback() || address.is_unspecified() || address.is_multicast() || broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_and_nat64_addresses_are_ipv4() {
        for text in ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "169.254.169.254"] {
            assert_eq!(
                canonical(text.parse().unwrap()),
                "169.254.169.254".parse::<IpAddr>().unwrap(),
                "{text}"
            );
        }
        assert!(is_nobody(canonical("::ffff:127.0.0.1".parse().unwrap())));
    }
}
