//! Text that is decoded and executed: a decoder, and what runs its output, started by the same image. Which of the two comes first is
//! a matter of chance. Bounded per container.

use super::finding;
use crate::detect::drift::interpreters::reads_input;
use crate::detect::per_container::{PerContainer, push_latest};
use crate::detect::program::called;
use crate::detect::rules::tampering;
use crate::detect::{DetectContext, Finding, Scope, described};
use crate::event::{BootTime, Exec, ExecId, FileFlags, KernelString, RecordFlags};
use agent_common::magic;
use std::collections::VecDeque;
use std::time::Duration;

/// Steps within this time belong together.
const WINDOW: Duration = Duration::from_secs(60);
/// Steps that are remembered of a container.
const MAX_STEPS: usize = 16;

/// Which half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Decodes,
    Runs,
}

#[derive(Debug)]
pub(super) struct Step {
    time: BootTime,
    /// The image that started it.
    parent: ExecId,
    part: Part,
    /// The profile has the image execute it.
    known: bool,
}

impl Step {
    /// Both halves are there. An image that decodes something and has a shell may do both by its profile: that is its work.
    fn completes(&self, other: &Self) -> bool {
        let known = self.known && other.known;
        self.parent == other.parent && self.part != other.part && !known
    }
}

/// Recent steps of a container.
pub(super) type Steps = VecDeque<Step>;

/// Keeps a step; the finding when the other half was there.
pub(super) fn note(
    steps: &mut PerContainer<Steps>,
    context: &DetectContext<'_>,
    exec: &Exec,
) -> Option<Finding> {
    let part = part(context, exec)?;
    let parent = exec.parent;
    if context.scope != Scope::All || parent == ExecId::NONE {
        return None;
    }
    let steps = steps.note(context)?;
    let time = context.time();
    steps.retain(|step| time.since(step.time) < WINDOW);
    let step = Step {
        time,
        parent,
        part,
        known: described::executes(context, exec.script().as_ref()) == Some(true),
    };
    let found = steps.iter().any(|other| other.completes(&step));
    push_latest(steps, MAX_STEPS, step);
    found.then(|| {
        let did = "is a part of what decodes a text and executes it";
        finding(context, &tampering::DECODED_PROGRAM, "decoded", did)
    })
}

fn part(context: &DetectContext<'_>, exec: &Exec) -> Option<Part> {
    let process = &context.event.process;
    if context.event.raw.header.flags.has(RecordFlags::DENIED) {
        return None;
    }
    let arguments: Vec<KernelString> = exec.arguments().skip(1).collect();
    if decodes(&called(process), &arguments) {
        return Some(Part::Decodes);
    }
    let brought = exec.file.flags & FileFlags::UPPER != 0 || exec.file.magic == magic::TMPFS;
    (brought || reads_input(process)).then_some(Part::Runs)
}

/// `base64 -d`, `xxd -r -p`, `openssl enc -d -base64`.
fn decodes(name: &[u8], arguments: &[KernelString]) -> bool {
    let has = |words: &[&[u8]]| {
        arguments
            .iter()
            .any(|argument| words.contains(&argument.bytes.as_slice()))
    };
    let letter = |letter: u8| {
        arguments
            .iter()
            .any(|argument| is_cluster(&argument.bytes, letter))
    };
    match name {
        b"base64" | b"base32" | b"basenc" => letter(b'd') || letter(b'D') || has(&[b"--decode"]),
        b"xxd" => letter(b'r') || has(&[b"--revert"]),
        b"openssl" => has(&[b"-d"]),
        b"gpg" | b"gpg2" => letter(b'd') || has(&[b"--decrypt"]),
        b"uudecode" => true,
        _ => false,
    }
}

/// `-d`, `-di`.
fn is_cluster(argument: &[u8], letter: u8) -> bool {
    let letters = argument.strip_prefix(b"-").unwrap_or_default();
    !letters.starts_with(b"-") && letters.contains(&letter)
}

#[cfg(test)]
mod tests {
    use crate::detect::Class;
    use crate::detect::testing::{SECOND, Scene, process, scene};

    const FOUND: [&str; 1] = ["decoded_program"];
    const SHELL: (&str, &[&str]) = ("/bin/sh", &["sh"]);
    const DECODER: (&str, &[&str]) = ("/usr/bin/base64", &["base64", "-d"]);

    fn by(exe: &str) -> Scene {
        scene("acme/shop", exe).below(&["/usr/bin/dash", "/app/server"])
    }

    /// Rules of programs that one image starts, one after the other.
    fn started(scene: &mut Scene, programs: &[(&str, &[&str])]) -> Vec<&'static str> {
        let mut rules = Vec::new();
        for (exe, args) in programs {
            scene.exe = process(exe);
            let executed = scene.executed(args);
            rules.extend(scene.rules_of(Class::Tampering, executed));
        }
        rules
    }

    #[test]
    fn what_is_decoded_and_executed_is_found_in_either_order() {
        let decoders: [(&str, &[&str]); 4] = [
            DECODER,
            ("/usr/bin/base64", &["base64", "--decode"]),
            ("/usr/bin/xxd", &["xxd", "-r", "-p"]),
            ("/usr/bin/openssl", &["openssl", "enc", "-d", "-base64"]),
        ];
        for decoder in decoders {
            assert_eq!(started(&mut by("/bin/sh"), &[decoder, SHELL]), FOUND);
            assert_eq!(started(&mut by("/bin/sh"), &[SHELL, decoder]), FOUND);
        }
        let python: (&str, &[&str]) = ("/usr/bin/python3", &["python3", "-"]);
        assert_eq!(started(&mut by("/bin/sh"), &[DECODER, python]), FOUND);
    }

    #[test]
    fn decoding_alone_or_beside_other_programs_executes_nothing() {
        let others: [(&str, &[&str]); 3] = [
            ("/bin/sh", &["sh", "/app/run.sh"]),
            ("/bin/cat", &["cat"]),
            DECODER,
        ];
        for other in others {
            assert!(started(&mut by("/bin/sh"), &[DECODER, other]).is_empty());
        }
        let encoder: (&str, &[&str]) = ("/usr/bin/base64", &["base64", "-w0"]);
        assert!(started(&mut by("/bin/sh"), &[encoder, SHELL]).is_empty());
        let mut late = by("/bin/sh");
        assert!(started(&mut late, &[DECODER]).is_empty());
        late.now_ns += 61 * SECOND;
        assert!(started(&mut late, &[SHELL]).is_empty());
    }

    #[test]
    fn what_a_profile_has_the_image_do_is_its_work_but_both_of_it() {
        let with = |profile: &str, programs: &[(&str, &[&str])]| {
            let mut scene = by("/bin/sh").with_profile(&format!("state: complete\nexec: [{profile}]"));
            started(&mut scene, programs)
        };
        let both = "{path: /bin/sh}, {path: /usr/bin/base64}";
        assert!(with(both, &[DECODER, SHELL]).is_empty());
        for profile in [
            "{path: /bin/sh}",
            "{path: /usr/bin/base64}",
            "{path: /app/server}",
        ] {
            assert_eq!(with(profile, &[DECODER, SHELL]), FOUND, "{profile}");
            assert_eq!(with(profile, &[SHELL, DECODER]), FOUND, "{profile}");
        }
    }
}
