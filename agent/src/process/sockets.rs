//! Text of `/proc/PID/net/{tcp,tcp6,udp,udp6}` → sockets. Pure: whoever needs them reads the files.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A socket of a network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    pub local: IpAddr,
    pub port: u16,
    pub state: SocketState,
    /// What `/proc/PID/fd/N` names as `socket:[inode]`; 0: nobody holds it any more.
    pub inode: u64,
}

/// States in which a socket waits for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketState {
    /// `TCP_LISTEN`.
    Listens,
    /// `TCP_CLOSE`: what a UDP socket without a peer is in.
    Unconnected,
    Other,
}

/// The sockets of a table; what is no such line (its head) is skipped.
pub fn sockets(table: &str) -> impl Iterator<Item = Socket> + '_ {
    table.lines().filter_map(socket)
}

/// The inode of a descriptor's link, `socket:[4711]`.
#[must_use]
pub fn inode_of_link(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …`
fn socket(line: &str) -> Option<Socket> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (address, port) = fields.next()?.split_once(':')?;
    let state = match fields.nth(1)? {
        "0A" => SocketState::Listens,
        "07" => SocketState::Unconnected,
        _ => SocketState::Other,
    };
    Some(Socket {
        local: address_of(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        state,
        inode: fields.nth(5)?.parse().ok()?,
    })
}

/// Words of 32 bits in the machine's order, as the kernel prints them.
fn address_of(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok();
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?.to_ne_bytes()).into()),
        32 => {
            let mut octets = [0; 16];
            for (part, at) in octets.chunks_exact_mut(4).zip((0..32).step_by(8)) {
                part.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            Some(Ipv6Addr::from(octets).to_canonical())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{TcpListener, UdpSocket};

    fn of_this_process(table: &str, port: u16) -> Option<Socket> {
        let table = std::fs::read_to_string(format!("/proc/self/net/{table}")).unwrap();
        sockets(&table).find(|socket| socket.port == port && socket.state != SocketState::Other)
    }

    #[test]
    fn listeners_of_this_process_are_read() {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let found = of_this_process("tcp", port).unwrap();
        assert_eq!(
            (found.state, found.local),
            (SocketState::Listens, [127, 0, 0, 1].into())
        );
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let found = of_this_process("udp", udp.local_addr().unwrap().port()).unwrap();
        assert_eq!(
            (found.state, found.local),
            (SocketState::Unconnected, [127, 0, 0, 1].into())
        );
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let local = if cfg!(target_endian = "little") {
            "01000000"
        } else {
            "00000001"
        };
        let line = format!(
            "   1: 000000000000000000000000{local}:1F90 00000000000000000000000000000000:0000 0A \
             00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0"
        );
        let found: Vec<_> = sockets(&format!("  sl  local_address …\n{line}\n")).collect();
        let expected = Socket {
            local: Ipv6Addr::LOCALHOST.into(),
            port: 8080,
            state: SocketState::Listens,
            inode: 4711,
        };
        assert_eq!(found, [expected]);
        assert_eq!(inode_of_link(b"socket:[4711]"), Some(4711));
        assert_eq!(inode_of_link(b"pipe:[4711]"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\\PC{0,200}") {
            std::hint::black_box(sockets(&text).count());
        }
    }
}
