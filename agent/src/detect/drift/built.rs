//! Programs that were linked in the container. They are not the image's either, but each of them is no drop of its own.

use crate::detect::per_container::PerContainer;
use crate::detect::program::{BROUGHT, called};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::BootTime;
use std::time::Duration;

/// What is executed this long after a linker may be its work.
const WINDOW: Duration = Duration::from_secs(600);
/// Behind the triple of the machine, where there is one.
const LINKERS: [&[u8]; 9] = [
    b"ld",
    b"ld.bfd",
    b"ld.gold",
    b"ld.lld",
    b"lld",
    b"mold",
    b"collect2",
    b"rustc",
    b"go",
];

/// When a linker of the image was executed last.
pub(super) type Built = Option<BootTime>;

/// Remembers a linker.
pub(super) fn note(built: &mut PerContainer<Built>, context: &DetectContext<'_>) {
    let process = &context.event.process;
    let name = called(process);
    let tool = name.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    if process.file.flags & BROUGHT == 0
        && LINKERS.contains(&tool)
        && let Some(last) = built.note(context)
    {
        *last = Some(context.time());
    }
}

/// A linker was at work in the event's container.
pub(super) fn lately(built: &PerContainer<Built>, context: &DetectContext<'_>) -> bool {
    let last = built.get(context.event).copied().flatten();
    last.is_some_and(|last| context.time().since(last) < WINDOW)
}

/// What may have been linked there: one deed, whoever executes it, and no worse than high.
pub(super) fn weighed(finding: Finding, built: bool) -> Finding {
    let dropped = finding.rule == &drift::EXEC_FROM_UPPER || finding.rule == &drift::EXEC_FROM_TMP;
    if !built || !dropped {
        return finding;
    }
    let severity = finding.severity.min(Severity::High);
    finding.severity(severity).step_of(super::BUILDING)
}

#[cfg(test)]
mod tests {
    use crate::detect::Severity;
    use crate::detect::testing::{SECOND, Scene, image_file, process, scene};
    use crate::event::{FileFlags, FileObject, Payload};

    fn executed(
        scene: &mut Scene,
        exe: &str,
        file: FileObject,
    ) -> Vec<(&'static str, Severity, Option<String>)> {
        scene.exe = process(exe);
        scene.exe.file = file;
        let exec = scene.exec();
        let findings = scene.inspect(Payload::Exec(exec));
        findings
            .into_iter()
            .map(|finding| (finding.rule.id, finding.severity, finding.deed))
            .collect()
    }

    fn brought() -> FileObject {
        FileObject {
            flags: FileFlags::OVERLAY | FileFlags::UPPER,
            ..image_file()
        }
    }

    #[test]
    fn what_a_linker_of_the_image_made_is_one_deed_for_a_while() {
        let rule = "drift.exec_from_upper";
        let dropped = (rule, Severity::Critical, None);
        let built = (rule, Severity::High, Some("building".to_owned()));
        let mut scene = scene("acme/ci", "/bin/sh").below(&["/bin/bash"]);
        let dropped = std::slice::from_ref(&dropped);
        assert_eq!(executed(&mut scene, "/src/a", brought()), dropped);
        executed(&mut scene, "/usr/bin/x86_64-linux-gnu-ld.bfd", image_file());
        assert_eq!(executed(&mut scene, "/src/b", brought()), [built]);
        scene.now_ns += 601 * SECOND;
        assert_eq!(executed(&mut scene, "/src/c", brought()), dropped);
        // His own linker links nothing for anybody.
        executed(&mut scene, "/src/ld", brought());
        assert_eq!(executed(&mut scene, "/src/d", brought()), dropped);
    }
}
