//! Arguments of a new image.

use crate::count;
use crate::global::offset;
use crate::kernel::Kptr;
use crate::scratch::{self, Memory, Scratch};
use agent_common::counter::KernelError;
use agent_common::event::StrRef;

/// Arguments of the image, NUL-separated.
#[inline(always)]
pub fn arguments(scratch: *mut Scratch, task: Kptr, max: u32) -> StrRef {
    let Some(mm) = task.follow(offset!(task_mm)) else {
        return StrRef::default();
    };
    let start = mm.read_or_zero::<u64>(offset!(mm_arg_start));
    let end = mm.read_or_zero::<u64>(offset!(mm_arg_end));
    let len = end.saturating_sub(start);
    let len = if len > u64::from(max) { max + 1 } else { len as u32 };
    let args = scratch::append(scratch, Memory::User(start), len);
    if args.len == 0 && len != 0 {
        count::error(KernelError::USER_MEMORY);
    }
    args
}
