//! Files that the profile does not have the image write.

use super::profile::deviation;
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, described};
use crate::event::{FileOpen, RecordFlags};

/// Of an open for writing that a profile with such files does not name.
pub(super) fn outside_profile(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let profile = described::writes(context)?;
    let path = &open.path;
    let chrooted = context.event.raw.header.flags.has(RecordFlags::CHROOTED);
    let named = !chrooted && described::may_write(context, path);
    if !open.writes() || !open.file.is_profiled() || named {
        return None;
    }
    let summary = format!(
        "{} in {} opened {} for writing, which its profile does not name",
        context.actor(),
        context.container_name(),
        path.to_text()
    );
    let finding = Finding::new(&drift::WRITE_OUTSIDE_PROFILE, path.to_text(), summary);
    Some(deviation(context, profile, finding))
}
