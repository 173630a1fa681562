//! Servers of workloads, on loopback, started anew for each round: an agent is to see them start.

use super::arena::Arena;
use agent_tests::command::wait_until;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A server that is asked to end when it is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(command: &mut Command, log: File, port: u16) -> Result<Self> {
        let process = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let server = Self { process, port };
        wait_until("the server listens", READY_WITHIN, || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself. Killed, nginx would leave its workers.
        let _asked = pid.map(|pid| kill_process(pid, Signal::TERM));
        let _ended = agent_tests::command::wait_within(&mut self.process, READY_WITHIN);
    }
}

pub(super) struct Nginx(Server);

impl Nginx {
    pub(super) fn start(arena: &Arena) -> Result<Self> {
        let folder = arena.folder().join("nginx");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("index.html"), [b'x'; 1024])?;
        let (port, dir) = (free_port()?, folder.display());
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {dir}/{kind};"))
            .concat();
        let config = format!(
            "worker_processes 1; daemon off; user root; pid {dir}/pid; error_log {dir}/errors;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; {temporary} keepalive_requests 10000000;\n\
             server {{ listen 127.0.0.1:{port}; root {dir}; }} }}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, config)?;
        let log = File::create(folder.join("log"))?;
        let mut command = arena.command(["nginx", "-c"]);
        let started = Server::start(command.arg(file).arg("-p").arg(&folder), log, port);
        Ok(Self(started.context("nginx")?))
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.0.port)
    }
}

pub(super) struct Redis(Server);

impl Redis {
    pub(super) fn start(arena: &Arena) -> Result<Self> {
        let port = free_port()?;
        let log = File::create(arena.folder().join("redis.log"))?;
        let mut command = arena.command(["redis-server", "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--port", &port.to_string(), "--dir"]);
        let started = Server::start(command.arg(arena.folder()), log, port);
        Ok(Self(started.context("redis-server")?))
    }

    pub(super) fn port(&self) -> String {
        self.0.port.to_string()
    }
}

/// Of loopback; nobody listens on it at this moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
