//! Real servers, each with a folder and ports of its own.

mod alertmanager;
mod collector;
mod http;
pub(crate) mod nats;
mod noida;
mod prometheus;
mod refusing;
mod rsyslog;
mod syslog_ng;

pub(crate) use refusing::{refusing, tls_endpoint};

use agent_tests::command::wait_until;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server as a child process, its output appended to a file. Dropping it kills it.
#[derive(Debug, Default)]
pub(crate) struct Server {
    child: Option<Child>,
}

impl Server {
    /// Starts it and waits until it listens on the port. One that runs goes on.
    pub(crate) fn start(&mut self, command: &mut Command, log: &Path, port: u16) -> Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        self.child = Some(child);
        wait_until(&format!("{command:?} listens"), Duration::from_secs(30), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })?;
        Ok(())
    }

    /// By SIGTERM: for a server that stores what it took only then.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            kill_process(pid.context("no pid")?, Signal::TERM)?;
            child.wait()?;
        }
        Ok(())
    }

    /// By SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A failed test has said why already.
        let _killed = self.kill();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Values of `key="…"` in a text.
pub(crate) fn values(text: &str, key: &str) -> Vec<String> {
    let begin = format!("{key}=\"");
    text.split(&begin)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}
