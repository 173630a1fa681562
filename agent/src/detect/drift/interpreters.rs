//! Shells and interpreters, by who executed them and what they were told: they run anything.

use super::{finding, profile};
use crate::detect::program::{builds, called, inner_ancestors, is_of_image, is_service, is_shell};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity, described};
use crate::event::{EnrichedEvent, Exec, KernelString};
use crate::process::{ExecSession, Process};
use crate::profile::ProfileState;

/// Without the version that may follow.
const INTERPRETERS: [&[u8]; 15] = [
    b"python", b"pypy", b"perl", b"ruby", b"node", b"nodejs", b"php", b"lua", b"luajit", b"tclsh", b"deno",
    b"bun", b"Rscript", b"guile", b"groovy",
];
/// Programs that give somebody a terminal, or start what the container was made for.
const STARTERS: [&str; 24] = [
    "tini",
    "docker-init",
    "dumb-init",
    "catatonit",
    "s6-svscan",
    "s6-supervise",
    "runsv",
    "su",
    "sudo",
    "doas",
    "runuser",
    "login",
    "sshd",
    "sshd-session",
    "dropbear",
    "script",
    "tmux",
    "screen",
    "ttyd",
    "agetty",
    "gosu",
    "su-exec",
    "setpriv",
    "chroot",
];

/// Programs that start what is due.
const SCHEDULERS: [&str; 7] = [
    "cron",
    "crond",
    "anacron",
    "fcron",
    "atd",
    "supercronic",
    "supervisord",
];

/// `python3.11`, `perl`.
pub(in crate::detect) fn is_interpreter(name: &[u8]) -> bool {
    let versioned = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = name
        .iter()
        .rposition(|byte| !versioned(byte))
        .map_or(0, |last| last + 1);
    INTERPRETERS.contains(&&name[..end])
}

/// A shell or interpreter that was told no program: it reads one from its input.
pub(in crate::detect) fn reads_input(process: &Process) -> bool {
    let name = called(process);
    let arguments: Vec<KernelString> = process.arguments().collect();
    let login = arguments
        .first()
        .is_some_and(|first| first.bytes.starts_with(b"-"));
    // What is called by another name has its own name first.
    let own: &[u8] = process.exe_name();
    let multi_call = matches!(own, b"busybox" | b"toybox")
        && arguments.first().is_some_and(|first| first.file_name() == own);
    let told = arguments.get(1 + usize::from(multi_call)..).unwrap_or_default();
    let unfed = if is_shell(&name) {
        shell_reads(told)
    } else {
        is_interpreter(&name) && interpreter_reads(told)
    };
    unfed && !login
}

/// `sh`, `sh -`, `sh -e`, `bash -s -- --now`; one that is for somebody at a terminal says so.
fn shell_reads(told: &[KernelString]) -> bool {
    for argument in told {
        match argument.bytes.as_slice() {
            b"-" | b"--" => return true,
            b"--login" => return false,
            [b'-', b'-', ..] => {}
            [b'-', letters @ ..] if letters.contains(&b's') => return true,
            [b'-', letters @ ..] if letters.iter().any(|letter| b"cil".contains(letter)) => return false,
            [b'-', ..] => {}
            _ => return false,
        }
    }
    true
}

/// `python3`, `python3 -`, `perl -w -`.
fn interpreter_reads(told: &[KernelString]) -> bool {
    let option = |argument: &&KernelString| argument.bytes.len() > 1 && argument.bytes.starts_with(b"-");
    let program = told.iter().find(|argument| !option(argument));
    told.is_empty() || program.is_some_and(|program| program.bytes == "-")
}

/// A service was made to run what was sent to it.
pub(super) fn from_service(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let name = called(&context.event.process);
    let parent = inner_ancestors(context.event).next()?;
    let by_name = service(parent).map(|service| (service, drift::SHELL_FROM_SERVICE.severity));
    let (service, severity) = by_name.or_else(|| main_program(context, parent))?;
    if !is_shell(&name) && !is_interpreter(&name) || is_ordinary(parent, exec) {
        return None;
    }
    if described::starts(context, exec.script().as_ref()) == Some(true) {
        return None;
    }
    let did = format!("was executed by the service {service}");
    let finding = finding(context, &drift::SHELL_FROM_SERVICE, &service, &did);
    Some(finding.severity(severity).with("service", service.as_str()))
}

