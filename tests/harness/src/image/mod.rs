//! Container images made on the spot: from busybox, or from Debian packages. Cached as archives; a changed recipe
//! makes new ones.

mod agent;
mod archive;
mod rootfs;

pub use agent::{agent_archive_in, libraries_of, strip, write_agent_archive};
pub use archive::{ImageConfig, read_layer, write_archive};
pub use rootfs::write_busybox_layer;

use crate::paths;
use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The smallest image: a static busybox. `sleep` is its command.
pub const BUSYBOX: &str = "lab.local/busybox:1";
pub const NGINX: &str = "lab.local/nginx:1.22";
pub const REDIS: &str = "lab.local/redis:7";
pub const POSTGRES: &str = "lab.local/postgres:15";
pub const SSHD: &str = "lab.local/sshd:1";
pub const HTTPD: &str = "lab.local/httpd:2.4";
/// A shell with curl, nc and socat; what an attacker would bring.
pub const TOOLBOX: &str = "lab.local/toolbox:1";
/// What the corpus' images are made of; [`crate::corpus`] adds its cases.
pub const CORPUS_ATTACK: &str = "lab.local/corpus-attack:1";
pub const CORPUS_BENIGN: &str = "lab.local/corpus-benign:1";

/// Images that are made and cached together, because they share their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// [`BUSYBOX`]; takes no time.
    Busybox,
    /// [`NGINX`], [`REDIS`], [`POSTGRES`], [`SSHD`], [`HTTPD`], [`TOOLBOX`]; a minute when they are not cached.
    Services,
    /// [`CORPUS_ATTACK`]; half a minute when it is not cached.
    CorpusAttack,
    /// [`CORPUS_BENIGN`]; a minute when it is not cached.
    CorpusBenign,
}

impl Set {
    fn name(self) -> &'static str {
        match self {
            Self::Busybox => "busybox",
            Self::Services => "services",
            Self::CorpusAttack => "corpus-attack",
            Self::CorpusBenign => "corpus-benign",
        }
    }

    fn recipe(self) -> Result<String> {
        let images: Vec<String> = self
            .images()
            .iter()
            .map(|image| format!("{} {}", image.name, image.config))
            .collect();
        let content = match self {
            Self::Busybox => busybox_version()?,
            Self::Services => rootfs::services_recipe(),
            Self::CorpusAttack => rootfs::corpus_recipe(rootfs::CORPUS_ATTACK_PACKAGES),
            Self::CorpusBenign => rootfs::corpus_recipe(rootfs::CORPUS_BENIGN_PACKAGES),
        };
        Ok(format!("format 1\n{}\n{content}", images.join("\n")))
    }

    fn images(self) -> Vec<ImageConfig> {
        match self {
            Self::Busybox => vec![image(
                BUSYBOX,
                json!({"Cmd": ["sleep", "1000000"], "Env": [BUSYBOX_PATH]}),
            )],
            Self::Services => services(),
            Self::CorpusAttack => vec![image(CORPUS_ATTACK, json!({"Env": [PATH]}))],
            Self::CorpusBenign => vec![image(CORPUS_BENIGN, json!({"Env": [PATH]}))],
        }
    }

    fn write_layer(self, layer: &Path, scratch: &Path) -> Result<()> {
        match self {
            Self::Busybox => rootfs::write_busybox_layer(layer),
            Self::Services => rootfs::write_services_layer(layer, scratch),
            Self::CorpusAttack => rootfs::write_corpus_layer(layer, rootfs::CORPUS_ATTACK_PACKAGES),
            Self::CorpusBenign => rootfs::write_corpus_layer(layer, rootfs::CORPUS_BENIGN_PACKAGES),
        }
    }
}

const BUSYBOX_PATH: &str = "PATH=/bin";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const POSTGRES_PATH: &str = "PATH=/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn image(name: &str, config: Value) -> ImageConfig {
    ImageConfig {
        name: name.to_owned(),
        config,
    }
}

fn services() -> Vec<ImageConfig> {
    let postgres = [
        "postgres",
        "-D",
        "/var/lib/postgresql/data",
        "-c",
        "listen_addresses=*",
        "-c",
        "unix_socket_directories=/tmp",
    ];
    vec![
        image(
            NGINX,
            json!({"Entrypoint": ["/usr/sbin/nginx"], "Cmd": ["-g", "daemon off;"], "Env": [PATH], "ExposedPorts": {"80/tcp": {}}}),
        ),
        image(
            REDIS,
            json!({"Cmd": ["redis-server", "--save", "", "--protected-mode", "no"], "Env": [PATH], "ExposedPorts": {"6379/tcp": {}}}),
        ),
        image(
            POSTGRES,
            json!({"Cmd": postgres, "User": "999", "Env": [POSTGRES_PATH], "ExposedPorts": {"5432/tcp": {}}}),
        ),
        image(
            SSHD,
            json!({"Cmd": ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null"], "Env": [PATH], "ExposedPorts": {"22/tcp": {}}}),
        ),
        image(
            HTTPD,
            json!({"Cmd": ["/usr/sbin/apache2", "-f", "/etc/apache2/httpd.conf", "-DFOREGROUND"], "Env": [PATH], "ExposedPorts": {"80/tcp": {}}}),
        ),
        image(TOOLBOX, json!({"Cmd": ["sleep", "1000000"], "Env": [PATH]})),
    ]
}

fn busybox_version() -> Result<String> {
    let busybox = paths::find_program("busybox").context("no busybox: cargo xtask setup containers")?;
    let content = fs::read(&busybox).with_context(|| format!("cannot read {}", busybox.display()))?;
    Ok(hex_digest(&content))
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn hex_digest(bytes: &[u8]) -> String {
    archive::hex(&Sha256::digest(bytes))
}

/// The archive of the set, made if it is not cached.
///
/// # Errors
/// When it cannot be made: packages cannot be fetched, or the cache folder cannot be written.
pub fn archive_of(set: Set) -> Result<PathBuf> {
    let folder = paths::cache_dir().join("images");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let digest = hex_digest(set.recipe()?.as_bytes());
    let cached = folder.join(format!("{}-{}.tar", set.name(), &digest[..16]));
    // Two test runs must not make the same image at once.
    let lock = File::create(folder.join(format!("{}.lock", set.name())))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if !cached.exists() {
        make(set, &folder, &cached)?;
    }
    Ok(cached)
}

fn make(set: Set, folder: &Path, cached: &Path) -> Result<()> {
    let scratch = tempfile::tempdir_in(folder)?;
    let layer = scratch.path().join("layer.tar");
    set.write_layer(&layer, scratch.path())
        .with_context(|| format!("cannot make the {} images", set.name()))?;
    let finished = scratch.path().join("archive.tar");
    write_archive(&finished, &layer, &set.images())?;
    remove_stale(set, folder);
    fs::rename(&finished, cached)?;
    Ok(())
}

/// Archives of older recipes: hundreds of megabytes that nobody will ask for again.
fn remove_stale(set: Set, folder: &Path) {
    let of_set = |name: &str| name.starts_with(&format!("{}-", set.name())) && name.ends_with(".tar");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(of_set) {
            fs::remove_file(entry.path()).ok();
        }
    }
}
