//! What a profile says that has no effect in this build. No mistake: the format has room for it.

use super::model::{Connect, Profile};

/// Sentences for whoever wrote the profile.
#[must_use]
pub fn warnings(profile: &Profile) -> Vec<String> {
    profile.connect.iter().filter_map(unresolved).collect()
}

fn unresolved(entry: &Connect) -> Option<String> {
    let name = entry.dns.as_ref()?;
    Some(format!(
        "`connect` to {name}: names are not resolved yet, so this entry allows nothing; add one with `cidr` or `image`"
    ))
}
