//! syslog-ng, by TCP with octet counting.

use super::{Server, free_port, values};
use crate::scenario::{Receiver, Trial, all_arrive};
use agent_tests::paths;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

struct SyslogNg {
    server: Server,
    folder: PathBuf,
    port: u16,
}

/// Where its packages are unpacked: they cannot be installed beside rsyslog.
fn root() -> PathBuf {
    paths::tools_dir().join("syslog-ng")
}

impl SyslogNg {
    fn new(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        let config = format!(
            "@version: 3.38\noptions {{ log-msg-size(1048576); }};\n\
             source s {{ syslog(ip(127.0.0.1) port({port}) transport(\"tcp\")); }};\n\
             destination d {{ file(\"{}/received\" template(\"${{SDATA}}\\n\")); }};\n\
             log {{ source(s); destination(d); }};\n",
            folder.display()
        );
        std::fs::write(folder.join("syslog-ng.conf"), config)?;
        Ok(Self {
            server: Server::default(),
            folder: folder.to_owned(),
            port,
        })
    }
}

impl Receiver for SyslogNg {
    fn start(&mut self) -> Result<()> {
        let lib = root().join("usr/lib");
        let file = |name: &str| self.folder.join(name);
        let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = [
            lib.join("syslog-ng"),
            lib.join(&machine),
            root().join("lib").join(&machine),
        ];
        let mut command = Command::new(root().join("usr/sbin/syslog-ng"));
        command
            .env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?)
            .args(["--foreground", "--stderr", "--no-caps"])
            .arg("--module-path")
            .arg(lib.join("syslog-ng/3.38"))
            .arg("--cfgfile")
            .arg(file("syslog-ng.conf"))
            .arg("--persist-file")
            .arg(file("persist"))
            .arg("--pidfile")
            .arg(file("ng.pid"))
            .arg("--control")
            .arg(file("ng.ctl"));
        self.server.start(&mut command, &file("syslog-ng.log"), self.port)
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    fn forgets(&self) -> bool {
        true
    }

    fn received(&mut self) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.folder.join("received")).unwrap_or_default();
        Ok(values(&text, " id"))
    }
}

#[test]
fn syslog_ng_gets_all_by_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = SyslogNg::new(dir.path()).unwrap();
    let sink = format!(
        "type: syslog\ntransport: tcp\naddress: 127.0.0.1:{}",
        receiver.port
    );
    all_arrive(
        "syslog-ng, tcp",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}
