//! One profile, one deed, two answers: the kernel's tables and the daemon's matcher agree, whatever they are.

use super::profile;
use crate::lab::{Container, Spec, World};
use agent::event::{EventKind, KernelString, SlotKey};
use agent::host::PortRange;
use agent::kernel::{KernelError, Verdict};
use agent::profile::{
    CompiledProfile, ConnectQuery, ExecQuery, ImageName, ListenQuery, ListenVerdict, Protocol,
};
use agent_common::policy::Section;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

const PROFILES: usize = 60;
const DEEDS: usize = 120;

/// Random numbers that are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

const FMODE_READ: u64 = 1;
const FMODE_WRITE: u64 = 2;
const FOLDERS: [&str; 9] = [
    "",
    "/",
    "/usr",
    "/usr/bin",
    "/var/lib/app",
    "/a",
    "/a/b/c",
    "/root/.ssh",
    "/run/secrets/a",
];
const NAMES: [&str; 5] = ["x", "sh", "app", "b", "c"];
const PORTS: [&str; 6] = ["80", "443", "5353", "40000", "ephemeral", "any"];
const NETWORKS: [&str; 9] = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "0.0.0.0/0",
    "fd00::/8",
    "fd00:1::/32",
    "::/0",
    "192.0.2.0/25",
    "2001:db8::7",
];
const ADDRESSES: [&str; 16] = [
    "10.1.2.3",
    "10.1.9.9",
    "10.2.0.1",
    "8.8.8.8",
    "192.0.2.1",
    "192.0.2.200",
    "fd00:1::5",
    "fd99::1",
    "2001:db8::7",
    "2001:db8::8",
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "0.0.0.0",
    "::",
    "224.0.0.1",
];

const IMAGES: [&str; 5] = ["postgres", "\"postgres:*\"", "redis", "\"acme/*\"", "\"*\""];
const RUNNING: [&str; 4] = ["postgres", "postgres:16", "redis", "acme/web:2"];

/// Containers at some of the addresses.
#[derive(Debug, Default)]
struct Peers(BTreeMap<IpAddr, ImageName>);

