//! A private Podman: own network and mount namespace, own storage, own configuration, and its service that speaks
//! Docker's API.

use super::docker::write_runtime_shim;
use super::{cgroup_parent, clean, make_folder};
use crate::command;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(60);
/// What a mount namespace of its own gets: Podman reads both by fixed names.
const SCRIPT: &str = "ip link set lo up\n\
    mount -t tmpfs tmpfs /run\n\
    mkdir -p /etc/containers\n\
    mount --bind \"$1/etc\" /etc/containers\n\
    shift\n\
    exec \"$@\"";

/// A running service. Dropping it ends it with all its containers and removes every trace.
#[derive(Debug)]
pub struct Podman {
    name: String,
    folder: PathBuf,
    child: Child,
}

impl Podman {
    /// Starts one for the time of this process.
    ///
    /// # Errors
    /// When it is not ready within a minute; the error holds its log.
    pub fn start(prefix: &str) -> Result<Self> {
        clean(super::Owners::Gone);
        let name = super::unique_name(prefix);
        let folder = make_folder(&name)?;
        write_runtime_shim(&folder.join("runc-shim"))?;
        write_configuration(&folder)?;
        let log = File::create(folder.join("podman.log"))?;
        let mut unshare = super::apart(SCRIPT);
        unshare.arg(&folder).args(podman(&folder));
        unshare.args(["system", "service", "--time", "0"]);
        unshare.arg(format!("unix://{}/podman.sock", folder.display()));
        unshare.process_group(0).stdin(Stdio::null());
        let child = unshare.stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.context("cannot start unshare")?;
        let mut podman = Self { name, folder, child };
        podman.wait_ready()?;
        Ok(podman)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ready = command::wait_until("the private Podman is ready", READY_WITHIN, || {
            let answers = self.socket().exists() && self.podman(["info"]).is_ok();
            let ended = matches!(self.child.try_wait(), Ok(Some(_)));
            (answers || ended).then_some(answers)
        });
        let log = fs::read_to_string(self.folder.join("podman.log")).unwrap_or_default();
        match ready {
            Ok(true) => Ok(()),
            Ok(false) => bail!("the private Podman has ended:\n{log}"),
            Err(error) => Err(error.context(log)),
        }
    }

    /// Where it speaks Docker's API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("podman.sock")
    }

    /// Scratch space that lives as long as the service.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs the client in its namespaces and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn podman<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &self.child.id().to_string(), "--net", "--mount", "--"]);
        enter.args(podman(&self.folder));
        command::run(enter.args(args))
    }

    /// Runs a container of the image in the background, below the lab's cgroup; gives its id.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn run(&self, name: &str, args: &[&str]) -> Result<String> {
        let parent = cgroup_parent(&self.name);
        // No network of its own: that would need plugins and leave files outside the lab.
        let run = [
            "run",
            "--detach",
            "--network",
            "host",
            "--cgroup-parent",
            &parent,
            "--name",
            name,
        ];
        self.podman(run.into_iter().chain(args.iter().copied()))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.podman(["rm", "--all", "--force", "--time", "0"]).ok();
        clean::terminate(self.child.id(), Duration::from_secs(20));
        self.child.wait().ok();
        clean::remove(&self.name);
    }
}

/// The program with its storage in the lab.
fn podman(folder: &Path) -> Vec<String> {
    let at = |name: &str| folder.join(name).display().to_string();
    let words = [
        "env".to_owned(),
        format!("CONTAINERS_CONF={}", at("etc/containers.conf")),
        format!("CONTAINERS_STORAGE_CONF={}", at("etc/storage.conf")),
        "podman".to_owned(),
        "--root".to_owned(),
        at("root"),
        "--runroot".to_owned(),
        at("run"),
        "--tmpdir".to_owned(),
        at("tmp"),
        "--cgroup-manager".to_owned(),
        "cgroupfs".to_owned(),
    ];
    words.to_vec()
}

fn write_configuration(folder: &Path) -> Result<()> {
    let etc = folder.join("etc");
    fs::create_dir_all(&etc)?;
    let at = |name: &str| folder.join(name).display().to_string();
    let engine = format!(
        "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
         [engine]\nruntime = \"lab\"\nevents_logger = \"file\"\n[engine.runtimes]\nlab = [\"{}\"]\n",
        at("runc-shim")
    );
    fs::write(etc.join("containers.conf"), engine)?;
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
        at("root"),
        at("run")
    );
    fs::write(etc.join("storage.conf"), storage)?;
    fs::write(
        etc.join("policy.json"),
        "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}",
    )?;
    Ok(())
}
