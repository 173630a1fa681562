//! One attack of each kind. Each shows the kernel what the real one would, and does no harm: settings are opened and
//! not written, the network is the lab's own.

use super::{CACHE, CONTROLLER, DB, Stage, UNCONFINED, WEB};
use crate::image::{NGINX, POSTGRES, TOOLBOX};
use anyhow::Result;

/// What is done, and the alert that must come.
pub struct Attack {
    pub name: &'static str,
    /// What a person would type.
    pub does: &'static str,
    pub rule: &'static str,
    pub severity: &'static str,
    pub container: &'static str,
    pub image: &'static str,
    /// File name of the executable.
    pub exe: &'static str,
    run: fn(&Stage<'_>) -> Result<()>,
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attack({})", self.name)
    }
}

impl Attack {
    /// # Errors
    /// When it could not be carried out.
    pub fn run(&self, stage: &Stage<'_>) -> Result<()> {
        (self.run)(stage)
    }
}

/// In this order: the sweep's target is one that was contacted before, so that its alert is named a scan from the first
/// revision on. That of a new neighbour begins as a first contact.
pub const ATTACKS: [Attack; 8] = [
    Attack {
        name: "core_pattern",
        does: "open /proc/sys/kernel/core_pattern for writing",
        rule: "escape.core_pattern",
        severity: "critical",
        container: UNCONFINED,
        image: TOOLBOX,
        exe: "bash",
        run: |stage| {
            stage
                .exec(
                    UNCONFINED,
                    &["bash", "-c", "exec 3>>/proc/sys/kernel/core_pattern"],
                )
                .map(drop)
        },
    },
    Attack {
        name: "docker.sock",
        does: "curl --unix-socket /var/run/docker.sock http://localhost/_ping",
        rule: "escape.runtime_socket",
        severity: "critical",
        container: CONTROLLER,
        image: TOOLBOX,
        exe: "curl",
        run: |stage| {
            let request = [
                "curl",
                "-s",
                "--unix-socket",
                "/var/run/docker.sock",
                "http://localhost/_ping",
            ];
            stage.exec(CONTROLLER, &request).map(drop)
        },
    },
    Attack {
        name: "bind shell port",
        does: "nc -l -p 4444",
        rule: "listener.shell_spawned",
        severity: "critical",
        container: WEB,
        image: NGINX,
        exe: "nc.openbsd",
        run: |stage| stage.exec_detached(WEB, &["nc", "-l", "-p", "4444"]),
    },
    Attack {
        name: "web server in a database",
        does: "apache2 on port 80 in a postgres container",
        rule: "listener.web_server_in_database",
        severity: "high",
        container: DB,
        image: POSTGRES,
        exe: "apache2",
        run: |stage| {
            stage.exec_detached(
                DB,
                &[
                    "/usr/sbin/apache2",
                    "-f",
                    "/etc/apache2/httpd.conf",
                    "-DFOREGROUND",
                ],
            )
        },
    },
    Attack {
        name: "sshd by docker exec",
        does: "sshd -p 2222",
        rule: "listener.sshd_in_container",
        severity: "high",
        container: WEB,
        image: NGINX,
        exe: "sshd",
        run: |stage| {
            stage.exec_detached(
                WEB,
                &["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-p", "2222"],
            )
        },
    },
    Attack {
        name: "contact with a neighbour",
        does: "redis-cli -h <cache> ping, from the web server",
        rule: "lateral.first_contact",
        severity: "medium",
        container: WEB,
        image: NGINX,
        exe: "redis-cli",
        run: |stage| {
            let address = stage.docker.address_of(CACHE)?;
            stage.exec(WEB, &["redis-cli", "-h", &address, "ping"]).map(drop)
        },
    },
    Attack {
        name: "port sweep",
        does: "nc -z <cache> 20-60",
        rule: "lateral.port_scan",
        severity: "high",
        container: WEB,
        image: NGINX,
        exe: "nc.openbsd",
        run: |stage| {
            let address = stage.docker.address_of(CACHE)?;
            // It exits 1: none of the ports is open.
            stage
                .exec(WEB, &["bash", "-c", "nc -n -z -w 1 \"$0\" 20-60; true", &address])
                .map(drop)
        },
    },
    Attack {
        name: "dropped binary",
        does: "cp /bin/true /kworkerd; run it",
        rule: "drift.exec_from_upper",
        severity: "high",
        container: CACHE,
        image: crate::image::REDIS,
        exe: "kworkerd",
        run: |stage| {
            let script = "cp /bin/true /kworkerd && /kworkerd";
            stage.exec(CACHE, &["bash", "-c", script]).map(drop)
        },
    },
];
