//! rsyslog: UDP, TCP with octet counting, TLS.

use super::{Server, free_port, values};
use crate::certificate;
use crate::scenario::{Receiver, Trial, all_arrive};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Rsyslog {
    server: Server,
    folder: PathBuf,
    port: u16,
}

impl Rsyslog {
    /// `input` is how alerts come in; `{port}` stands for the port. Every kind listens on TCP beside it, to be seen to be there.
    fn new(folder: &Path, globals: &str, input: &str) -> Result<Self> {
        let port = free_port()?;
        let dir = folder.display();
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"1m\" {globals})\n\
             {}\n\
             template(name=\"elements\" type=\"string\" string=\"%structured-data%\\n\")\n\
             action(type=\"omfile\" file=\"{dir}/received\" template=\"elements\")\n",
            input.replace("{port}", &port.to_string())
        );
        std::fs::write(folder.join("rsyslog.conf"), config)?;
        Ok(Self {
            server: Server::default(),
            folder: folder.to_owned(),
            port,
        })
    }
}

impl Receiver for Rsyslog {
    fn start(&mut self) -> Result<()> {
        // A killed one leaves it.
        std::fs::remove_file(self.folder.join("pid")).ok();
        let mut command = Command::new("/usr/sbin/rsyslogd");
        command
            .arg("-n")
            .arg("-f")
            .arg(self.folder.join("rsyslog.conf"))
            .arg("-i")
            .arg(self.folder.join("pid"));
        self.server
            .start(&mut command, &self.folder.join("rsyslog.log"), self.port)
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

const TCP: &str = "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")";

#[test]
fn rsyslog_gets_all_by_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = Rsyslog::new(dir.path(), "", TCP).unwrap();
    let sink = format!(
        "type: syslog\ntransport: tcp\naddress: 127.0.0.1:{}",
        receiver.port
    );
    all_arrive(
        "rsyslog, tcp",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}

#[test]
fn rsyslog_gets_all_by_tls() {
    let dir = tempfile::tempdir().unwrap();
    let files = certificate::make(dir.path()).unwrap();
    let globals = format!(
        "defaultNetstreamDriver=\"ossl\" defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" \
         defaultNetstreamDriverKeyFile=\"{}\"",
        files.ca.display(),
        files.cert.display(),
        files.key.display()
    );
    let input = "module(load=\"imtcp\" streamDriver.name=\"ossl\" streamDriver.mode=\"1\" streamDriver.authMode=\"anon\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")";
    let mut receiver = Rsyslog::new(dir.path(), &globals, input).unwrap();
    let sink = format!(
        "type: syslog\ntransport: tls\naddress: localhost:{}\ntls: {{ca_file: {}}}",
        receiver.port,
        files.ca.display()
    );
    all_arrive(
        "rsyslog, tls",
        dir.path(),
        &sink,
        Trial::of_this_run(),
        &mut receiver,
    )
    .unwrap();
}

/// Nothing is promised over UDP: a receiver that is there and has room gets what is sent.
#[test]
fn rsyslog_gets_datagrams() {
    let dir = tempfile::tempdir().unwrap();
    let input = format!(
        "{TCP}\nmodule(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{{port}}\" rcvbufSize=\"4m\")"
    );
    let mut receiver = Rsyslog::new(dir.path(), "", &input).unwrap();
    receiver.start().unwrap();
    let sink = format!(
        "type: syslog\ntransport: udp\naddress: 127.0.0.1:{}",
        receiver.port
    );
    let trial = Trial { alerts: 50, kills: 0 };
    all_arrive("rsyslog, udp", dir.path(), &sink, trial, &mut receiver).unwrap();
}
