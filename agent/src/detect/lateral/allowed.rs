//! Executions that are the image's work.

use crate::detect::program::{BROUGHT, is_main};
use crate::detect::{DetectContext, described};
use crate::event::Exec;

/// What the container was made for, or what its profile names.
pub(super) fn is_expected(context: &DetectContext<'_>, exec: &Exec) -> bool {
    let of_image = exec.file.flags & BROUGHT == 0;
    of_image && is_main(context.event) || described::executes(context, exec.script().as_ref()) == Some(true)
}
