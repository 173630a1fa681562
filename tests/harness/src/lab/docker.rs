//! A private Docker daemon: own network and mount namespace, own data, own cgroups. It neither sees nor disturbs the
//! machine's firewall, bridges or other daemons.

use super::{CgroupView, KEPT, OWNER_FILE, cgroup_parent, clean, folder_of, make_folder, read_pid};
use crate::capability::has_capability;
use crate::{command, image};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running daemon. Dropping it ends it with all its containers and removes every trace.
#[derive(Debug)]
pub struct Docker {
    name: String,
    folder: PathBuf,
    /// Pid of the daemon, by which its namespaces are reached.
    pid: u32,
    /// None: it was started by somebody else, or is kept.
    child: Option<Child>,
}

impl Docker {
    /// Starts one for the time of this process.
    ///
    /// # Errors
    /// When it is not ready within a minute; the error holds the end of its log.
    pub fn start(prefix: &str, view: CgroupView) -> Result<Self> {
        clean(super::Owners::Gone);
        Self::start_named(&super::unique_name(prefix), view)
    }

    /// Starts one that stays until `lab down`.
    ///
    /// # Errors
    /// As [`Docker::start`].
    pub fn start_kept(name: &str, view: CgroupView) -> Result<Self> {
        clean::remove(name);
        let mut docker = Self::start_named(name, view)?;
        fs::write(docker.folder.join(OWNER_FILE), KEPT)?;
        docker.child = None;
        Ok(docker)
    }

    /// The kept one of that name.
    ///
    /// # Errors
    /// When none runs.
    pub fn attach(name: &str) -> Result<Self> {
        let folder = folder_of(name);
        let pid = read_pid(&folder.join("docker.pid")).filter(|pid| clean::names_folder(*pid, &folder));
        let pid = pid.with_context(|| format!("no lab '{name}' is up"))?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            pid,
            child: None,
        })
    }

    fn start_named(name: &str, view: CgroupView) -> Result<Self> {
        if !view.is_possible() {
            bail!("this machine has no v1 cgroup hierarchies");
        }
        let folder = make_folder(name)?;
        write_runtime_shim(&folder.join("runc-shim"))?;
        let log = File::create(folder.join("dockerd.log"))?;
        let mut unshare = super::apart(&script(view));
        unshare.args([folder.as_os_str(), cgroup_parent(name).as_ref()]);
        // A group of its own: Ctrl-C is for the owner, who then ends the daemon in order.
        unshare
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = unshare.spawn().context("cannot start unshare")?;
        let mut docker = Self {
            name: name.to_owned(),
            folder,
            pid: child.id(),
            child: Some(child),
        };
        docker.wait_ready()?;
        Ok(docker)
    }

    fn wait_ready(&mut self) -> Result<()> {
        let ready = command::wait_until("the private Docker daemon is ready", READY_WITHIN, || {
            let answers =
                command::run(self.cli().args(["version", "--format", "{{.Server.Version}}"])).is_ok();
            (answers || self.has_ended()).then_some(answers)
        });
        match ready {
            Ok(true) => {
                self.pid = read_pid(&self.folder.join("docker.pid")).unwrap_or(self.pid);
                Ok(())
            }
            Ok(false) => bail!("the private Docker daemon has ended:\n{}", self.log_tail()),
            Err(error) => Err(error.context(self.log_tail())),
        }
    }

    fn has_ended(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(self.folder.join("dockerd.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// The value for `DOCKER_HOST`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Scratch space that lives as long as the daemon.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The client, talking to this daemon.
    #[must_use]
    pub fn cli(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env("DOCKER_HOST", self.host())
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY");
        command
    }

    /// Runs the client and gives what it printed.
    ///
    /// # Errors
    /// When it fails; the error holds its message.
    pub fn docker<S: AsRef<std::ffi::OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Result<String> {
        command::run(self.cli().args(args))
    }

    /// Makes the images of the set known to the daemon.
    ///
    /// # Errors
    /// When they cannot be made or loaded.
    pub fn load(&self, set: image::Set) -> Result<()> {
        let archive = image::archive_of(set)?;
        self.docker([
            "load".as_ref(),
            "--quiet".as_ref(),
            "--input".as_ref(),
            archive.as_os_str(),
        ])?;
        Ok(())
    }

    /// A command in the daemon's network namespace, where containers' addresses can be reached.
    #[must_use]
    pub fn in_network(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid.to_string(), "--net", "--", program]);
        command
    }

    /// The first address of a container.
    ///
    /// # Errors
    /// When there is no such container, or it has none.
    pub fn address_of(&self, container: &str) -> Result<String> {
        self.first_of(container, "IPAddress")
    }

    /// The host's address in a container's first network: where published ports are reached from inside.
    ///
    /// # Errors
    /// When there is no such container, or it has no network.
    pub fn gateway_of(&self, container: &str) -> Result<String> {
        self.first_of(container, "Gateway")
    }

    fn first_of(&self, container: &str, field: &str) -> Result<String> {
        let format = format!("{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}} {{{{end}}}}");
        let values = self.docker(["inspect", "--format", &format, container])?;
        values
            .split_whitespace()
            .next()
            .map(str::to_owned)
            .with_context(|| format!("{container} has no {field}"))
    }

    /// Ends it, with its containers, and removes every trace.
    pub fn stop(self) {
        drop(self);
    }

    /// Ends the kept one of that name, or removes what is left of it.
    pub fn take_down(name: &str) {
        match Self::attach(name) {
            Ok(mut docker) => docker.end(),
            Err(_) => clean::remove(name),
        }
    }

    fn end(&mut self) {
        let ids = self.docker(["ps", "-aq"]).unwrap_or_default();
        if !ids.is_empty() {
            self.docker(
                ["rm", "--force", "--volumes"]
                    .into_iter()
                    .chain(ids.split_whitespace()),
            )
            .ok();
        }
        let enabled = enabled_controllers();
        if let Some(child) = self.child.as_mut() {
            clean::terminate(self.pid, Duration::from_secs(20));
            child.wait().ok();
        }
        clean::remove(&self.name);
        // runc enables controllers in the root of the unified hierarchy; nobody else would switch them off again.
        disable_controllers(&enabled);
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.end();
        }
    }
}

