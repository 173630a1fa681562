//! Listeners where nobody should listen. TCP by its listener with the real port, UDP by its bind; beside them sockets that
//! see packets, abstract names, and interfaces.

mod calls;
mod inherited;
mod names;
mod seen;
mod sockets;
#[cfg(test)]
mod tests;

pub(super) use sockets::Unusual;

use super::per_container::PerContainer;
use super::program::{called, inner_ancestors, is_relay, is_service, is_shell, is_ssh_server};
use super::rules::listener;
use super::{DetectContext, Detector, Finding, Severity, rule};
use crate::event::peer_address;
use crate::event::{Call, ContainerOp, Net, Payload, SlotKey, Socket};
use crate::process::ExecSession;
use crate::profile::{ListenQuery, ListenVerdict, ProfileState, Protocol, Source};
use seen::Seen;
use std::net::IpAddr;

/// Finds unexpected listeners.
#[derive(Debug, Default)]
pub(super) struct ListenerDetector {
    seen: PerContainer<Seen>,
}

impl Detector for ListenerDetector {
    fn inspect(&mut self, context: &DetectContext<'_>, findings: &mut Vec<Finding>) {
        match &context.event.raw.payload {
            Payload::Exec(_) => {
                if let Some(seen) = self.seen.note(context) {
                    seen.acts(context);
                }
                findings.extend(ssh_server_started(context));
            }
            Payload::Container(lifecycle) if lifecycle.op == ContainerOp::LIVE => {
                if let Some(seen) = self.seen.note(context) {
                    seen.began(context);
                }
            }
            Payload::Listen(net) => self.listening(context, net, findings),
            Payload::Bind(net) if Protocol::from_number(net.protocol) == Some(Protocol::Udp) => {
                let listener = Listener::of(context, net).filter(|listener| !listener.is_udp_client());
                findings.extend(listener.into_iter().flat_map(Listener::judge));
            }
            Payload::Socket(socket) => findings.extend(self.socket(context, socket)),
            Payload::Syscall(call) => findings.extend(self.called(context, call)),
            Payload::UnixBind(bind) => findings.extend(names::inspect(context, bind)),
            _ => {}
        }
    }

    fn forget(&mut self, container: SlotKey) {
        self.seen.forget(container);
    }

    fn kept(&self) -> usize {
        self.seen.kept()
    }

    fn capacity(&self) -> usize {
        self.seen.capacity()
    }

    fn refused(&self) -> u64 {
        self.seen.refused()
    }
}

impl ListenerDetector {
    fn listening(&mut self, context: &DetectContext<'_>, net: &Net, findings: &mut Vec<Finding>) {
        let Some(listener) = Listener::of(context, net) else {
            return;
        };
        // One that the image found open was another's before, and was judged then.
        if context.event.raw.listener().is_none() {
            findings.extend(inherited::inspect(&listener));
            return;
        }
        if let Some(seen) = self.seen.note(context) {
            seen.acts(context);
            findings.extend(seen.nested(&listener));
        }
        findings.extend(listener.judge());
    }

    fn socket(&mut self, context: &DetectContext<'_>, socket: &Socket) -> Option<Finding> {
        if Unusual::of(socket).is_some_and(Unusual::sees_packets)
            && let Some(seen) = self.seen.note(context)
        {
            seen.watches(context);
        }
        sockets::inspect(context, socket)
    }

    fn called(&self, context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
        let watches = |seen: &Seen| seen.is_watcher(context);
        if calls::is_filter(call) && self.seen.get(context.event).is_some_and(watches) {
            return calls::filter(context);
        }
        calls::tunnel(context, call)
    }
}

fn ssh_server_started(context: &DetectContext<'_>) -> Option<Finding> {
    is_ssh_server(&called(&context.event.process)).then(|| {
        let summary = format!(
            "SSH server {} was started in {}",
            context.actor(),
            context.container_name()
        );
        ssh_server(context, summary, Severity::High)
    })
}

/// Images that are SSH servers still have one, which no container needs.
fn ssh_server(context: &DetectContext<'_>, summary: String, severity: Severity) -> Finding {
    let own = context.role.is_some_and(|role| role.name() == "ssh");
    let severity = if own { Severity::Low } else { severity };
    // Start and listener are one behaviour.
    Finding::new(&listener::SSHD_IN_CONTAINER, "sshd", summary).severity(severity)
}

/// A listener with what is known of it.
struct Listener<'a> {
    context: &'a DetectContext<'a>,
    proto: Protocol,
    port: u16,
    address: IpAddr,
    program: Vec<u8>,
    verdict: Option<ListenVerdict>,
}

impl<'a> Listener<'a> {
    fn of(context: &'a DetectContext<'a>, net: &Net) -> Option<Self> {
        let (proto, address) = (Protocol::from_number(net.protocol)?, peer_address(&net.local)?);
        let query = ListenQuery {
            proto,
            port: net.local.port,
            address,
            exe: &context.event.process.exe.bytes,
            ephemeral: context.host.ephemeral_ports,
        };
        Some(Self {
            context,
            proto,
            port: net.local.port,
            address,
            program: called(&context.event.process),
            verdict: context.profile.map(|profile| profile.listen(&query)),
        })
    }

    /// The profile has it.
    fn is_expected(&self) -> bool {
        matches!(self.verdict, Some(ListenVerdict::Expected(_)))
    }

    /// A client's socket: no port asked for, or one of those that the kernel gives out, or only for itself.
    fn is_udp_client(&self) -> bool {
        self.port == 0 || self.context.host.ephemeral_ports.contains(self.port) || self.address.is_loopback()
    }

