//! Containers without any daemon: what remains when every runtime's API is absent.

use super::{cgroup_parent, clean, make_folder};
use crate::{command, image};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A folder with a busybox root from which `runc` containers are made. Dropping it removes them all.
#[derive(Debug)]
pub struct Runc {
    name: String,
    folder: PathBuf,
}

/// A running container; its name is 64 hexadecimal digits, as a runtime's would be.
#[derive(Debug)]
pub struct RuncContainer<'a> {
    runc: &'a Runc,
    pub id: String,
}

impl Runc {
    /// # Errors
    /// When the root cannot be unpacked.
    pub fn prepare(prefix: &str) -> Result<Self> {
        clean(super::Owners::Gone);
        let name = super::unique_name(prefix);
        let folder = make_folder(&name)?;
        let runc = Self { name, folder };
        let layer = runc.folder.join("layer.tar");
        image::write_busybox_layer(&layer)?;
        tar::Archive::new(File::open(&layer)?).unpack(runc.folder.join("rootfs"))?;
        Ok(runc)
    }

    /// Runs a program in a new container until it is deleted or ends.
    ///
    /// # Errors
    /// When runc refuses; the error holds its message.
    pub fn start(&self, args: &[&str]) -> Result<RuncContainer<'_>> {
        self.make(&["run", "--detach"], args)
    }

    /// Prepares a container; its program runs when it is told to [`RuncContainer::begin`].
    ///
    /// # Errors
    /// When runc refuses; the error holds its message.
    pub fn create(&self, args: &[&str]) -> Result<RuncContainer<'_>> {
        self.make(&["create"], args)
    }

    fn make(&self, verb: &[&str], args: &[&str]) -> Result<RuncContainer<'_>> {
        let id = self.new_id();
        let bundle = self.bundle(&id, args)?;
        let container = RuncContainer { runc: self, id };
        // Its output goes to a file: a pipe would never end as long as the container lives.
        let log = File::create(bundle.join("output"))?;
        let mut run = self.runc();
        run.args(verb).arg("--bundle").arg(&bundle).arg(&container.id);
        run.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut child = run.spawn().context("cannot start runc")?;
        let status = command::wait_within(&mut child, Duration::from_secs(30))?.context("runc run hangs")?;
        if !status.success() {
            anyhow::bail!(
                "runc {}: {}",
                verb.join(" "),
                fs::read_to_string(bundle.join("output"))?.trim()
            );
        }
        Ok(container)
    }

    /// An id that no container had before.
    #[must_use]
    pub fn new_id(&self) -> String {
        container_id(&super::unique_name(&self.name))
    }

    /// Runs a program in a container of its own to the end; nothing is left of it.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn run(&self, id: &str, args: &[&str]) -> Result<String> {
        let bundle = self.bundle(id, args)?;
        let said = command::run(self.runc().args(["run", "--bundle"]).arg(&bundle).arg(id));
        fs::remove_dir_all(&bundle)?;
        said
    }

    fn bundle(&self, id: &str, args: &[&str]) -> Result<PathBuf> {
        let bundle = self.folder.join(&id[..12]);
        fs::create_dir_all(&bundle)?;
        let config = serde_json::to_vec(&self.config(id, args))?;
        fs::write(bundle.join("config.json"), config)?;
        Ok(bundle)
    }

    fn runc(&self) -> Command {
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.folder.join("state"));
        command
    }

    fn config(&self, id: &str, args: &[&str]) -> Value {
        let capabilities = json!([
            "CAP_CHOWN",
            "CAP_DAC_OVERRIDE",
            "CAP_KILL",
            "CAP_NET_BIND_SERVICE",
            "CAP_SETGID",
            "CAP_SETUID",
            "CAP_SYS_CHROOT"
        ]);
        let mount = |target: &str, kind: &str| json!({"destination": target, "type": kind, "source": kind});
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/", "env": ["PATH=/bin", "TERM=dumb"],
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
                "noNewPrivileges": true,
            },
            "root": {"path": self.folder.join("rootfs"), "readonly": false},
            "hostname": "box",
            "mounts": [mount("/proc", "proc"), mount("/dev", "tmpfs"), mount("/tmp", "tmpfs")],
            "linux": {
                "cgroupsPath": format!("{}/{id}", cgroup_parent(&self.name)),
                "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "ipc"}],
            },
        })
    }
}

impl RuncContainer<'_> {
    /// Lets its program run.
    ///
    /// # Errors
    /// When runc refuses; the error holds its message.
    pub fn begin(&self) -> Result<()> {
        command::run(self.runc.runc().args(["start", &self.id])).map(drop)
    }

    /// Runs a program in it to the end and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn exec(&self, args: &[&str]) -> Result<String> {
        command::run(self.runc.runc().args(["exec", &self.id]).args(args))
    }

    /// Pid of its init on the host.
    ///
    /// # Errors
    /// When the container is gone.
    pub fn init_pid(&self) -> Result<u32> {
        let state: Value = serde_json::from_str(&command::run(self.runc.runc().args(["state", &self.id]))?)?;
        let pid = state
            .get("pid")
            .and_then(Value::as_u64)
            .context("runc state has no pid")?;
        Ok(u32::try_from(pid)?)
    }
}

impl Drop for RuncContainer<'_> {
    fn drop(&mut self) {
        command::run(self.runc.runc().args(["delete", "--force", &self.id])).ok();
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        clean::remove(&self.name);
    }
}

/// Ids are what runtimes make: 64 hexadecimal digits; here a digest of the name.
fn container_id(name: &str) -> String {
    image::hex_digest(name.as_bytes())
}
