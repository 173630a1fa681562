//! Around the check of who may be executed: what was refused in a place for temporary files, and the loader of programs, which
//! runs a file that nobody may execute.

use super::files::is_temporary;
use super::{finding, profile, weighed};
use crate::detect::program::{called, inner_ancestors, is_shell};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding};
use crate::event::{Attempt, Exec, KernelString};

const EACCES: i32 = -13;
const LOADERS: [&[u8]; 5] = [b"ld-linux", b"ld-musl", b"ld64.so", b"ld.so", b"ld-2."];
/// With these it runs nothing.
const ASKING: [&[u8]; 6] = [
    b"--list",
    b"--verify",
    b"--help",
    b"--version",
    b"--list-tunables",
    b"--list-diagnostics",
];
/// What follows these is no program.
const WITH_VALUE: [&[u8]; 7] = [
    b"--library-path",
    b"--inhibit-rpath",
    b"--audit",
    b"--preload",
    b"--argv0",
    b"--glibc-hwcaps-prepend",
    b"--glibc-hwcaps-mask",
];

/// An execution that was refused: on a mount without execution, or of a file that nobody may execute.
pub(super) fn refused(context: &DetectContext<'_>, attempt: &Attempt) -> Option<Finding> {
    if context.event.raw.header.ret != EACCES || !is_temporary(&attempt.path.bytes) {
        return None;
    }
    let path = attempt.path.to_text();
    let did = format!("was refused to execute {path}, in a place for temporary files");
    let finding = finding(context, &drift::EXEC_REFUSED, &path, &did);
    Some(weighed(context, finding))
}

/// A loader that was executed by its own name, to run a file.
pub(super) fn used(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let name: &[u8] = context.event.process.exe_name();
    if !LOADERS.iter().any(|loader| name.starts_with(loader)) {
        return None;
    }
    let program = program(exec)?;
    if is_of_ldd(context, exec) || profile::executes(context, exec) == Some(true) {
        return None;
    }
    let path = program.to_text();
    let did = format!("was told to run {path}, whatever its mode and mount say");
    Some(finding(context, &drift::LOADER_USED, &path, &did).with("program", path))
}

/// The first argument that is no option of the loader's.
fn program(exec: &Exec) -> Option<KernelString> {
    let mut arguments = exec.arguments().skip(1);
    while let Some(argument) = arguments.next() {
        let word = argument.bytes.as_slice();
        if ASKING.contains(&word) {
            return None;
        }
        if WITH_VALUE.contains(&word) {
            arguments.next();
        } else if !word.starts_with(b"--") {
            return Some(argument);
        }
    }
    None
}

/// It shows libraries: a script that says so in the environment, or musl's loader by another name.
fn is_of_ldd(context: &DetectContext<'_>, exec: &Exec) -> bool {
    let musl = context.event.process.exe_name().starts_with(b"ld-musl");
    let named = exec
        .arguments()
        .next()
        .is_some_and(|name| name.file_name() == "ldd");
    let parent = inner_ancestors(context.event).next();
    musl && named
        || parent.is_some_and(|parent| {
            let is_ldd =
                |argument: KernelString| matches!(argument.bytes.as_slice(), b"/usr/bin/ldd" | b"/bin/ldd");
            is_shell(&called(parent)) && parent.arguments().take(3).any(is_ldd)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, scene};
    use crate::event::Payload;
    use crate::process::Process;
    use std::sync::Arc;

    const GLIBC: &str = "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2";
    const MUSL: &str = "/lib/ld-musl-x86_64.so.1";

    fn executed(mut scene: Scene, args: &[&str]) -> Vec<&'static str> {
        let payload = scene.executed(args);
        scene.rules(payload)
    }

    fn by(exe: &str) -> Scene {
        scene("acme/app", exe).below(&["/bin/bash"])
    }

    #[test]
    fn a_loader_that_runs_a_file_is_found() {
        let used = ["drift.loader_used"];
        assert_eq!(executed(by(GLIBC), &["/lib64/ld.so", "/tmp/nox"]), used);
        let options = [
            "ld.so",
            "--library-path",
            "/tmp",
            "--inhibit-cache",
            "/tmp/nox",
            "--list",
        ];
        assert_eq!(executed(by(GLIBC), &options), used);
        assert_eq!(executed(by("/lib/ld-2.31.so"), &["ldd", "/tmp/nox"]), used);
        assert_eq!(executed(by(MUSL), &["ld", "/dev/shm/y"]), used);
    }

    #[test]
    fn a_loader_that_only_shows_is_none() {
        assert!(executed(by(GLIBC), &["ld.so", "--list", "/bin/true"]).is_empty());
        assert!(executed(by(GLIBC), &["ld.so", "--verify", "/bin/true"]).is_empty());
        assert!(executed(by(GLIBC), &["ld.so"]).is_empty());
        assert!(executed(by(MUSL), &["/usr/bin/ldd", "/bin/true"]).is_empty());
        let mut ldd = by(GLIBC);
        let script = Process {
            args: "/bin/bash\0/usr/bin/ldd\0/bin/true".into(),
            ..crate::detect::testing::process("/usr/bin/bash")
        };
        ldd.ancestors.insert(0, Arc::new(script));
        assert!(executed(ldd, &["ld.so", "/bin/true"]).is_empty());
        let known = by(GLIBC).with_profile(&format!("state: complete\nexec: [{{path: {GLIBC}}}]"));
        assert!(executed(known, &["ld.so", "/opt/app"]).is_empty());
    }

    #[test]
    fn what_is_refused_in_a_place_for_temporary_files_is_told() {
        let refused = |path: &str, ret: i32| {
            let mut scene = by("/bin/bash");
            scene.ret = ret;
            scene.rules(Payload::ExecAttempt(Attempt { path: path.into() }))
        };
        for path in ["/dev/shm/y", "/tmp/.x/run", "/var/tmp/a"] {
            assert_eq!(refused(path, EACCES), ["drift.exec_refused"], "{path}");
            assert!(refused(path, -8).is_empty(), "no format of the kernel's");
        }
        assert!(refused("/docker-entrypoint.sh", EACCES).is_empty());
    }
}
