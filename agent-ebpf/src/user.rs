//! Who is root: in its user namespace, whatever the initial one calls it.

use crate::global::offset;
use crate::kernel::Kptr;

/// Credentials of a task. Not those that it may act with for a while.
#[inline(always)]
pub fn credentials(task: Kptr) -> Kptr {
    Kptr(task.read_or_zero(offset!(task_real_cred)))
}

/// The uid that is root in the credentials' user namespace, as the initial one counts: that of the first range of the map.
#[inline(always)]
pub fn root_of(cred: Kptr) -> u32 {
    let namespace = Kptr(cred.read_or_zero(offset!(cred_user_ns)));
    let [first, mapped] = namespace.read_or_zero::<[u32; 2]>(offset!(user_uid_map));
    if first == 0 { mapped } else { 0 }
}

/// Effective user, as the initial user namespace counts.
#[inline(always)]
pub fn effective(cred: Kptr) -> u32 {
    cred.read_or_zero(offset!(cred_euid))
}
