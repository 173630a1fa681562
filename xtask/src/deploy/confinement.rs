//! What a container of the agent may do and see, in one form for Kubernetes, Compose and `docker run`.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Folders of the container that the agent's owner fills: not part of what it needs.
const OWN: &str = "/etc/vigia";

/// Of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Confinement {
    pub(super) added: BTreeSet<String>,
    pub(super) dropped: BTreeSet<String>,
    pub(super) privileged: bool,
    pub(super) host_pid: bool,
    pub(super) read_only: bool,
    pub(super) new_privileges: bool,
    pub(super) apparmor: bool,
    /// Folder in the container to what it is.
    pub(super) mounts: BTreeMap<String, Mount>,
}

/// Where what is mounted comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mount {
    Host { folder: String, read_only: bool },
    Memory,
}

impl Confinement {
    /// Of a DaemonSet's pod, whose first container is the agent.
    pub(super) fn of_pod(pod: &Value) -> Result<Self> {
        let container = &pod["containers"][0];
        let security = &container["securityContext"];
        let capabilities = &security["capabilities"];
        Ok(Self {
            added: words(&capabilities["add"]),
            dropped: words(&capabilities["drop"]),
            privileged: security["privileged"] == true,
            host_pid: pod["hostPID"] == true,
            read_only: security["readOnlyRootFilesystem"] == true,
            new_privileges: security["allowPrivilegeEscalation"] != false,
            apparmor: security["appArmorProfile"]["type"] != "Unconfined",
            mounts: mounts_of_pod(pod)?,
        })
    }

    /// Of a service in a Compose file.
    pub(super) fn of_service(service: &Value) -> Result<Self> {
        let options = words(&service["security_opt"]);
        let mut confinement = Self {
            added: words(&service["cap_add"]),
            dropped: words(&service["cap_drop"]),
            privileged: service["privileged"] == true,
            host_pid: service["pid"] == "host",
            read_only: service["read_only"] == true,
            new_privileges: !options.contains("no-new-privileges:true"),
            apparmor: !options.contains("apparmor:unconfined"),
            mounts: BTreeMap::new(),
        };
        for volume in words(&service["volumes"]) {
            confinement.mount(&volume)?;
        }
        for folder in words(&service["tmpfs"]) {
            confinement.mounts.insert(folder, Mount::Memory);
        }
        Ok(confinement)
    }

    /// Of the options of `docker run` and `podman run`, each `--name value`, `--name=value` or `--name`.
    pub(super) fn of_options<'a>(options: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut confinement = Self {
            new_privileges: true,
            apparmor: true,
            ..Self::default()
        };
        for (name, value) in options {
            match (name, value) {
                ("--cap-add", name) => confinement.added.extend([name.to_owned()]),
                ("--cap-drop", name) => confinement.dropped.extend([name.to_owned()]),
                ("--privileged", _) => confinement.privileged = true,
                ("--pid", "host") => confinement.host_pid = true,
                ("--read-only", _) => confinement.read_only = true,
                ("--security-opt", "no-new-privileges") => confinement.new_privileges = false,
                ("--security-opt", "apparmor=unconfined") => confinement.apparmor = false,
                ("--volume", volume) => confinement.mount(volume)?,
                ("--tmpfs", folder) => confinement.mounts.extend([(folder.to_owned(), Mount::Memory)]),
                _ => {}
            }
        }
        Ok(confinement)
    }

    /// `folder:place` or `folder:place:ro`; a folder of its own for what is the owner's.
    fn mount(&mut self, volume: &str) -> Result<()> {
        let mut parts = volume.split(':');
        let (Some(folder), Some(place)) = (parts.next(), parts.next()) else {
            bail!("the volume {volume} has no place");
        };
        let mount = Mount::Host {
            folder: folder.to_owned(),
            read_only: parts.next() == Some("ro"),
        };
        if !place.starts_with(OWN) {
            self.mounts.insert(place.to_owned(), mount);
        }
        Ok(())
    }
}

fn words(list: &Value) -> BTreeSet<String> {
    let words = list.as_array().into_iter().flatten();
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn mounts_of_pod(pod: &Value) -> Result<BTreeMap<String, Mount>> {
    let mut mounts = BTreeMap::new();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let volumes = list(&pod["volumes"]);
    for mount in list(&pod["containers"][0]["volumeMounts"]) {
        let place = mount["mountPath"].as_str().context("a mount without a path")?;
        let volume = volumes
            .iter()
            .find(|volume| volume["name"] == mount["name"])
            .with_context(|| format!("there is no volume {}", mount["name"]))?;
        let host = volume["hostPath"]["path"].as_str().map(|folder| Mount::Host {
            folder: folder.to_owned(),
            read_only: mount["readOnly"] == true,
        });
        let memory = (volume["emptyDir"]["medium"] == "Memory").then_some(Mount::Memory);
        if let Some(kind) = host.or(memory) {
            mounts.insert(place.to_owned(), kind);
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        json!({
            "hostPID": true,
            "containers": [{
                "securityContext": {
                    "privileged": false,
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"], "add": ["BPF"]},
                    "appArmorProfile": {"type": "Unconfined"},
                },
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/vigia/config"},
                    {"name": "run", "mountPath": "/run/vigia"},
                    {"name": "cgroup", "mountPath": "/sys/fs/cgroup", "readOnly": true},
                ],
            }],
            "volumes": [
                {"name": "config", "configMap": {"name": "vigia"}},
                {"name": "run", "emptyDir": {"medium": "Memory"}},
                {"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup"}},
            ],
        })
    }

    #[test]
    fn the_same_rights_are_equal_in_every_form() {
        let service = json!({
            "pid": "host", "read_only": true, "cap_drop": ["ALL"], "cap_add": ["BPF"],
            "security_opt": ["no-new-privileges:true", "apparmor:unconfined"],
            "volumes": ["/etc/vigia:/etc/vigia:ro", "/sys/fs/cgroup:/sys/fs/cgroup:ro"],
            "tmpfs": ["/run/vigia"],
        });
        let options = [
            ("--pid", "host"),
            ("--read-only", ""),
            ("--cap-drop", "ALL"),
            ("--cap-add", "BPF"),
            ("--security-opt", "no-new-privileges"),
            ("--security-opt", "apparmor=unconfined"),
            ("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:ro"),
            ("--tmpfs", "/run/vigia"),
        ];
        let wanted = Confinement::of_pod(&pod()).unwrap();
        assert_eq!(Confinement::of_service(&service).unwrap(), wanted);
        assert_eq!(Confinement::of_options(options.into_iter()).unwrap(), wanted);
        for left_out in 0..options.len() {
            let others = (0..).zip(options).filter(|(index, _)| *index != left_out);
            let others = Confinement::of_options(others.map(|(_, option)| option)).unwrap();
            assert_ne!(others, wanted, "without {:?}", options[left_out]);
        }
    }

    #[test]
    fn a_mount_without_its_volume_is_an_error() {
        let mut pod = pod();
        pod["volumes"] = json!([]);
        assert!(Confinement::of_pod(&pod).is_err());
    }
}
