//! What an event changed, by whatever call.

use crate::detect::DetectContext;
use crate::event::{AttributeOp, KernelString, Payload};

const O_TRUNC: u32 = 0o1000;

/// What became of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::detect) enum Change {
    /// Opened for writing, or made so.
    Written,
    /// Cut, or opened so.
    Emptied,
    /// A file or link was put there.
    Placed,
    Removed,
}

/// The names that the event changed, with what became of each.
pub(in crate::detect) fn changes<'a>(context: &DetectContext<'a>) -> Vec<(&'a KernelString, Change)> {
    if context.event.raw.header.ret < 0 {
        return Vec::new();
    }
    match &context.event.raw.payload {
        Payload::FileOpen(open) if open.writes() && !open.made() && open.open_flags & O_TRUNC != 0 => {
            vec![(&open.path, Change::Emptied)]
        }
        Payload::FileOpen(open) if open.writes() => vec![(&open.path, Change::Written)],
        Payload::Setattr(change) if change.op == AttributeOp::TRUNCATE => {
            vec![(&change.path, Change::Emptied)]
        }
        Payload::Unlink(removed) => vec![(&removed.path, Change::Removed)],
        Payload::Link(made) | Payload::Symlink(made) => vec![(&made.new_path, Change::Placed)],
        Payload::Rename(moved) => vec![(&moved.new_path, Change::Placed), (&moved.path, Change::Removed)],
        _ => Vec::new(),
    }
}
