//! What a profile says that has no effect in this build. No mistake: the format has room for it.

use super::model::{Connect, Profile};

/// Sentences for whoever wrote the profile.
#[must_use]
pub fn warnings(profile: &Profile) -> Vec<String> {
    let unused = [
        ("files", !profile.files.is_empty()),
        ("capabilities", !profile.capabilities.is_empty()),
    ];
    let sections = unused
        .into_iter()
        .filter(|(_, present)| *present)
        .map(|(section, _)| format!("`{section}` is kept, but no rule uses it yet"));
    let names = profile.connect.iter().filter_map(unresolved);
    sections.chain(names).collect()
}

fn unresolved(entry: &Connect) -> Option<String> {
    let name = entry.dns.as_ref()?;
    Some(format!(
        "`connect` to {name}: names are not resolved yet, so this entry allows nothing; add one with `cidr` or `image`"
    ))
}