impl Peers {
    /// Some come, some go, some are another's.
    fn change(&mut self, numbers: &mut Numbers, world: &mut World) -> Result<()> {
        for (slot, address) in (2000..).zip(ADDRESSES) {
            let address: IpAddr = address.parse()?;
            let container = SlotKey { slot, generation: 1 };
            match numbers.below(6) {
                0 => {
                    world.sensor.peer(container, None, &[])?;
                    self.0.remove(&address);
                }
                1 | 2 => {
                    let image = ImageName::parse(numbers.of(&RUNNING)).context("no image")?;
                    world.sensor.peer(container, Some(&image), &[address])?;
                    self.0.insert(address, image);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn path(numbers: &mut Numbers) -> String {
    format!(
        "{}/{}",
        numbers.of(&FOLDERS).trim_end_matches('/'),
        numbers.of(&NAMES)
    )
}

fn pattern(numbers: &mut Numbers, own: &str) -> String {
    match numbers.below(6) {
        0 => format!("{}/**", numbers.of(&FOLDERS).trim_end_matches('/')),
        1 => format!("{}/*", numbers.of(&FOLDERS).trim_end_matches('/')),
        2 => own.to_owned(),
        _ => path(numbers),
    }
}

fn document(numbers: &mut Numbers, own: &str) -> Result<String> {
    let mut text = String::from(
        "mode: {listener: enforce, lateral: enforce, drift: enforce, credential: enforce}\nexec:\n",
    );
    for _ in 0..=numbers.below(6) {
        writeln!(text, "  - {{path: \"{}\"}}", pattern(numbers, own))?;
    }
    text.push_str("listen:\n");
    for _ in 0..=numbers.below(6) {
        let scope = match numbers.below(3) {
            0 => "any",
            1 => "loopback",
            _ => numbers.of(&NETWORKS),
        };
        let (port, proto) = (numbers.of(&PORTS), numbers.of(&["tcp", "udp"]));
        write!(text, "  - {{port: {port}, proto: {proto}, address: \"{scope}\"")?;
        who(numbers, own, &mut text)?;
    }
    text.push_str("connect:\n");
    for _ in 0..=numbers.below(6) {
        let (port, proto) = (numbers.of(&PORTS), numbers.of(&["tcp", "udp"]));
        write!(text, "  - {{port: {port}, proto: {proto}")?;
        let form = numbers.below(4);
        if form > 0 {
            write!(text, ", cidr: \"{}\"", numbers.of(&NETWORKS))?;
        }
        if form < 2 {
            write!(text, ", image: {}", numbers.of(&IMAGES))?;
        }
        who(numbers, own, &mut text)?;
    }
    text.push_str("files:\n");
    for section in ["write", "read"] {
        writeln!(text, "  {section}:")?;
        for _ in 0..=numbers.below(6) {
            write!(text, "    - {{path: \"{}\"", pattern(numbers, own))?;
            who(numbers, own, &mut text)?;
        }
    }
    if numbers.below(3) > 0 {
        let names = ["CAP_CHOWN", "net_raw", "cap_sys_admin", "CAP_BPF", "SYSLOG"];
        let names: Vec<String> = (0..numbers.below(5))
            .map(|at| format!("{{name: {}}}", names[at]))
            .collect();
        writeln!(text, "capabilities: [{}]", names.join(", "))?;
    }
    Ok(text)
}

fn who(numbers: &mut Numbers, own: &str, text: &mut String) -> Result<()> {
    if numbers.below(2) == 0 {
        write!(text, ", exe: \"{}\"", pattern(numbers, own))?;
    }
    Ok(writeln!(text, "}}")?)
}

/// What the daemon says; `None`: it is nobody's business.
fn expected(profile: &CompiledProfile, deed: &Deed, own: &str, peers: &Peers) -> Option<bool> {
    let ephemeral = PortRange::default();
    match deed {
        Deed::Exec(path) => Some(profile.exec(&ExecQuery {
            path: path.as_bytes(),
            arguments: &[],
            script: None,
            parent: None,
        })),
        Deed::Write(path) => Some(profile.write(&KernelString::from(path.as_str()), own.as_bytes())),
        Deed::Capability(number) => profile.capability(*number),
        Deed::Read(path) => profile.read(&KernelString::from(path.as_str()), own.as_bytes()),
        Deed::Listen(proto, address, port) => {
            let query = ListenQuery {
                proto: *proto,
                port: *port,
                address: *address,
                exe: own.as_bytes(),
                ephemeral,
            };
            Some(matches!(profile.listen(&query), ListenVerdict::Expected(_)))
        }
        Deed::Connect(proto, address, port) => {
            let answer = *proto == Protocol::Udp && ephemeral.contains(*port);
            let query = ConnectQuery {
                proto: *proto,
                address: *address,
                port: *port,
                exe: own.as_bytes(),
                peer: peers.0.get(address),
                ephemeral,
            };
            (!answer && !agent::event::is_nobody(*address)).then(|| profile.connect(&query))
        }
    }
}

#[derive(Debug)]
enum Deed {
    Exec(String),
    Write(String),
    Read(String),
    Capability(u32),
    Listen(Protocol, IpAddr, u16),
    Connect(Protocol, IpAddr, u16),
}

impl Deed {
    fn random(numbers: &mut Numbers) -> Result<Self> {
        if numbers.below(10) == 0 {
            return Ok(Self::Capability(u32::try_from(numbers.below(41))?));
        }
        let kind = numbers.below(5);
        if kind < 3 {
            let path = path(numbers);
            return Ok(match kind {
                0 => Self::Exec(path),
                1 => Self::Write(path),
                _ => Self::Read(path),
            });
        }
        let proto = if numbers.below(2) == 0 {
            Protocol::Tcp
        } else {
            Protocol::Udp
        };
        let address: IpAddr = numbers.of(&ADDRESSES).parse()?;
        let port = numbers
            .of(&["80", "443", "5353", "40000", "40001", "7"])
            .parse()?;
        Ok(if kind == 3 {
            Self::Listen(proto, address, port)
        } else {
            Self::Connect(proto, address, port)
        })
    }

    fn ask(&self, world: &mut World, profile: &Arc<CompiledProfile>) -> Result<Verdict> {
        let of_path = |kind: EventKind, path: &str, mode: u64, world: &mut World| -> Result<Verdict> {
            let path = CString::new(path)?;
            Ok(world
                .sensor
                .ask(profile, [kind.0.into(), path.as_ptr() as u64, mode, 0, 0])?)
        };
        let of_socket = |kind: EventKind,
                         proto: Protocol,
                         address: IpAddr,
                         port: u16,
                         world: &mut World|
         -> Result<Verdict> {
            let number = if proto == Protocol::Tcp { 6 } else { 17 };
            let bytes = match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let (halves, _) = bytes.as_chunks::<8>();
            let [high, low] = [u64::from_ne_bytes(halves[0]), u64::from_ne_bytes(halves[1])];
            Ok(world
                .sensor
                .ask(profile, [kind.0.into(), number, port.into(), high, low])?)
        };
        match self {
            Self::Exec(path) => of_path(EventKind::EXEC, path, 0, world),
            Self::Capability(number) => {
                let deed = [EventKind::CAPABLE.0.into(), (*number).into(), 0, 0, 0];
                Ok(world.sensor.ask(profile, deed)?)
            }
            Self::Write(path) => of_path(EventKind::FILE_OPEN, path, FMODE_WRITE, world),
            Self::Read(path) => of_path(EventKind::FILE_OPEN, path, FMODE_READ, world),
            Self::Listen(proto, address, port) => {
                of_socket(EventKind::LISTEN, *proto, *address, *port, world)
            }
            Self::Connect(proto, address, port) => {
                of_socket(EventKind::CONNECT, *proto, *address, *port, world)
            }
        }
    }
}

pub(super) fn ask_once(world: &mut World, profile: &Arc<CompiledProfile>) -> Result<Verdict> {
    Deed::Exec("/x".to_owned()).ask(world, profile)
}

pub(super) fn alike(world: &mut World) -> Result<()> {
    let own = std::env::current_exe()?.display().to_string();
    let container = Container::start(world, Spec::default())?;
    let mut numbers = Numbers(7);
    let mut peers = Peers::default();
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..PROFILES {
        let text = document(&mut numbers, &own)?;
        let profile = profile(&text)?;
        ensure!(profile.tables().left_to_daemon == 0, "{text}");
        match world.sensor.assign(container.slot, Some(&profile), &[]) {
            // Answers are the same where nothing can deny it.
            Err(KernelError::Unenforceable { section, .. }) if section == Section::CAPABILITIES.name() => {}
            other => other?,
        }
        for round in 0..DEEDS {
            if round % 20 == 10 {
                peers.change(&mut numbers, world)?;
            }
            let deed = Deed::random(&mut numbers)?;
            let daemon = expected(&profile, &deed, &own, &peers);
            let kernel = deed.ask(world, &profile)?;
            match (daemon, kernel) {
                (Some(true), Verdict::EXPECTED) => allowed += 1,
                (Some(false), verdict) if verdict.0 == Verdict::DEVIATION.0 | Verdict::DENY => denied += 1,
                (None, Verdict::NONE) => {}
                _ => bail!(
                    "after {allowed} and {denied}: {deed:?}: the daemon says {daemon:?}, the kernel {kernel:?}\n{text}"
                ),
            }
        }
    }
    ensure!(
        allowed > 1_000 && denied > 1_000,
        "{allowed} allowed, {denied} denied"
    );
    let slot = container.stop()?;
    world.sensor.assign(slot, None, &[])?;
    let networks = world.sensor.policies.usage()[1].entries;
    ensure!(
        networks == peers.0.len() as u64,
        "{networks} entries are left of {}",
        peers.0.len()
    );
    Ok(())
}
