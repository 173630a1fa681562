//! A private containerd that speaks CRI: own mount namespace, own data, own cgroups.

use super::docker::write_runtime_shim;
use super::{cgroup_parent, clean, make_folder};
use crate::{command, image};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running daemon. Dropping it ends it with all its containers and removes every trace.
#[derive(Debug)]
pub struct Containerd {
    name: String,
    folder: PathBuf,
    child: Child,
}

impl Containerd {
    /// Starts one for the time of this process; the busybox image is there, and is the pods' own image.
    ///
    /// # Errors
    /// When it is not ready within a minute; the error holds the end of its log.
    pub fn start(prefix: &str) -> Result<Self> {
        clean(super::Owners::Gone);
        let name = super::unique_name(prefix);
        let folder = make_folder(&name)?;
        write_runtime_shim(&folder.join("runc-shim"))?;
        fs::write(folder.join("config.toml"), config(&folder))?;
        let log = File::create(folder.join("containerd.log"))?;
        // /run of its own: the shims' sockets lie there, and names are the machine's.
        let script = "mount -t tmpfs tmpfs /run\nexec containerd --config \"$1/config.toml\"";
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-ec", script, "lab"]);
        unshare.arg(&folder).process_group(0);
        unshare.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = unshare.spawn().context("cannot start unshare")?;
        let mut containerd = Self { name, folder, child };
        containerd.wait_ready()?;
        let archive = image::archive_of(image::Set::Busybox)?;
        command::run(containerd.ctr().args(["images", "import"]).arg(archive))?;
        Ok(containerd)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ready = command::wait_until("the private containerd is ready", READY_WITHIN, || {
            let answers = command::run(self.ctr().arg("version")).is_ok();
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            (answers || ended).then_some(answers)
        });
        let log = fs::read_to_string(self.folder.join("containerd.log")).unwrap_or_default();
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the private containerd has ended:\n{log}"),
            Err(error) => Err(error.context(log)),
        }
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// The folder of cgroups for pods, as CRI wants it.
    #[must_use]
    pub fn cgroup_parent(&self) -> String {
        cgroup_parent(&self.name)
    }

    /// Scratch space that lives as long as the daemon.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a program in a container to the end and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn exec(&self, container: &str, args: &[&str]) -> Result<String> {
        let id = super::unique_name("exec");
        let mut exec = self.ctr();
        exec.args(["tasks", "exec", "--exec-id", &id, "--fifo-dir"]);
        // Its own default lies in a /run that the daemon does not see.
        exec.arg(self.folder.join("fifo")).arg(container);
        command::run(exec.args(args))
    }

    fn ctr(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address")
            .arg(self.socket())
            .args(["--namespace", "k8s.io"]);
        ctr
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let tasks = command::run(self.ctr().args(["tasks", "list", "--quiet"])).unwrap_or_default();
        for task in tasks.split_whitespace() {
            command::run(self.ctr().args(["tasks", "delete", "--force", task])).ok();
        }
        clean::terminate(self.child.id(), Duration::from_secs(20));
        self.child.wait().ok();
        clean::remove(&self.name);
    }
}

fn config(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "version = 2\nroot = \"{folder}/root\"\nstate = \"{folder}/state\"\n\
         [grpc]\n  address = \"{folder}/containerd.sock\"\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\n  path = \"{folder}/opt\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = \"{}\"\n  stream_server_port = \"0\"\n  \
         restrict_oom_score_adj = true\n  disable_apparmor = true\n  disable_hugetlb_controller = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\n  default_runtime_name = \"lab\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.lab]\n  \
         runtime_type = \"io.containerd.runc.v2\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.lab.options]\n  \
         SystemdCgroup = false\n  BinaryName = \"{folder}/runc-shim\"\n",
        image::BUSYBOX
    )
}
