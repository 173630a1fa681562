//! What `docker run` would make of an entry's options, for runc alone: where there is no Docker, as in a virtual machine.

use super::options;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Docker's defaults.
const CAPABILITIES: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SYS_CHROOT",
    "MKNOD",
    "AUDIT_WRITE",
    "SETFCAP",
];
const MORE_CAPABILITIES: [&str; 20] = [
    "AUDIT_CONTROL",
    "BLOCK_SUSPEND",
    "BPF",
    "DAC_READ_SEARCH",
    "IPC_LOCK",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "NET_ADMIN",
    "NET_BROADCAST",
    "PERFMON",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
];
const MASKED: [&str; 6] = [
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What the machine gives to containers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host<'a> {
    /// Root of the container.
    pub(super) rootfs: &'a str,
    /// Network namespace that stands for the network `corpus`.
    pub(super) network: &'a str,
}

/// The container as far as options change it.
#[derive(Debug)]
struct Container<'a> {
    host: Host<'a>,
    capabilities: Vec<String>,
    namespaces: Vec<Value>,
    mounts: Vec<Value>,
    environment: Vec<String>,
    is_privileged: bool,
}

/// The `config.json` of a container that runs the case of an entry.
///
/// # Errors
/// When an option has no counterpart here.
pub(super) fn config(
    id: &str,
    args: &[String],
    container_options: &[String],
    host: Host<'_>,
) -> Result<Value> {
    let mut container = Container::new(host);
    for (name, value) in options::pairs(container_options) {
        container.apply(name, value)?;
    }
    Ok(container.json(id, args))
}

impl<'a> Container<'a> {
    fn new(host: Host<'a>) -> Self {
        let kinds = ["pid", "mount", "network", "uts", "ipc", "cgroup"];
        Self {
            host,
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            namespaces: kinds.map(|kind| json!({"type": kind})).to_vec(),
            mounts: Vec::new(),
            environment: Vec::new(),
            is_privileged: false,
        }
    }

    fn apply(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        match (name, value.unwrap_or_default()) {
            ("--network", "none") => {}
            ("--network", "corpus") => {
                self.leave_out("network");
                self.namespaces
                    .push(json!({"type": "network", "path": self.host.network}));
            }
            ("--pid", "host") => self.leave_out("pid"),
            ("--cgroupns", "host") => self.leave_out("cgroup"),
            ("--cap-add", capability) => self.capabilities.push(capability.to_owned()),
            ("--privileged", _) => {
                self.capabilities.extend(MORE_CAPABILITIES.map(str::to_owned));
                self.is_privileged = true;
            }
            // There is neither a seccomp filter nor AppArmor, and every device may be used.
            ("--security-opt" | "--device-cgroup-rule", _) => {}
            ("-e", pair) => self.environment.push(pair.to_owned()),
            ("-v" | "--volume", volume) => self.bind(volume)?,
            ("--tmpfs", target) => self.tmpfs(target.split(':').next().unwrap_or(target)),
            ("--mount", mount) => {
                let target = mount.strip_prefix("type=tmpfs,dst=");
                self.tmpfs(target.with_context(|| format!("--mount {mount}: not known to runc's lab"))?);
            }
            (name, value) => bail!("{name} {value}: not known to runc's lab"),
        }
        Ok(())
    }

    fn leave_out(&mut self, kind: &str) {
        self.namespaces.retain(|namespace| namespace["type"] != kind);
    }

    fn bind(&mut self, volume: &str) -> Result<()> {
        let mut parts = volume.split(':');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
            bail!("{volume}: no SOURCE:TARGET")
        };
        let options = ["rbind", parts.next().unwrap_or("rw")];
        self.mounts
            .push(json!({"destination": target, "type": "bind", "source": source, "options": options}));
        Ok(())
    }

    fn tmpfs(&mut self, target: &str) {
        self.mounts.push(
            json!({"destination": target, "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]}),
        );
    }

    fn json(&self, id: &str, args: &[String]) -> Value {
        let capabilities: Vec<String> = self
            .capabilities
            .iter()
            .map(|name| format!("CAP_{name}"))
            .collect();
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let environment: Vec<&str> = std::iter::once(path)
            .chain(self.environment.iter().map(String::as_str))
            .collect();
        let (masked, read_only): (&[&str], &[&str]) = if self.is_privileged {
            (&[], &[])
        } else {
            (&MASKED, &READ_ONLY)
        };
        json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/", "env": environment,
                "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
            },
            "root": {"path": self.host.rootfs, "readonly": false},
            "hostname": "box",
            "mounts": self.all_mounts(),
            "linux": {
                "cgroupsPath": format!("/corpus/{id}"), "namespaces": self.namespaces,
                "maskedPaths": masked, "readonlyPaths": read_only,
                "resources": {"devices": [{"allow": true, "access": "rwm"}]},
            },
        })
    }

    fn all_mounts(&self) -> Vec<Value> {
        let mount = |target: &str, kind: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": kind, "options": options});
        let access = if self.is_privileged { "rw" } else { "ro" };
        let standard = [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755"]),
            mount(
                "/dev/pts",
                "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            ),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", access]),
        ];
        standard.into_iter().chain(self.mounts.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn config_of(flags: &str) -> Result<Value> {
        let host = Host {
            rootfs: "/root",
            network: "/net",
        };
        config("c1", &[], &options::split(flags, Path::new("/lab"))?, host)
    }

    #[test]
    fn options_change_what_they_name() -> Result<()> {
        let config = config_of("--network corpus --pid host --cap-add SYS_ADMIN -v $LAB/sa:/sa:ro")?;
        let text = config.to_string();
        assert!(text.contains(r#"{"type":"network","path":"/net"}"#) && !text.contains(r#"{"type":"pid"}"#));
        assert!(text.contains("CAP_SYS_ADMIN") && !text.contains("CAP_SYS_MODULE"));
        assert!(
            text.contains(r#""source":"/lab/sa","options":["rbind","ro"]"#),
            "{text}"
        );
        assert!(text.contains("/proc/sysrq-trigger"));
        let privileged = config_of("--privileged")?.to_string();
        assert!(privileged.contains("CAP_SYS_MODULE") && !privileged.contains("/proc/sysrq-trigger"));
        Ok(())
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        assert!(config_of("--device /dev/net/tun").is_err());
    }
}
