//! Shells whose commands come through a pipe from somebody who is connected: shell and carrier are executed by one process.

use super::{Contact, relays};
use crate::detect::drift::interpreters::is_interpreter;
use crate::detect::per_container::push_latest;
use crate::detect::program::{BROUGHT, called, inner_ancestors, is_relay, is_shell};
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding, described};
use crate::event::{BootTime, ExecId};
use crate::process::Process;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

/// The parts of a pipeline are there within this time.
const WINDOW: Duration = Duration::from_secs(60);
/// Parts of each sort that are remembered of a container.
const MAX_PARTS: usize = 16;

/// Parts of pipelines, recently.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    shells: Parts,
    /// Carriers that connected, and those that listen.
    clients: Parts,
    listeners: Parts,
    /// Interpreters that connected: what they execute may be given their connection.
    scripts: Parts,
}

#[derive(Debug, Default)]
struct Parts(VecDeque<Part>);

#[derive(Debug)]
struct Part {
    time: BootTime,
    process: ExecId,
    /// Who executed it.
    parent: ExecId,
    /// Whom it is connected to.
    peer: Option<IpAddr>,
}

impl Pipes {
    /// A shell was executed that reads its commands.
    pub(super) fn shell(&mut self, context: &DetectContext<'_>) -> Option<Finding> {
        let part = Part::of(context, None).filter(|_| is_forked(context))?;
        let client = self.clients.beside(&part).or_else(|| self.scripts.above(&part));
        let peer = client.and_then(|client| client.peer);
        self.shells.add(part);
        peer.map(|peer| reverse_shell(context, peer))
    }

    /// A carrier listens.
    pub(super) fn listens(&mut self, context: &DetectContext<'_>) -> Option<Finding> {
        let part = Part::of(context, None)?;
        let joined = self.clients.beside(&part).is_some();
        self.listeners.add(part);
        joined.then(|| relayed(context)).flatten()
    }

    /// An interpreter connected outwards.
    pub(super) fn script_connects(&mut self, contact: &Contact<'_>) {
        self.scripts.add(Part {
            time: contact.context.time(),
            process: contact.context.event.process.exec_id,
            parent: contact.context.event.process.parent,
            peer: Some(contact.address),
        });
    }

    /// A carrier connected outwards.
    pub(super) fn connects(&mut self, contact: &Contact<'_>) -> Vec<Finding> {
        let context = contact.context;
        let Some(part) = Part::of(context, Some(contact.address)) else {
            return Vec::new();
        };
        let shell = self.shells.beside(&part).is_some();
        let listener = self.listeners.beside(&part).is_some();
        let shell = shell.then(|| reverse_shell(context, contact.address));
        self.clients.add(part);
        let relay = listener.then(|| relayed(context)).flatten();
        shell.into_iter().chain(relay).collect()
    }
}

impl Part {
    /// `None`: nobody in the container executed it.
    fn of(context: &DetectContext<'_>, peer: Option<IpAddr>) -> Option<Self> {
        let process = &context.event.process;
        let parent = process.parent;
        let inner = inner_ancestors(context.event).any(|above| above.exec_id == parent);
        (parent != ExecId::NONE && inner).then(|| Self {
            time: context.time(),
            process: process.exec_id,
            parent,
            peer,
        })
    }
}

impl Parts {
    /// Another process with the same parent.
    fn beside(&self, part: &Part) -> Option<&Part> {
        self.0.iter().find(|other| {
            let together = part.time.since(other.time) < WINDOW;
            together && other.parent == part.parent && other.process != part.process
        })
    }

    /// The process that executed it.
    fn above(&self, part: &Part) -> Option<&Part> {
        let recent = |other: &&Part| part.time.since(other.time) < WINDOW;
        self.0
            .iter()
            .filter(recent)
            .find(|other| other.process == part.parent)
    }

    fn add(&mut self, part: Part) {
        self.0.retain(|known| known.process != part.process);
        push_latest(&mut self.0, MAX_PARTS, part);
    }
}

/// In place of who executed it there is no pipe to anybody else: an entrypoint that ends in a shell.
fn is_forked(context: &DetectContext<'_>) -> bool {
    let parent = inner_ancestors(context.event).next();
    parent.is_some_and(|parent| parent.host_pid != context.event.process.host_pid)
}

/// A shell without a script or command.
pub(super) fn reads_commands(process: &Process) -> bool {
    let name = called(process);
    let mut arguments: Vec<_> = process.arguments().skip(1).collect();
    // Of busybox the first may be the shell's name.
    if process.exe_name() != name.as_slice()
        && arguments
            .first()
            .is_some_and(|first| first.file_name() == name.as_slice())
    {
        arguments.remove(0);
    }
    let option =
        |bytes: &[u8]| bytes.starts_with(b"-") && (bytes.starts_with(b"--") || !bytes.contains(&b'c'));
    is_shell(&name) && arguments.iter().all(|argument| option(argument.bytes.as_slice()))
}

/// A program that passes what it reads to a peer, and back. One that only looks whether somebody listens does not.
pub(super) fn is_carrier(process: &Process) -> bool {
    let name = called(process);
    let mut arguments = process.arguments().skip(1);
    match name.as_slice() {
        b"telnet" => true,
        b"openssl" => arguments.any(|argument| argument.bytes == "s_client"),
        name => is_relay(name) && !arguments.any(|argument| is_look(&argument.bytes)),
    }
}

/// `-z`, also among others: `-vz`.
fn is_look(argument: &[u8]) -> bool {
    matches!(argument, [b'-', letters @ ..] if !letters.starts_with(b"-") && letters.contains(&b'z'))
}

/// It may connect, and hand what it reads to a shell by a terminal of its own making.
pub(super) fn is_script(process: &Process) -> bool {
    is_interpreter(&called(process)) || process.file.flags & BROUGHT != 0
}

fn reverse_shell(context: &DetectContext<'_>, peer: IpAddr) -> Finding {
    let summary = format!(
        "Reverse shell: a shell in {} takes its commands from {peer}{} through pipes or a terminal (by {})",
        context.container_name(),
        context.name_in_brackets(peer),
        context.actor()
    );
    Finding::new(&lateral::REVERSE_SHELL, peer.to_string(), summary)
}

/// One carrier that listens and one that is connected.
fn relayed(context: &DetectContext<'_>) -> Option<Finding> {
    (described::executes(context, None) != Some(true)).then(|| relays::relayed(context))
}