/// What it is, or calls itself.
fn service(process: &Process) -> Option<String> {
    let own = called(process);
    let claimed = process.arguments().next().unwrap_or_default();
    let names: [&[u8]; 2] = [&own, claimed.file_name()];
    let service = names.into_iter().find(|name| is_service(name))?;
    Some(KernelString::from(service).to_text())
}

/// Beside a complete profile what the container was made for is a service, whatever its name: a shell that it starts, and that the profile does
/// not have it start, somebody else asked for. What starts shells for its work is none.
fn main_program(context: &DetectContext<'_>, parent: &Process) -> Option<(String, Severity)> {
    let event = context.event;
    let complete = described::executions(context)?.state() == ProfileState::Complete;
    let first = inner_ancestors(event).last()?;
    let main = parent.host_pid == first.host_pid && parent.exec_session == ExecSession::Entrypoint;
    let starter =
        is_shell(&called(parent)) || is_of_image(parent, &STARTERS) || is_of_image(parent, &SCHEDULERS);
    let shell = is_shell(&called(&event.process)) && !is_first(event);
    (complete && main && !starter && shell).then(|| (parent.exe.to_text(), Severity::High))
}

/// Varnish has its configuration compiled when it starts, and PostgreSQL asks which languages there are when a cluster is made.
fn is_ordinary(parent: &Process, exec: &Exec) -> bool {
    let compiler = |argument: KernelString| {
        argument.bytes.starts_with(b"exec gcc ") || argument.bytes.starts_with(b"exec cc ")
    };
    let languages = |argument: KernelString| argument.bytes == "locale -a";
    is_of_image(parent, &["varnishd"]) && exec.arguments().any(compiler)
        || is_of_image(parent, &["postgres"]) && exec.arguments().any(languages)
}

/// What it runs came through a pipe, or from nobody's file.
pub(super) fn piped(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let event = context.event;
    let parent = inner_ancestors(event).next()?;
    if !reads_input(&event.process) || is_first(event) || is_of_image(parent, &STARTERS) {
        return None;
    }
    if builds(event) || profile::executes(context, exec) == Some(true) {
        return None;
    }
    let did = "was told no program: it runs what it reads from its input";
    let finding = finding(context, &drift::PIPED_SCRIPT, &context.actor(), did);
    Some(if event.process.exec_session == ExecSession::Attached {
        finding.severity(Severity::Low)
    } else {
        finding
    })
}

/// The process that the runtime started, whatever image it has become: an entrypoint that goes on as a shell.
fn is_first(event: &EnrichedEvent) -> bool {
    inner_ancestors(event)
        .last()
        .is_none_or(|first| first.host_pid == event.process.host_pid)
}

