//! The package's life in a root that is thrown away: installed, used, purged.

use super::tree::PROGRAM;
use crate::shell;
use agent_tests::command;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an installation has to leave behind beside the package's own files.
const ENABLED: &str = "etc/systemd/system/multi-user.target.wants/vigia.service";
const ALTERNATIVE: &str = "usr/bin/agent";
/// A rule that somebody writes, in a folder that the package has.
const OWN_RULE: &str = "etc/vigia/rules.d/shop.yaml";
/// What the agent writes.
const WRITTEN: [&str; 2] = ["var/lib/vigia/spool/1.segment", "var/log/vigia/alerts.ndjson"];
/// Where dpkg and update-alternatives write what they did.
const BOOKS: [&str; 3] = ["var/lib/dpkg", "var/log/dpkg.log", "var/log/alternatives.log"];

/// # Errors
/// When something is missing after the installation, does not run, or is left after the purge but a rule of somebody.
pub(super) fn run(package: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    let root = root.path();
    for folder in [
        "etc/alternatives",
        "var/lib/dpkg/alternatives",
        "var/lib/dpkg/updates",
        "var/lib/dpkg/info",
        "var/log",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::write(root.join("var/lib/dpkg/status"), "")?;
    shell::run(dpkg(root).arg("--install").arg(package))?;
    for link in [ENABLED, ALTERNATIVE] {
        let target = fs::read_link(root.join(link));
        target.with_context(|| format!("the installation makes no {link}"))?;
    }
    use_it(root)?;
    write_a_rule(root)?;
    for file in WRITTEN.map(|file| root.join(file)) {
        fs::create_dir_all(file.parent().unwrap_or(root))?;
        fs::write(file, "")?;
    }
    shell::run(dpkg(root).args(["--purge", "vigia"]))?;
    let left = files(root)?;
    if left != [Path::new(OWN_RULE)] {
        bail!("the purge leaves {left:?} instead of {OWN_RULE}");
    }
    Ok(())
}

/// Scripts run outside the root, which holds nothing that they could run; they are told where it is.
fn dpkg(root: &Path) -> Command {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg(format!("--root={}", root.display()));
    // What the program needs is on this machine, not in the root.
    dpkg.args(["--force-script-chrootless", "--force-depends"]);
    dpkg
}

fn use_it(root: &Path) -> Result<()> {
    let program = root.join(PROGRAM);
    let version = command::run(Command::new(&program).arg("--version"))?;
    ensure!(version.ends_with(super::VERSION), "{version}");
    let mut check = Command::new(&program);
    check.args(["config", "check", "--config"]);
    command::run(
        check
            .arg(root.join("etc/vigia/config.yaml"))
            .env_remove("VIGIA_CONFIG"),
    )?;
    Ok(())
}

/// Its folder is there, and the program takes the rule.
fn write_a_rule(root: &Path) -> Result<()> {
    let rule = root.join(OWN_RULE);
    fs::copy(shell::workspace().join("tests/user-rules/shop.yaml"), &rule)
        .with_context(|| format!("cannot write {OWN_RULE}"))?;
    let mut test = Command::new(root.join(PROGRAM));
    command::run(test.args(["rules", "test"]).arg(&rule))?;
    Ok(())
}

/// Everything below that is no folder.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut find = Command::new("find");
    let told = command::run(find.arg(root).args(["!", "-type", "d", "-printf", "%P\\n"]))?;
    let is_book = |path: &&str| BOOKS.iter().any(|book| path.starts_with(book));
    Ok(told
        .lines()
        .filter(|path| !is_book(path))
        .map(PathBuf::from)
        .collect())
}
