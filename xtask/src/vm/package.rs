//! Which package holds a kernel series, and its download: by the machine's own package sources, else by sources of
//! ours in a folder of ours. The system's lists of sources are never touched.

use crate::shell;
use agent_tests::capability;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian releases that this machine need not have among its sources, by kernel series. A release moves from the
/// mirrors to the archive some time after its end.
const OTHER_SOURCES: [(&str, &[&str]); 2] = [
    (
        "5.10",
        &[
            "http://deb.debian.org/debian bullseye main",
            "http://deb.debian.org/debian-security bullseye-security main",
        ],
    ),
    ("5.10", &["http://archive.debian.org/debian bullseye main"]),
];

/// What signs them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads the newest kernel package of a series into `folder`, which is empty before.
///
/// # Errors
/// When no source has the series, or it cannot be downloaded.
pub(super) fn download(series: &str, folder: &Path) -> Result<PathBuf> {
    let system = Apt::default();
    if let Some(package) = system.package_of(series) {
        return system.download(&package, folder);
    }
    if capability::is_root() {
        system.update()?;
        if let Some(package) = system.package_of(series) {
            return system.download(&package, folder);
        }
    }
    for (_, sources) in OTHER_SOURCES.iter().filter(|(named, _)| *named == series) {
        let state = tempfile::tempdir()?;
        let private = Apt::private(state.path(), sources)?;
        match private.update() {
            Ok(()) => {}
            Err(error) => {
                shell::say(&format!("{error:#}"));
                continue;
            }
        }
        if let Some(package) = private.package_of(series) {
            return private.download(&package, folder);
        }
    }
    bail!("no package source has a kernel {series}: neither this machine's nor Debian's older releases")
}

/// apt with its options.
#[derive(Debug, Default)]
struct Apt {
    options: Vec<String>,
}

impl Apt {
    /// With these sources only, and with lists and downloads in `folder`.
    fn private(folder: &Path, sources: &[&str]) -> Result<Self> {
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        let list = folder.join("sources.list");
        let lines = sources
            .iter()
            .map(|source| format!("deb [signed-by={KEYRING}] {source}\n"));
        fs::write(&list, lines.collect::<String>())?;
        let at = |option: &str, path: PathBuf| format!("{option}={}", path.display());
        Ok(Self {
            options: vec![
                at("Dir::Etc::SourceList", list),
                "Dir::Etc::SourceParts=/dev/null".to_owned(),
                at("Dir::State::Lists", folder.join("lists")),
                at("Dir::Cache", folder.join("cache")),
                // Lists of a release that has ended are out of date by intent; their signatures still count.
                "Acquire::Check-Valid-Until=false".to_owned(),
            ],
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }

    fn update(&self) -> Result<()> {
        shell::run(self.command("apt-get").args(["update", "-qq"]))
    }

    /// The package that the series' metapackage names today.
    fn package_of(&self, series: &str) -> Option<String> {
        let metapackages = [
            format!("linux-image-{series}-cloud-amd64"),
            "linux-image-cloud-amd64".to_owned(),
        ];
        metapackages
            .iter()
            .find_map(|metapackage| self.dependency_of(metapackage, series))
    }

    fn dependency_of(&self, metapackage: &str, series: &str) -> Option<String> {
        let output = self
            .command("apt-cache")
            .args(["depends", metapackage])
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let packages = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "));
        let of_series = format!("linux-image-{series}.");
        packages
            .map(str::to_owned)
            .find(|package| package.starts_with(&of_series))
    }

    fn download(&self, package: &str, folder: &Path) -> Result<PathBuf> {
        shell::run(
            self.command("apt-get")
                .args(["download", package])
                .current_dir(folder),
        )?;
        let archive = fs::read_dir(folder)?
            .next()
            .with_context(|| format!("apt-get left nothing in {}", folder.display()))?;
        Ok(archive?.path())
    }
}
