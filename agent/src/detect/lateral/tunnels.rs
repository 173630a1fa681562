//! SSH that passes on other connections than its own.

use crate::detect::program::called;
use crate::detect::rules::lateral;
use crate::detect::{DetectContext, Finding};
use crate::event::{Exec, KernelString};
use std::collections::VecDeque;

const CLIENTS: [&[u8]; 5] = [b"ssh", b"autossh", b"plink", b"dbclient", b"slogin"];
/// Options of ssh that have a value, and those that forward.
const WITH_VALUE: &[u8] = b"BbcDEeFIiJLlmOopQRSWw";
const FORWARDING: &[u8] = b"RDLw";
const CONFIGURED: [&str; 3] = ["localforward", "remoteforward", "dynamicforward"];

/// How a client was started.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Started {
    pub(super) forwards: bool,
    /// `user@host`.
    pub(super) destination: Option<KernelString>,
}

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    if !is_client(context) || !started(context, exec).forwards {
        return None;
    }
    let words: Vec<String> = exec.arguments().map(|argument| argument.to_text()).collect();
    let summary = format!(
        "{} in {} opens a tunnel through SSH: {}",
        context.actor(),
        context.container_name(),
        words.join(" ")
    );
    Some(Finding::new(&lateral::SSH_TUNNEL, context.actor(), summary))
}

/// A client of SSH.
pub(super) fn is_client(context: &DetectContext<'_>) -> bool {
    CLIENTS.contains(&called(&context.event.process).as_slice())
}

/// What its arguments say.
pub(super) fn started(context: &DetectContext<'_>, exec: &Exec) -> Started {
    let name = called(&context.event.process);
    let mut words: VecDeque<KernelString> = exec.arguments().collect();
    // A multi-call program is given its own name first.
    if words
        .get(1)
        .is_some_and(|word| word.file_name() == name.as_slice())
    {
        words.pop_front();
    }
    words.pop_front();
    if name == b"plink" {
        return of_plink(&words);
    }
    // autossh has a value behind what ssh has none for.
    let monitored = name == b"autossh";
    of_ssh(words, |letter| {
        WITH_VALUE.contains(&letter) || monitored && letter == b'M'
    })
}

/// What follows the destination, and is no option, is executed there.
fn of_ssh(mut words: VecDeque<KernelString>, has_value: impl Fn(u8) -> bool) -> Started {
    let mut started = Started::default();
    while let Some(word) = words.pop_front() {
        let letters: &[u8] = &word.bytes;
        if !letters.starts_with(b"-") || letters.len() == 1 {
            if started.destination.is_some() {
                break;
            }
            started.destination = Some(word);
            continue;
        }
        let letters = &letters[1..];
        for (at, letter) in letters.iter().enumerate() {
            started.forwards |= FORWARDING.contains(letter);
            if has_value(*letter) {
                let joined = &letters[at + 1..];
                let next = if joined.is_empty() {
                    words.pop_front()
                } else {
                    None
                };
                let value = next.as_ref().map_or(joined, |next| next.bytes.as_slice());
                started.forwards |= *letter == b'o' && is_forward(value);
                break;
            }
        }
    }
    started
}

/// Its options are words.
fn of_plink(words: &VecDeque<KernelString>) -> Started {
    let forwards = |word: &KernelString| matches!(word.bytes.as_slice(), b"-R" | b"-D" | b"-L");
    Started {
        forwards: words.iter().any(forwards),
        destination: words.back().cloned(),
    }
}

/// `-o RemoteForward=…`, with a space as well.
fn is_forward(value: &[u8]) -> bool {
    let value = String::from_utf8_lossy(value).to_lowercase();
    let keyword = value.trim_start();
    CONFIGURED.iter().any(|known| keyword.starts_with(known))
}