/// Somebody entered the container with a shell. What is given a command (`sh -c`) is a health check more often than a person.
pub(super) fn of_session(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let process = &context.event.process;
    let attached = process.exec_session == ExecSession::Attached;
    let first = inner_ancestors(context.event).next().is_none();
    let told = exec.arguments().any(|argument| argument.bytes == "-c");
    if !attached || !first || told || !is_shell(&called(process)) {
        return None;
    }
    (profile::executes(context, exec) != Some(true)).then(|| {
        let did = "was started in a session beside the container's own program";
        finding(context, &drift::EXEC_SESSION_SHELL, "session", did)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, process, scene};
    use crate::event::Payload;
    use std::sync::Arc;

    /// A process that was made, not one that its parent became.
    fn started(exe: &str, args: &[&str], below: &[&str]) -> Scene {
        let mut scene = scene("acme/app", exe).below(below);
        scene.exe.args = args.join("\0").as_str().into();
        scene.exe.host_pid = 5000;
        scene
    }

    fn found(mut scene: Scene) -> Vec<(&'static str, Severity)> {
        let exec = scene.exec();
        let findings = scene.inspect(Payload::Exec(exec));
        findings
            .iter()
            .map(|finding| (finding.rule.id, finding.severity))
            .collect()
    }

    const CRITICAL: [(&str, Severity); 1] = [("drift.shell_from_service", Severity::Critical)];
    const PIPED: [(&str, Severity); 1] = [("drift.piped_script", Severity::Medium)];

    #[test]
    fn interpreters_are_known_with_their_versions() {
        for name in ["python3.11", "python", "perl5.36.0", "node", "php8.2"] {
            assert!(is_interpreter(name.as_bytes()), "{name}");
        }
        for name in ["php-fpm8.2", "python3-config", "3.11", "", "nodemon"] {
            assert!(!is_interpreter(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_service_that_executes_a_shell_is_found_by_what_it_is_or_calls_itself() {
        let shell = |below: &[&str]| started("/bin/sh", &["sh", "-c", "id"], below);
        assert_eq!(found(shell(&["/usr/sbin/nginx"])), CRITICAL);
        assert_eq!(found(shell(&["/usr/sbin/php-fpm8.2"])), CRITICAL);
        let perl = started("/usr/bin/perl", &["perl", "/tmp/x.pl"], &["/usr/sbin/httpd"]);
        assert_eq!(found(perl), CRITICAL);
        let mut masked = shell(&["/bin/bash"]);
        let python = Process {
            args: "nginx\0-c\0import os".into(),
            ..process("/usr/bin/python3.11")
        };
        masked.ancestors.insert(0, Arc::new(python));
        assert_eq!(found(masked), CRITICAL);
    }

    #[test]
    fn shells_of_others_and_what_the_profile_knows_are_no_service_s() {
        for parent in ["/usr/lib/postgresql/15/bin/initdb", "/usr/sbin/cron", "/bin/bash"] {
            assert_eq!(
                found(started("/bin/sh", &["sh", "-c", "id"], &[parent])),
                [],
                "{parent}"
            );
        }
        let worker = started(
            "/usr/sbin/nginx",
            &["nginx", "-s", "reload"],
            &["/usr/sbin/nginx"],
        );
        assert_eq!(found(worker), []);
        let vcl = started(
            "/bin/sh",
            &["sh", "-c", "exec gcc -O2 x.c"],
            &["/usr/sbin/varnishd"],
        );
        assert_eq!(found(vcl), []);
        let languages = |words| {
            started(
                "/bin/sh",
                &["sh", "-c", words],
                &["/usr/lib/postgresql/15/bin/postgres"],
            )
        };
        assert_eq!(found(languages("locale -a")), []);
        assert_eq!(found(languages("locale -a; id")), CRITICAL, "COPY … TO PROGRAM");
        let profile = "state: complete\nexec: [{path: /bin/sh, parents: [/usr/sbin/exim4]}]";
        let mail = |parent: &str| {
            found(started("/bin/sh", &["sh", "-c", "id"], &[parent]).with_profile(profile))
                .first()
                .copied()
        };
        assert_eq!(mail("/usr/sbin/exim4"), None);
        assert_eq!(mail("/usr/sbin/nginx"), CRITICAL.first().copied());
    }

    #[test]
    fn what_was_learned_of_a_shell_without_parents_says_nothing_of_services() {
        let beside = |parents: &str, source: &str| {
            let shell = started("/bin/sh", &["sh", "-c", "id"], &["/usr/sbin/nginx"]);
            let entry = format!("{{path: /bin/sh, parents: [{parents}], provenance: {{source: {source}}}}}");
            found(shell.with_profile(&format!("state: complete\nexec: [{entry}]")))
        };
        assert_eq!(beside("", "learned"), CRITICAL, "the entrypoint is one");
        assert_eq!(beside("", "image"), CRITICAL);
        assert_eq!(beside("/usr/sbin/nginx", "learned"), []);
        assert_eq!(beside("", "manual"), [], "a person means any");
    }

    #[test]
    fn beside_a_complete_profile_what_a_container_was_made_for_is_a_service() {
        let shell = |state: &str, below: &[&str]| {
            let learned = "exec: [{path: /bin/sh, provenance: {source: learned}}, {path: /app/server}]";
            let shell = started("/bin/sh", &["sh", "-c", "id"], below);
            found(shell.with_profile(&format!("state: {state}\n{learned}")))
        };
        let high = [("drift.shell_from_service", Severity::High)];
        assert_eq!(shell("complete", &["/app/server"]), high);
        assert_eq!(
            shell("complete", &["/app/server", "/bin/sh"]),
            high,
            "what the entrypoint became"
        );
        assert_eq!(shell("partial", &["/app/server"]), []);
        for starter in ["/bin/bash", "/usr/sbin/cron", "/usr/bin/tini"] {
            assert_eq!(shell("complete", &[starter]), [], "{starter}");
        }
    }

    #[test]
    fn what_comes_through_a_pipe_is_found() {
        for (exe, args) in [
            ("/bin/sh", vec!["sh"]),
            ("/bin/bash", vec!["bash", "-s", "--", "--now"]),
            ("/bin/bash", vec!["bash", "-e", "-x"]),
            ("/bin/busybox", vec!["busybox", "sh", "-"]),
            ("/usr/bin/python3.11", vec!["python3", "-"]),
            ("/usr/bin/perl", vec!["perl", "-w", "-"]),
            ("/usr/bin/node", vec!["node"]),
        ] {
            assert_eq!(found(started(exe, &args, &["/bin/bash"])), PIPED, "{args:?}");
        }
        let mut session = started("/bin/sh", &["sh"], &["/bin/bash"]);
        session.exe.exec_session = ExecSession::Attached;
        assert_eq!(found(session), [("drift.piped_script", Severity::Low)]);
    }

    #[test]
    fn what_was_told_a_program_or_is_for_somebody_reads_no_script() {
        for (exe, args) in [
            ("/bin/sh", vec!["sh", "-c", "true"]),
            ("/bin/sh", vec!["sh", "-ec", "true"]),
            ("/bin/sh", vec!["sh", "/app/run.sh", "-s"]),
            ("/bin/bash", vec!["-bash"]),
            ("/bin/bash", vec!["bash", "-l"]),
            ("/usr/bin/python3", vec!["python3", "-c", "x", "-"]),
            ("/usr/bin/python3", vec!["python3", "--version"]),
            ("/usr/bin/node", vec!["node", "server.js"]),
            ("/bin/cat", vec!["cat", "-"]),
        ] {
            assert_eq!(found(started(exe, &args, &["/bin/bash"])), [], "{args:?}");
        }
        let mut entrypoint = started("/bin/bash", &["bash"], &["/bin/sh"]);
        entrypoint.exe.host_pid = process("/bin/sh").host_pid;
        assert_eq!(found(entrypoint), [], "the entrypoint became it");
        assert_eq!(
            found(started("/bin/bash", &["bash"], &["/usr/bin/tini", "/bin/sh"])),
            []
        );
        assert_eq!(found(started("/bin/bash", &["bash"], &[])), [], "the first");
        let known = started("/bin/sh", &["sh"], &["/bin/bash"])
            .with_profile("state: complete\nexec: [{path: /bin/sh}]");
        assert_eq!(found(known), []);
    }

    #[test]
    fn a_session_with_a_shell_is_told_low() {
        let low = [("drift.exec_session_shell", Severity::Low)];
        let session = |exe: &str, below: &[&str]| {
            let mut scene = started(exe, &["sh"], below);
            scene.exe.exec_session = ExecSession::Attached;
            scene
        };
        assert_eq!(found(session("/bin/sh", &[])), low);
        let inner = [("drift.piped_script", Severity::Low)];
        assert_eq!(
            found(session("/bin/sh", &["/bin/bash"])),
            inner,
            "not the first one"
        );
        assert_eq!(found(session("/usr/bin/pg_isready", &[])), []);
        let mut check = started("/bin/sh", &["sh", "-c", "true"], &[]);
        check.exe.exec_session = ExecSession::Attached;
        assert_eq!(found(check), [], "a health check");
        assert_eq!(
            found(started("/bin/sh", &["sh", "-c", "x"], &[])),
            [],
            "the entrypoint"
        );
    }
}
