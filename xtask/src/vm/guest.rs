//! What the virtual machine holds: busybox, the programs under test, and two scripts. No disk, no network.

use super::cpio::Initramfs;
use super::kernel::Kernel;
use agent_tests::corpus::IMAGE;
use agent_tests::{image, paths};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// What to run and with what.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    /// Run by sh.
    pub(crate) script: String,
    /// Environment of the script.
    pub(crate) env: Vec<(String, String)>,
    /// Host files and the guest paths at which they lie (no leading slash), with their libraries.
    pub(crate) programs: Vec<(PathBuf, String)>,
    /// Guest paths and what is to lie there.
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Root of containers, at `/image`: a layer as tar.
    pub(crate) image: Option<Image>,
}

/// A container image in the guest.
#[derive(Debug)]
pub(crate) struct Image {
    /// As the harness' images are archived.
    pub(crate) archive: PathBuf,
    /// Beginnings of paths that nobody needs in a guest: its memory is small.
    pub(crate) without: &'static [&'static str],
}

/// First process. The initramfs cannot be pivoted away from, which container runtimes do: everything moves to a
/// tmpfs first. Except containers' image, which is too large to be copied: it is bound, and covered so that `switch_root`
/// does not remove it.
const INIT: &str = r#"#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
for module in /modules/*.ko; do $B insmod "$module" || echo "insmod $module failed"; done
$B mount -t tmpfs -o mode=755,size=80% root /new
for entry in bin etc guest lib lib64 root usr; do [ -e "/$entry" ] && $B cp -a "/$entry" /new/; done
$B mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run /new/var /new/mnt
if [ -d /image ]; then
  $B mkdir /new/image
  $B mount --bind /image /new/image
  $B mount -t tmpfs cover /image
fi
$B mount --move /proc /new/proc
$B mount --move /dev /new/dev
exec $B switch_root /new /guest/start
"#;

/// Second half: mounts what a running system has, runs the script, reports its exit code on the third serial port.
const START: &str = r#"#!/bin/sh
export PATH=/bin HOME=/root TERM=dumb
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
mount -t devpts -o ptmxmode=666 pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t securityfs security /sys/kernel/security
mount -t tracefs tracing /sys/kernel/tracing
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
ifconfig lo 127.0.0.1 up
hostname guest
echo "up $(cat /proc/uptime)" > /dev/ttyS2
cd /root
setsid sh /guest/script </dev/null >/dev/ttyS1 2>&1
code=$?
stty -F /dev/ttyS1 drain
echo "code $code" > /dev/ttyS2
sleep 0.2
poweroff -f
"#;

impl Guest {
    /// The initramfs.
    ///
    /// # Errors
    /// When a program or busybox is missing.
    pub(super) fn pack(&self, kernel: &Kernel) -> Result<Vec<u8>> {
        let mut initramfs = Initramfs::default();
        for folder in ["dev", "etc", "modules", "new", "proc", "root", "sys"] {
            initramfs.folder(folder)?;
        }
        pack_busybox(&mut initramfs)?;
        initramfs.file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\n")?;
        initramfs.file("etc/shadow", 0o600, b"root:*:19000:0:99999:7:::\n")?;
        initramfs.file("init", 0o755, INIT.as_bytes())?;
        initramfs.file("guest/start", 0o755, START.as_bytes())?;
        initramfs.file("guest/script", 0o755, self.script_with_env().as_bytes())?;
        for (name, content) in &kernel.modules {
            initramfs.file(&format!("modules/{name}"), 0o644, content)?;
        }
        for (source, path) in &self.programs {
            initramfs.program(path, source)?;
        }
        for (path, content) in &self.files {
            initramfs.file(path, 0o755, content)?;
        }
        if let Some(image) = &self.image {
            image.pack(&mut initramfs)?;
        }
        initramfs.finish()
    }

    fn script_with_env(&self) -> String {
        let exports = self
            .env
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)));
        exports.chain([self.script.clone(), "\n".to_owned()]).collect()
    }
}

impl Image {
    fn pack(&self, initramfs: &mut Initramfs) -> Result<()> {
        let keep = |name: &str| !self.without.iter().any(|prefix| name.starts_with(prefix));
        image::read_layer(&self.archive, |layer| initramfs.tar(IMAGE, layer, keep))
    }
}

fn pack_busybox(initramfs: &mut Initramfs) -> Result<()> {
    let busybox = paths::find_program("busybox").context("no busybox: cargo xtask setup vm")?;
    initramfs.program("bin/busybox", &busybox)?;
    let applets = Command::new(&busybox).arg("--list").output()?;
    for applet in String::from_utf8_lossy(&applets.stdout)
        .lines()
        .filter(|name| *name != "busybox")
    {
        initramfs.link(&format!("bin/{applet}"), "busybox")?;
    }
    Ok(())
}

/// For sh.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
