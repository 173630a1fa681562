//! Links: names that lead to a file that has one already, and names that are only text.

use super::super::{Check, Stage, word};
use super::{change, changes, check, file, folder, is_resolved, is_urgent, stands_in};
use agent::kernel::Capability;
use anyhow::{Context, Result, ensure};
use std::fs;

pub(super) const CHECKS: &[Check] = &[
    check(Capability::Create, "link", &["link"], link),
    check(
        Capability::Create,
        "linkat below a descriptor",
        &["link"],
        link_in,
    ),
    check(
        Capability::Create,
        "a link to a set user ID program",
        &[],
        link_setid,
    ),
    check(Capability::Create, "symlink", &["symlink"], symlink),
    check(
        Capability::Create,
        "symlinkat below a descriptor",
        &["symlink"],
        symlink_in,
    ),
    check(
        Capability::Create,
        "a symlink that leads elsewhere is another behaviour",
        &["symlink"],
        symlink_elsewhere,
    ),
];

fn link(stage: &mut Stage<'_>) -> Result<()> {
    let (from, to) = (folder(stage, "link-from")?, folder(stage, "link-to")?);
    let (old, new) = (file(&from, "old")?, to.join("new"));
    stage.act(&format!("link {} {}", word(&old), word(&new)))?;
    stage.act(&format!("link {} {}", word(&old), word(&to.join("third"))))?;
    let found = change(stage, Capability::Create)?;
    let (_, name) = &found;
    ensure!(name.path.to_text() == word(&old), "of {}", name.path);
    ensure!(name.new_path.to_text() == word(&new), "as {}", name.new_path);
    stands_in(stage, Capability::Create, &found, &to)?;
    ensure!(changes(stage)? == 1, "{} records", changes(stage)?);
    Ok(())
}

fn link_in(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "link-in")?;
    file(&folder, "old")?;
    stage.act(&format!("link-in {} old new", word(&folder)))?;
    let (_, name) = change(stage, Capability::Create)?;
    ensure!(
        name.new_path.to_text() == word(&folder.join("new")),
        "as {}",
        name.new_path
    );
    Ok(())
}

fn link_setid(stage: &mut Stage<'_>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !is_resolved(stage, Capability::Create)? {
        // Arguments do not tell what kind of file it is.
        return Ok(());
    }
    let folder = folder(stage, "link-setid")?;
    let (plain, program) = (file(&folder, "plain")?, file(&folder, "program")?);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755))?;
    stage.act(&format!("link {} {}", word(&plain), word(&folder.join("one"))))?;
    stage.world.forget()?;
    stage.act(&format!("link {} {}", word(&program), word(&folder.join("two"))))?;
    let (_, name) = change(stage, Capability::Create)?;
    ensure!(name.path.to_text() == word(&program), "of {}", name.path);
    Ok(())
}

fn symlink(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "symlink")?;
    let link = folder.join("link");
    stage.act(&format!("symlink there/one {}", word(&link)))?;
    stage.act(&format!("symlink there/two {}", word(&folder.join("other"))))?;
    let found = change(stage, Capability::Create)?;
    let (header, name) = &found;
    ensure!(name.path.to_text() == "there/one", "text {}", name.path);
    ensure!(name.new_path.to_text() == word(&link), "link {}", name.new_path);
    ensure!(!is_urgent(header), "flags {:#x}", header.flags.0);
    stands_in(stage, Capability::Create, &found, &folder)?;
    ensure!(changes(stage)? == 1, "{} records", changes(stage)?);
    Ok(())
}

fn symlink_in(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "symlink-in")?;
    stage.act(&format!("symlink-in {} text link", word(&folder)))?;
    let (_, name) = change(stage, Capability::Create)?;
    ensure!(name.path.to_text() == "text", "text {}", name.path);
    ensure!(
        name.new_path.to_text() == word(&folder.join("link")),
        "link {}",
        name.new_path
    );
    Ok(())
}

/// Behind an ordinary one in the same directory.
fn symlink_elsewhere(stage: &mut Stage<'_>) -> Result<()> {
    let folder = folder(stage, "symlink-elsewhere")?;
    stage.act(&format!("symlink ordinary {}", word(&folder.join("first"))))?;
    for (number, text) in ["/", "/proc/1/root", "../../../../../etc"]
        .into_iter()
        .enumerate()
    {
        stage.world.forget()?;
        let link = folder.join(format!("elsewhere-{number}"));
        stage.act(&format!("symlink {text} {}", word(&link)))?;
        let (_, name) = change(stage, Capability::Create).context(text)?;
        ensure!(name.path.to_text() == text, "text {}", name.path);
    }
    Ok(())
}