/// On a hybrid machine the unified hierarchy has no controllers but what labs moved there.
fn enabled_controllers() -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup/unified/cgroup.subtree_control");
    let text = fs::read_to_string(root).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn disable_controllers(names: &[String]) {
    for name in names {
        fs::write(
            "/sys/fs/cgroup/unified/cgroup.subtree_control",
            format!("-{name}"),
        )
        .ok();
    }
}

/// Run by sh with the lab's folder as $1 and its cgroup parent as $2.
fn script(view: CgroupView) -> String {
    format!(
        "ip link set lo up\n{}\n\
         exec dockerd --data-root \"$1/root\" --exec-root \"$1/exec\" --pidfile \"$1/docker.pid\" \
         --host \"unix://$1/docker.sock\" --cgroup-parent \"$2\" --exec-opt native.cgroupdriver=cgroupfs \
         --storage-driver overlay2 --add-runtime \"lab=$1/runc-shim\" --default-runtime lab",
        view.script()
    )
}

/// Where the bounding set lacks CAP_SYS_RESOURCE, runc cannot give it to privileged containers and fails; where a
/// unified view has no cpu controller, runc cannot write shares. The shim takes out just what cannot be had.
pub(super) fn write_runtime_shim(path: &Path) -> Result<()> {
    const SYS_RESOURCE: u32 = 24;
    let drop_capability = if has_capability("CapBnd", SYS_RESOURCE) {
        ""
    } else {
        "[ -n \"$f\" ] && sed -i 's/\"CAP_SYS_RESOURCE\",//g; s/,\"CAP_SYS_RESOURCE\"//g' \"$f\"\n"
    };
    let runc = crate::paths::find_program("runc").context("no runc: cargo xtask setup containers")?;
    let script = format!(
        "#!/bin/sh\nprev=; f=\nfor a in \"$@\"; do\n  case \"$prev\" in\n    \
         --bundle|-b) [ -f \"$a/config.json\" ] && f=\"$a/config.json\";;\n    --process|-p) [ -f \"$a\" ] && f=\"$a\";;\n  \
         esac\n  prev=$a\ndone\n{drop_capability}\
         if [ -n \"$f\" ] && [ -f /sys/fs/cgroup/cgroup.controllers ] && ! grep -qw cpu /sys/fs/cgroup/cgroup.controllers; then\n  \
         sed -i 's/\"shares\":[0-9]*,//g; s/,\"shares\":[0-9]*//g; s/\"shares\":[0-9]*//g' \"$f\"\nfi\nexec {} \"$@\"\n",
        runc.display()
    );
    fs::write(path, script)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
