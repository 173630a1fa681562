//! Scripts that were dropped. Of one that is executed the kernel gives its name only, so places that are known to be writable
//! decide. Whichever way an interpreter was told of a script, it opens it, and of an open the file is known.

use super::files::{IN_TEMPORARY, ON_VOLUME, is_below, is_temporary, writable_mount};
use super::interpreters::is_interpreter;
use super::{profile, weighed};
use crate::detect::program::{builds, called, is_shell};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Rule};
use crate::event::{Exec, FileFlags, FileOpen, RecordFlags, Script, Trust};
use agent_common::magic;

/// Where a process supervisor of the image (s6) writes the scripts that it runs.
const SUPERVISED: [&str; 4] = ["/run/s6", "/run/service/", "/var/run/s6", "/var/run/service/"];
/// A script that was executed by a descriptor: where it lies, if anywhere, is hidden.
const DESCRIPTORS: [&str; 2] = ["/dev/fd/", "/proc/self/fd/"];
/// Arguments among which a script's name is: options of the interpreter may stand before it.
const BEFORE_SCRIPT: usize = 3;

pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let script = exec.script()?;
    let path: &[u8] = &script.path.bytes;
    if is_below(path, &DESCRIPTORS) {
        let what = "a descriptor hides where it is";
        let finding = finding(context, &script, (&drift::EXEC_FROM_TMP, what));
        return Some(weighed(context, finding));
    }
    if profile::expects(context, exec, &script.path) {
        return None;
    }
    if is_temporary(path) && !is_below(path, &SUPERVISED) {
        let finding = finding(context, &script, (&drift::EXEC_FROM_TMP, IN_TEMPORARY));
        return Some(weighed(context, finding));
    }
    let mount = writable_mount(context, path)?;
    let finding = finding(context, &script, (&drift::EXEC_FROM_VOLUME, ON_VOLUME));
    Some(finding.with("volume", mount.source.as_str()))
}

fn finding(context: &DetectContext<'_>, script: &Script, (rule, what): (&'static Rule, &str)) -> Finding {
    let path = script.path.to_text();
    let summary = format!(
        "The script {path} was executed by {} in {}: {what}",
        context.actor(),
        context.container_name()
    );
    Finding::new(rule, path.as_str(), summary)
        .with("script", path)
        .with("script_trust", Trust::ARGUMENTS.name())
}

/// A script that the container wrote is read by who interprets it.
pub(super) fn dropped(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let header = &context.event.raw.header;
    let chrooted = header.flags.has(RecordFlags::CHROOTED);
    if header.ret < 0 || chrooted || !open.reads() || !is_brought(open) || !is_told(context, open) {
        return None;
    }
    if builds(context.event) || profile::expects_script(context, &open.path) {
        return None;
    }
    let path = open.path.to_text();
    let did = format!("runs the script {path}, which is not in the image");
    Some(super::finding(context, &drift::SCRIPT_DROPPED, &path, &did).with("script", path))
}

fn is_brought(open: &FileOpen) -> bool {
    let path: &[u8] = &open.path.bytes;
    let in_memory = open.file.magic == magic::TMPFS && !is_below(path, &SUPERVISED);
    open.file.is_profiled() && (open.file.flags & FileFlags::UPPER != 0 || in_memory)
}

/// The process is an interpreter, and this is the script that it was told to run.
fn is_told(context: &DetectContext<'_>, open: &FileOpen) -> bool {
    let process = &context.event.process;
    let name = called(process);
    let mut arguments = process.arguments().skip(1).take(BEFORE_SCRIPT);
    (is_shell(&name) || is_interpreter(&name))
        && arguments.any(|argument| argument.resolved_in(&process.cwd).bytes == open.path.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, image_file, open, scene};
    use crate::event::FileObject;

    fn read(scene: &mut Scene, file: FileObject, path: &str) -> Vec<&'static str> {
        let payload = open(file, path, "", 1);
        scene.rules(payload)
    }

    fn told(exe: &str, args: &[&str]) -> Scene {
        let mut scene = scene("acme/app", exe).below(&["/app/server"]);
        scene.exe.args = args.join("\0").as_str().into();
        scene.exe.cwd = "/opt".into();
        scene
    }

    fn upper() -> FileObject {
        FileObject {
            flags: FileFlags::OVERLAY | FileFlags::UPPER,
            ..image_file()
        }
    }

    const DROPPED: [&str; 1] = ["drift.script_dropped"];

    #[test]
    fn a_script_that_was_written_is_found_however_it_is_started() {
        for (exe, args) in [
            ("/usr/bin/dash", vec!["/bin/sh", "/opt/x.sh"]),
            ("/usr/bin/dash", vec!["sh", "-e", "x.sh", "now"]),
            ("/usr/bin/bash", vec!["bash", "./../opt/x.sh"]),
            ("/usr/bin/python3.11", vec!["python3", "-u", "/opt/x.sh"]),
            ("/bin/busybox", vec!["busybox", "sh", "/opt/x.sh"]),
        ] {
            assert_eq!(
                read(&mut told(exe, &args), upper(), "/opt/x.sh"),
                DROPPED,
                "{args:?}"
            );
        }
        let memory = FileObject {
            magic: magic::TMPFS,
            flags: 0,
            ..image_file()
        };
        let mut shell = told("/bin/sh", &["sh", "/dev/shm/.x"]);
        assert_eq!(read(&mut shell, memory, "/dev/shm/.x"), DROPPED);
    }

    #[test]
    fn what_is_in_the_image_or_only_read_is_no_script_that_was_dropped() {
        let mut own = told("/bin/sh", &["sh", "/opt/x.sh"]);
        assert!(read(&mut own, image_file(), "/opt/x.sh").is_empty());
        assert!(
            read(&mut own, upper(), "/opt/settings").is_empty(),
            "it reads more"
        );
        let mut cat = told("/bin/cat", &["cat", "/opt/x.sh"]);
        assert!(read(&mut cat, upper(), "/opt/x.sh").is_empty());
        let mut installed = told("/bin/sh", &["sh", "/opt/x.sh"]).below(&["/usr/bin/dpkg"]);
        assert!(read(&mut installed, upper(), "/opt/x.sh").is_empty());
    }

    #[test]
    fn a_profile_knows_the_interpreter_and_where_the_image_writes() {
        let exec = "state: complete\nexec: [{path: /bin/sh}]";
        let with = |yaml: &str| {
            let mut scene = told("/bin/sh", &["sh", "/opt/x.sh"]).with_profile(yaml);
            read(&mut scene, upper(), "/opt/x.sh")
        };
        assert!(with(exec).is_empty());
        assert!(with(&format!("{exec}\nfiles: {{write: [{{path: /opt}}]}}")).is_empty());
        assert_eq!(
            with(&format!("{exec}\nfiles: {{write: [{{path: /data}}]}}")),
            DROPPED
        );
        assert_eq!(with("state: complete\nexec: [{path: /app/server}]"), DROPPED);
    }
}
