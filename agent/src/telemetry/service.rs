//! What a service manager is told: systemd, and what speaks its protocol (sd_notify(3)), one datagram a message.
//!
//! The crates that do it read the environment for each message, block when the manager is slow, and do not know abstract
//! sockets; what is needed of them is less than their interface.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram as StdDatagram};
use std::sync::Arc;
use std::time::Duration;
use std::{env, io, process};
use tokio::net::UnixDatagram;

/// How long a message may wait for a manager that does not read: systemd's queue is hardly ever full.
const PATIENCE: Duration = Duration::from_secs(1);
/// Characters of a status line.
const MAX_STATUS: usize = 256;

/// Why the service manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("NOTIFY_SOCKET={0}: it must begin with / or @\n  help: leave it to the service manager")]
    Address(String),
    #[error("NOTIFY_SOCKET={address}: {source}\n  help: does the service manager still run?")]
    Connect {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("WATCHDOG_USEC={0}: not a number of microseconds\n  help: leave it to the service manager")]
    Watchdog(String),
}

/// The service manager that started the agent, or nobody: then nothing is sent.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    socket: Option<Arc<UnixDatagram>>,
    /// Silence after which it restarts the agent.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// As `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` say. Must run within a tokio runtime.
    ///
    /// # Errors
    /// When they are set to what makes no sense, or nobody listens there.
    pub fn from_environment() -> Result<Self, ServiceError> {
        let Some(address) = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty()) else {
            return Ok(Self::default());
        };
        let (usec, pid) = (env::var("WATCHDOG_USEC").ok(), env::var("WATCHDOG_PID").ok());
        let watchdog = watchdog(usec.as_deref(), pid.as_deref())?;
        Self::connect(&address, watchdog)
    }

    /// `address`: a path, or `@` and the name of an abstract socket.
    ///
    /// # Errors
    /// When it is neither, or nobody listens there.
    pub fn connect(address: &OsStr, watchdog: Option<Duration>) -> Result<Self, ServiceError> {
        let shown = address.to_string_lossy().into_owned();
        let peer = match address.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(address),
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            _ => return Err(ServiceError::Address(shown)),
        };
        let open = |peer: SocketAddr| {
            let socket = StdDatagram::unbound()?;
            socket.connect_addr(&peer)?;
            socket.set_nonblocking(true)?;
            UnixDatagram::from_std(socket)
        };
        let socket = peer.and_then(open).map_err(|source| ServiceError::Connect {
            address: shown,
            source,
        })?;
        Ok(Self {
            socket: Some(Arc::new(socket)),
            watchdog,
        })
    }

    /// Whether somebody is told.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.socket.is_some()
    }

    /// Silence after which it restarts the agent; `None`: never.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The agent does what it is there for; also the end of a reload.
    pub async fn ready(&self) {
        self.tell("READY=1\n").await;
    }

    /// A reload begins. [`Self::ready`] must follow.
    pub async fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}\n")).await;
    }

    /// The end begins.
    pub async fn stopping(&self) {
        self.tell("STOPPING=1\n").await;
    }

    /// The agent works; `status` in one line.
    pub async fn alive(&self, status: &str) {
        self.tell(&format!("WATCHDOG=1\nSTATUS={}\n", line(status))).await;
    }

    /// What is wrong. Without [`Self::alive`] the manager will restart the agent.
    pub async fn troubled(&self, status: &str) {
        self.tell(&format!("STATUS={}\n", line(status))).await;
    }

    async fn tell(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        let sent = tokio::time::timeout(PATIENCE, socket.send(message.as_bytes())).await;
        if let Err(error) = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            tracing::warn!(%error, message = message.trim_end(), "the service manager was not told");
        }
    }
}

/// # Errors
/// When `usec` is no number.
fn watchdog(usec: Option<&str>, pid: Option<&str>) -> Result<Option<Duration>, ServiceError> {
    let (Some(usec), true) = (usec, pid.is_none_or(is_own)) else {
        return Ok(None);
    };
    let usec: u64 = usec
        .parse()
        .map_err(|_| ServiceError::Watchdog(usec.to_owned()))?;
    Ok((usec > 0).then(|| Duration::from_micros(usec)))
}

/// It may be meant for the process that started this one.
fn is_own(pid: &str) -> bool {
    pid.parse() == Ok(process::id())
}

/// A line break would begin another assignment.
fn line(text: &str) -> String {
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    text.chars().take(MAX_STATUS).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &StdDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[tokio::test]
    async fn messages_are_as_systemd_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = StdDatagram::bind(&path).unwrap();
        let manager = ServiceManager::connect(path.as_os_str(), None).unwrap();
        manager.ready().await;
        assert_eq!(receive(&socket), "READY=1\n");
        manager.reloading().await;
        let reloading = receive(&socket);
        let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(usec.trim_end().parse::<u64>().unwrap() > 0);
        manager.stopping().await;
        assert_eq!(receive(&socket), "STOPPING=1\n");
        manager.alive("fine\nREADY=1").await;
        assert_eq!(receive(&socket), "WATCHDOG=1\nSTATUS=fine READY=1\n");
        manager.troubled(&"é".repeat(1000)).await;
        let status = receive(&socket);
        assert_eq!(status, format!("STATUS={}\n", "é".repeat(MAX_STATUS)));
    }

    #[tokio::test]
    async fn abstract_sockets_are_reached() {
        let name = format!("vigia-test-{}", process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = StdDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::connect(OsStr::new(&format!("@{name}")), None).unwrap();
        manager.ready().await;
        assert_eq!(receive(&socket), "READY=1\n");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_an_error_that_names_it() {
        let error = |address: &str| {
            let connected = ServiceManager::connect(OsStr::new(address), None);
            connected.unwrap_err().to_string()
        };
        assert!(error("notify").contains("must begin with / or @"));
        assert!(error("/nowhere/at/all").contains("NOTIFY_SOCKET=/nowhere/at/all: No such file"));
        let own = process::id().to_string();
        let refused = watchdog(Some("5s"), Some(&own)).unwrap_err();
        assert!(refused.to_string().contains("WATCHDOG_USEC=5s"));
        assert_eq!(watchdog(Some("0"), None).unwrap(), None);
        assert_eq!(watchdog(Some("5000"), Some("1")).unwrap(), None, "another's");
        let half = Some(Duration::from_millis(500));
        assert_eq!(watchdog(Some("500000"), Some(&own)).unwrap(), half);
    }

    #[tokio::test]
    async fn a_manager_that_is_gone_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = StdDatagram::bind(&path).unwrap();
        let manager = ServiceManager::connect(path.as_os_str(), None).unwrap();
        drop(socket);
        manager.ready().await;
        ServiceManager::default().ready().await;
        assert!(manager.listens() && !ServiceManager::default().listens());
    }
}
