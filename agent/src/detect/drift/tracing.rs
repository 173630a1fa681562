//! Processes of the own container that are traced: a tracer writes their code and registers.

use super::finding;
use crate::detect::credential::DEBUGGERS;
use crate::detect::program::{inner_ancestors, is_of_image};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{Call, CallName, Ptrace, PtraceOp};

/// `PTRACE_TRACEME`.
const TRACEME: u64 = 0;
/// Requests that begin to trace, or change who is traced: POKETEXT, POKEDATA, POKEUSR, SETREGS, SETFPREGS, ATTACH, SETREGSET, SEIZE.
const CHANGING: [u32; 8] = [4, 5, 6, 13, 15, 16, 0x4205, 0x4206];
/// Programs that trace what they run, or what has crashed.
const TRACERS: [&str; 5] = [
    "proot",
    "fakeroot-ng",
    "crashpad_handler",
    "chrome_crashpad_handler",
    "systemd-coredump",
];

/// Access by ptrace(2). Whoever may trace is also asked for when procfs is read: that alone says nothing of tracing.
pub(super) fn accessed(context: &DetectContext<'_>, access: &Ptrace) -> Option<Finding> {
    let header = &context.event.raw.header;
    let other = access.target_tgid != 0 && access.target_tgid != header.tgid;
    let own = access.target_slot == header.slot;
    let traces = access.op == PtraceOp::PTRACE && CHANGING.contains(&access.request);
    let process = &context.event.process;
    if !other || !own || !traces || is_of_image(process, &DEBUGGERS) || is_of_image(process, &TRACERS) {
        return None;
    }
    let did = "traces another process, or changed its code or registers";
    let finding = finding(context, &drift::PROCESS_TRACED, &context.actor(), did)
        .with("target_host_pid", access.target_tgid);
    Some(if header.ret < 0 {
        finding.severity(Severity::Medium)
    } else {
        finding
    })
}

/// A process that has its parent trace it keeps debuggers away, unless its parent is one.
pub(super) fn offered(context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
    if call.call != CallName::PTRACE || call.args[0] != TRACEME {
        return None;
    }
    let parent = inner_ancestors(context.event).next();
    let traced = std::iter::once(context.event.process.as_ref())
        .chain(parent)
        .any(|process| is_of_image(process, &DEBUGGERS) || is_of_image(process, &TRACERS));
    (!traced).then(|| {
        let did = "asked to be traced, which keeps debuggers away";
        finding(context, &drift::ANTI_DEBUG, &context.actor(), did)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, called, scene};
    use crate::event::{ExecId, Payload};

    const OWN_SLOT: u32 = 1;

    fn traced(
        mut scene: Scene,
        op: PtraceOp,
        request: u32,
        target_tgid: u32,
    ) -> Vec<(&'static str, Severity)> {
        let findings = scene.inspect(Payload::Ptrace(Ptrace {
            op,
            request,
            target_tgid,
            target_slot: OWN_SLOT,
            target: ExecId(0),
        }));
        findings
            .iter()
            .map(|finding| (finding.rule.id, finding.severity))
            .collect()
    }

    fn by(exe: &str) -> Scene {
        scene("acme/app", exe).below(&["/bin/bash"])
    }

    #[test]
    fn who_traces_another_process_of_the_container_is_found() {
        let high = [("drift.process_traced", Severity::High)];
        for request in [16, 0x4206, 4, 5, 13, 0x4205] {
            let found = traced(by("/usr/bin/python3"), PtraceOp::PTRACE, request, 99);
            assert_eq!(found, high, "{request}");
        }
        let mut fake = by("/tmp/gdb");
        fake.exe.file.flags |= crate::event::FileFlags::UPPER;
        assert_eq!(traced(fake, PtraceOp::PTRACE, 16, 99), high);
        let mut refused = by("/usr/bin/python3");
        refused.ret = -1;
        assert_eq!(
            traced(refused, PtraceOp::PTRACE, 16, 99),
            [("drift.process_traced", Severity::Medium)]
        );
    }

    #[test]
    fn debuggers_of_the_image_and_checks_of_access_are_no_tracing() {
        for exe in ["/usr/bin/gdb", "/usr/bin/strace"] {
            assert_eq!(traced(by(exe), PtraceOp::PTRACE, 16, 99), [], "{exe}");
        }
        assert_eq!(
            traced(by("/usr/bin/python3"), PtraceOp::ACCESS_CHECK, 0x12, 99),
            []
        );
        let own = by("/usr/bin/python3").exe.host_pid;
        assert_eq!(traced(by("/usr/bin/python3"), PtraceOp::PTRACE, 16, own), []);
    }

    #[test]
    fn who_asks_to_be_traced_keeps_debuggers_away() {
        let asked =
            |mut scene: Scene, request: u64| scene.rules(called(CallName::PTRACE, [request, 0, 0, 0]));
        assert_eq!(asked(by("/app/server"), TRACEME), ["drift.anti_debug"]);
        let child = || scene("acme/app", "/app/server").below(&["/usr/bin/gdb", "/bin/bash"]);
        assert!(asked(child(), TRACEME).is_empty());
        assert!(
            asked(by("/usr/bin/strace"), TRACEME).is_empty(),
            "before it executes"
        );
        assert!(asked(by("/app/server"), 3).is_empty());
    }
}
