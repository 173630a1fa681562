//! What a profile says that does less than it seems to. No mistake: the format has room for it.

use super::model::{Mode, Profile};
use crate::detect::Class;

/// Sentences for whoever wrote the profile.
#[must_use]
pub fn warnings(profile: &Profile) -> Vec<String> {
    undenied(profile).into_iter().collect()
}

/// The kernel knows no names: where an entry has one, it leaves contacts to the daemon, all of the profile's.
fn undenied(profile: &Profile) -> Option<String> {
    let enforced = profile.mode.get(&Class::Lateral) == Some(&Mode::Enforce);
    let mut named = profile.connect.iter().filter_map(|entry| entry.dns.as_ref());
    let name = named.next().filter(|_| enforced)?;
    let others = match named.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "`connect` to {name}{others}: the kernel knows no names, so no contact of this profile is denied, each is judged afterwards; \
         write `cidr` or `image` in place of `dns` to have contacts denied"
    ))
}
