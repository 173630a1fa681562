//! Listeners that a shell found open: it serves what a service began to.

use super::Listener;
use crate::detect::program::{is_relay, is_shell};
use crate::detect::rules::listener;
use crate::detect::{Finding, described};

/// Of a listener that the image did not make.
pub(super) fn inspect(found: &Listener<'_>) -> Option<Finding> {
    let tool = is_shell(&found.program) || is_relay(&found.program);
    // Services that leave theirs open to what they execute have it in their profile.
    if !tool || found.is_expected() || described::executes(found.context, None) == Some(true) {
        return None;
    }
    let summary = format!(
        "It holds a listener that another program made: {}",
        found.sentence()
    );
    Some(Finding::new(&listener::INHERITED, found.object(), summary))
}
