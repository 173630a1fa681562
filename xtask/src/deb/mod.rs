//! `cargo xtask deb`: the Debian package, laid out here and packed by dpkg-deb.

mod licences;
mod tree;
mod trial;

use crate::build;
use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::capability::is_root;
use agent_tests::image::libraries_of;
use agent_tests::paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tree::Tree;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As CI does: pack the development build, show it to lintian, install and purge it, check its unit.
    #[arg(long)]
    check: bool,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.check {
        setup::ensure(&[Purpose::Checks])?;
        check()?;
    } else {
        println!("{}", pack(&build::build_static()?, &[])?.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// lintian has nothing to say of the package, it comes and goes without a trace, and systemd reads its unit.
///
/// # Errors
/// With what they say.
pub(crate) fn check() -> Result<()> {
    let package = pack_dev()?;
    let mut lintian = Command::new("lintian");
    lintian.args(["--fail-on", "error,warning", "--tag-display-limit", "0"]);
    if !is_root() {
        shell::run(lintian.arg(&package))?;
        shell::say("installing the package needs root: not tried");
        return check_unit(&package);
    }
    shell::run(lintian.arg("--allow-root").arg(&package))?;
    trial::run(&package)?;
    check_unit(&package)
}

/// Beside what its lines say, how much the unit exposes: 4.0 of 10 at most.
fn check_unit(package: &Path) -> Result<()> {
    let root = tempfile::tempdir()?;
    shell::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(root.path()))?;
    let unit = root.path().join(tree::UNIT);
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--no-pager", "--offline=true", "--threshold=40"]);
    shell::run(security.arg(&unit))?;
    // It looks for the program where the unit says that it is: in the package, not on this machine.
    let text = fs::read_to_string(&unit)?;
    let program = root.path().join(tree::PROGRAM);
    let installed = text.replace(&format!("/{}", tree::PROGRAM), &program.to_string_lossy());
    fs::write(&unit, installed)?;
    let mut verify = Command::new("systemd-analyze");
    shell::run(verify.args(["verify", "--man=no"]).arg(&unit))
}

/// Packed in a fifth of the time: nobody fetches it.
fn pack_dev() -> Result<PathBuf> {
    pack(&build::build_for_tests()?, &["-z1"])
}

fn pack(agent: &Path, options: &[&str]) -> Result<PathBuf> {
    let folder = paths::target_dir().join("deb");
    fs::create_dir_all(&folder)?;
    let scratch = tempfile::tempdir_in(&folder)?;
    let changelog = Changelog::read()?;
    let depends = dependencies(agent, scratch.path())?;
    let tree = Tree::lay_out(scratch.path().join("root"), agent)?;
    let architecture = architecture()?;
    tree.describe(&[
        ("Version", &changelog.version),
        ("Architecture", architecture),
        ("Depends", &depends),
    ])?;
    let package = folder.join(format!("vigia_{}_{architecture}.deb", changelog.version));
    let mut pack = Command::new("dpkg-deb");
    pack.args(options).args(["--root-owner-group", "--build"]);
    // The same content gives the same package.
    pack.env("SOURCE_DATE_EPOCH", changelog.unix_time()?);
    shell::run(pack.arg(tree.root()).arg(&package))?;
    Ok(package)
}

/// As Debian calls this machine.
fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("amd64"),
        "aarch64" => Ok("arm64"),
        other => bail!("the agent is not built for {other}"),
    }
}

/// The head and the last line of Debian's changelog.
struct Changelog {
    version: String,
    date: String,
}

impl Changelog {
    fn read() -> Result<Self> {
        let file = shell::workspace().join("deploy/debian/changelog");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let changelog = Self::parse(&text).with_context(|| format!("{}: no entry", file.display()))?;
        if changelog.version != VERSION {
            bail!(
                "{}:1: it begins with version {}, the program is {VERSION}\n  help: add an entry",
                file.display(),
                changelog.version
            );
        }
        Ok(changelog)
    }

    fn parse(text: &str) -> Option<Self> {
        let (_, version) = text.lines().next()?.split_once('(')?;
        let (version, _) = version.split_once(')')?;
        let signed = text.lines().find(|line| line.starts_with(" -- "))?;
        let (_, date) = signed.split_once(">  ")?;
        Some(Self {
            version: version.to_owned(),
            date: date.to_owned(),
        })
    }

    fn unix_time(&self) -> Result<String> {
        agent_tests::command::run(Command::new("date").args(["-u", "+%s", "--date", &self.date]))
    }
}

/// Packages whose libraries the program loads.
fn dependencies(agent: &Path, scratch: &Path) -> Result<String> {
    if libraries_of(agent)?.is_empty() {
        return Ok(String::new());
    }
    // dpkg-shlibdeps reads the description of a source package, whatever it says.
    fs::create_dir_all(scratch.join("debian"))?;
    fs::write(
        scratch.join("debian/control"),
        "Source: vigia\n\nPackage: vigia\nArchitecture: any\n",
    )?;
    let mut shlibdeps = Command::new("dpkg-shlibdeps");
    shlibdeps.arg("-O").arg(agent).current_dir(scratch);
    let told = agent_tests::command::run(&mut shlibdeps)?;
    let depends = told.strip_prefix("shlibs:Depends=");
    Ok(depends
        .with_context(|| format!("dpkg-shlibdeps says: {told}"))?
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_is_of_this_version() {
        let changelog = Changelog::read().unwrap();
        assert_eq!(changelog.version, VERSION);
        assert!(changelog.unix_time().unwrap().parse::<u64>().unwrap() > 1_700_000_000);
        assert!(Changelog::parse("vigia\n").is_none());
    }
}
