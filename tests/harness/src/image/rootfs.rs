//! The content of the test images.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tar::{Builder, EntryType, Header};

use crate::{command, paths};

/// Files that programs expect in any root.
const ETC: [(&str, &str); 4] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    ("etc/hostname", "box\n"),
];

/// Writes a root with nothing but a static busybox, every applet a link to it.
///
/// # Errors
/// When there is no static busybox, or `layer` cannot be written.
pub fn write_busybox_layer(layer: &Path) -> Result<()> {
    let busybox = paths::find_program("busybox").context("no busybox: cargo xtask setup containers")?;
    let mut builder = Builder::new(File::create(layer)?);
    for (folder, mode) in [
        ("bin", 0o755),
        ("dev", 0o755),
        ("etc", 0o755),
        ("proc", 0o755),
        ("root", 0o700),
    ] {
        append_folder(&mut builder, folder, mode)?;
    }
    for (folder, mode) in [("run", 0o755), ("sys", 0o755), ("tmp", 0o1777), ("var", 0o755)] {
        append_folder(&mut builder, folder, mode)?;
    }
    for (name, content) in ETC {
        append_file(&mut builder, name, content.as_bytes(), 0o644)?;
    }
    append_file(&mut builder, "bin/busybox", &fs::read(&busybox)?, 0o755)?;
    for applet in command::run(Command::new(&busybox).arg("--list"))?
        .lines()
        .filter(|name| *name != "busybox")
    {
        let mut header = header(EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut header, format!("bin/{applet}"), "busybox")?;
    }
    builder.into_inner()?;
    Ok(())
}

/// Writes a root with these folders (name → mode) and programs (name, file that it is a copy of).
///
/// # Errors
/// When a program cannot be read, or `layer` cannot be written.
pub(super) fn write_program_layer(
    layer: &Path,
    folders: &BTreeMap<PathBuf, u32>,
    programs: &[(PathBuf, PathBuf)],
) -> Result<()> {
    let file = File::create(layer).with_context(|| format!("cannot create {}", layer.display()))?;
    let mut builder = Builder::new(file);
    for (folder, mode) in folders {
        append_folder(&mut builder, folder, *mode)?;
    }
    for (name, source) in programs {
        let content = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        append_file(&mut builder, name, &content, 0o755)?;
    }
    builder.into_inner()?;
    Ok(())
}

fn append_folder(builder: &mut Builder<File>, name: impl AsRef<Path>, mode: u32) -> Result<()> {
    Ok(builder.append_data(&mut header(EntryType::Directory, mode, 0), name, std::io::empty())?)
}

fn append_file(builder: &mut Builder<File>, name: impl AsRef<Path>, content: &[u8], mode: u32) -> Result<()> {
    let mut header = header(EntryType::Regular, mode, u64::try_from(content.len())?);
    Ok(builder.append_data(&mut header, name, content)?)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// What the service images hold: one root for all, they differ in what they start. So a postgres container also
/// has httpd and sshd in its image, as a careless image does.
const PACKAGES: &str = "base-files,base-passwd,bash,coreutils,curl,dash,grep,libc-bin,login,netcat-openbsd,passwd,\
                        procps,sed,socat,util-linux,apache2,nginx-light,openssh-client,openssh-server,postgresql-15,\
                        redis-server,redis-tools,postgresql-client-15";

/// Runs inside the new root: the packages are unpacked only, so their users, keys and data are made here.
const PREPARE: &str = include_str!("prepare-services.sh");

/// The recipe as text: when it changes, cached images are stale.
#[must_use]
pub(super) fn services_recipe() -> String {
    format!("{PACKAGES}\n{PREPARE}")
}

/// Unpacks Debian packages into a root and writes it as a layer. Takes about a minute.
///
/// # Errors
/// When packages cannot be fetched or unpacked.
pub(super) fn write_services_layer(layer: &Path, scratch: &Path) -> Result<()> {
    let script = scratch.join("prepare-services.sh");
    fs::write(&script, PREPARE)?;
    let hook = format!(
        "cp {} \"$1/prepare\" && chroot \"$1\" /bin/bash /prepare && rm \"$1/prepare\"",
        script.display()
    );
    let mut mmdebstrap = mmdebstrap("extract", PACKAGES);
    mmdebstrap.arg(format!("--extract-hook={hook}"));
    write_debian_layer(mmdebstrap, layer)
}

/// What the attacks of the corpus need.
pub(super) const CORPUS_ATTACK_PACKAGES: &str = "python3,procps,iproute2,iputils-ping,netcat-openbsd,socat,openssh-client,\
     openssh-server,strace,libcap2-bin,keyutils,cron,curl,dnsutils,kmod,busybox-static,gcc,libc6-dev,file";

/// What the ordinary work beside them needs.
pub(super) const CORPUS_BENIGN_PACKAGES: &str = "python3,procps,iproute2,nginx-light,redis-server,postgresql,logrotate,cron,gdb,\
     dnsutils,curl,openssl,systemd,systemd-sysv,gcc,libc6-dev,make,haproxy,rsyslog,git,sudo,util-linux";

/// A third of what Debian installs; nothing in the corpus asks for it.
const CORPUS_EXCLUDED: [&str; 8] = [
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/bin/*-lto-dump-*",
    "/usr/lib/gcc/*/lto1",
    "/usr/lib/gcc/*san.a",
    "/usr/lib/*san.so.*",
];

#[must_use]
pub(super) fn corpus_recipe(packages: &str) -> String {
    format!("{packages}\n{}", CORPUS_EXCLUDED.join(" "))
}

/// Installs Debian packages into a root, so that package managers, users and alternatives are as on a real system.
///
/// # Errors
/// When packages cannot be fetched or installed.
pub(super) fn write_corpus_layer(layer: &Path, packages: &str) -> Result<()> {
    let mut mmdebstrap = mmdebstrap("minbase", packages);
    for path in CORPUS_EXCLUDED {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    write_debian_layer(mmdebstrap, layer)
}

fn mmdebstrap(variant: &str, packages: &str) -> Command {
    let mut mmdebstrap = Command::new("mmdebstrap");
    mmdebstrap.args(["--quiet", "--aptopt=APT::Install-Recommends \"false\""]);
    mmdebstrap.arg(format!("--variant={variant}"));
    mmdebstrap.arg(format!("--include={packages}"));
    mmdebstrap
}

fn write_debian_layer(mut mmdebstrap: Command, layer: &Path) -> Result<()> {
    mmdebstrap.arg("bookworm").arg(layer).arg(apt_sources()?);
    let status = mmdebstrap
        .stdin(Stdio::null())
        .status()
        .context("cannot start mmdebstrap: cargo xtask setup containers")?;
    if !status.success() {
        bail!("mmdebstrap: {status}");
    }
    Ok(())
}

/// The machine's own package sources.
fn apt_sources() -> Result<&'static str> {
    let known = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    known
        .into_iter()
        .find(|file| Path::new(file).exists())
        .context("no Debian package sources under /etc/apt")
}
