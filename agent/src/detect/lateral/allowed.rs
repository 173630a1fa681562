//! Executions that are the image's work.

use crate::detect::program::{BROUGHT, inner_ancestors, is_main};
use crate::detect::{Class, DetectContext};
use crate::event::{Exec, KernelString, RecordFlags, Script};
use crate::profile::{CompiledProfile, ExecQuery};

/// What the container was made for, or what its profile names.
pub(super) fn is_expected(context: &DetectContext<'_>, exec: &Exec) -> bool {
    let of_image = exec.file.flags & BROUGHT == 0;
    of_image && is_main(context.event) || executes(context, exec.script().as_ref())
}

/// Where a profile says what is executed: the event's program, as it was started, is among it.
pub(in crate::detect) fn executes(context: &DetectContext<'_>, script: Option<&Script>) -> bool {
    let describes = |profile: &&CompiledProfile| profile.judges(Class::Drift) && profile.describes_exec();
    let Some(profile) = context.profile.filter(describes) else {
        return false;
    };
    let process = &context.event.process;
    let arguments: Vec<KernelString> = process.arguments().skip(1).collect();
    let parent = inner_ancestors(context.event).next();
    let query = ExecQuery {
        path: &process.exe.bytes,
        arguments: &arguments,
        script,
        parent: parent.map(|parent| parent.exe.bytes.as_slice()),
    };
    // Who made another root names its files as he likes.
    let named = !process.exe.truncated && !context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    named && profile.exec(&query)
}