    fn judge(self) -> Vec<Finding> {
        // What a person has allowed is allowed, also where a role would object.
        if matches!(
            self.verdict,
            Some(ListenVerdict::Expected(Source::Manual | Source::Baseline))
        ) {
            return Vec::new();
        }
        let mut findings: Vec<Finding> = self
            .ssh()
            .into_iter()
            .chain(self.forbidden())
            .chain(self.shell())
            .collect();
        if findings.is_empty() {
            findings.extend(self.unexpected());
        }
        findings
    }

    fn ssh(&self) -> Option<Finding> {
        let server = is_ssh_server(&self.program) || (self.port == 22 && self.proto == Protocol::Tcp);
        let severity = if self.is_expected() {
            Severity::Low
        } else {
            Severity::High
        };
        server.then(|| ssh_server(self.context, format!("SSH server: {}", self.sentence()), severity))
    }

    fn forbidden(&self) -> Option<Finding> {
        let role = self.context.role?;
        let program = String::from_utf8_lossy(&self.program);
        if role.expects(self.proto, self.port, &program) {
            return None;
        }
        let forbidden = role.forbids((self.address, self.port), &program)?;
        let summary = format!("Web server in a {} container: {}", role.name(), self.sentence());
        Some(Finding::new(rule(&forbidden.rule)?, self.object(), summary).with("role", role.name()))
    }

    fn shell(&self) -> Option<Finding> {
        if self.is_expected() {
            return None;
        }
        let tool = is_relay(&self.program) || is_shell(&self.program);
        if !tool && !self.below_shell() {
            return None;
        }
        let severity = match (tool, self.address.is_loopback()) {
            (true, false) => Severity::Critical,
            (false, true) => Severity::Medium,
            _ => Severity::High,
        };
        let summary = if tool {
            self.sentence()
        } else {
            format!("Started from a shell: {}", self.sentence())
        };
        Some(Finding::new(&listener::SHELL_SPAWNED, self.object(), summary).severity(severity))
    }

    /// A shell above the listener that a network service or an exec session started. The entrypoint's own shells start
    /// the service itself, so they do not count.
    fn below_shell(&self) -> bool {
        let event = self.context.event;
        let mut above = inner_ancestors(event).skip_while(|ancestor| !is_shell(&called(ancestor)));
        let Some(shell) = above.next() else { return false };
        let attached = |session| session == ExecSession::Attached;
        (attached(event.process.exec_session) && attached(shell.exec_session))
            || above.any(|ancestor| is_service(&called(ancestor)))
    }

    fn unexpected(&self) -> Option<Finding> {
        match self
            .context
            .profile
            .filter(|profile| profile.state() != ProfileState::None)
        {
            Some(profile) if profile.judges(listener::UNEXPECTED.class) => {
                self.outside_profile(profile.state())
            }
            Some(_) => None,
            None => self.without_profile(),
        }
    }

    fn outside_profile(&self, state: ProfileState) -> Option<Finding> {
        let (rule, severity) = match (self.verdict?, state) {
            (ListenVerdict::Expected(_), _) => return None,
            // What is not described yet is not unusual by that.
            (ListenVerdict::Unknown | ListenVerdict::WrongPort, ProfileState::Partial) if self.is_usual() => {
                return None;
            }
            (ListenVerdict::WrongExecutable, _) => (&listener::UNEXPECTED_EXECUTABLE, Severity::High),
            (ListenVerdict::WrongPort, ProfileState::Complete) => {
                (&listener::UNEXPECTED_PORT, Severity::High)
            }
            (ListenVerdict::WrongPort, _) => (&listener::UNEXPECTED_PORT, Severity::Medium),
            (ListenVerdict::Unknown, ProfileState::Complete) => (&listener::UNEXPECTED, Severity::High),
            (ListenVerdict::Unknown, _) => (&listener::UNEXPECTED, Severity::Medium),
        };
        let severity = if self.address.is_loopback() {
            severity.min(Severity::Low)
        } else {
            severity
        };
        let summary = format!("Outside the profile: {}", self.sentence());
        Some(Finding::new(rule, self.object(), summary).severity(severity))
    }

    fn without_profile(&self) -> Option<Finding> {
        if self.is_usual() {
            return None;
        }
        let severity = if self.is_attached() && !self.address.is_loopback() {
            Severity::Medium
        } else {
            Severity::Info
        };
        Some(Finding::new(&listener::UNEXPECTED, self.object(), self.sentence()).severity(severity))
    }

    /// Declared by the image, or the role's own.
    fn is_usual(&self) -> bool {
        let program = String::from_utf8_lossy(&self.program);
        let role = self.context.role;
        (self.is_declared() && !self.is_attached())
            || role.is_some_and(|role| role.expects(self.proto, self.port, &program))
    }

    fn is_attached(&self) -> bool {
        self.context.event.process.exec_session == ExecSession::Attached
    }

    /// The image says so itself: EXPOSE.
    fn is_declared(&self) -> bool {
        let declared = |port: &String| {
            let (number, proto) = port.split_once('/').unwrap_or((port, "tcp"));
            number.parse() == Ok(self.port) && proto == self.proto.name()
        };
        self.context
            .known()
            .is_some_and(|known| known.exposed_ports.iter().any(declared))
    }

    fn sentence(&self) -> String {
        let (actor, container) = (self.context.actor(), self.context.container_name());
        let place = match self.address {
            address if address.is_unspecified() => String::new(),
            address => format!(" of {address}"),
        };
        format!(
            "{actor} listens on {} port {}{place} in {container}",
            self.proto.name().to_uppercase(),
            self.port
        )
    }

    /// Addresses are left out: IPv4 and IPv6 sockets of one server are one listener.
    fn object(&self) -> String {
        format!("{}/{} {}", self.port, self.proto.name(), self.context.actor())
    }
}
