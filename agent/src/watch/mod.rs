//! `agent watch`: shows what the daemon publishes. A client of the control socket, or of a sensor of its own; it
//! shares no state with detection.

mod view;

pub use view::{Detail, View, clean, render};

use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Missed, Request};
use crate::control::{Filter, TapLine, TapStream};
use std::io;
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};

/// Where lines come from.
#[derive(Debug)]
pub enum Lines {
    Daemon(Client),
    /// The sensor of this process.
    Local(TapStream),
}

impl Lines {
    /// Watches through the daemon's socket.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when there is no daemon.
    pub async fn from_daemon(socket: &Path, filter: Filter) -> Result<Self, ClientError> {
        let mut client = Client::connect(socket).await?;
        client.request(Request::Watch { filter }).await?;
        Ok(Self::Daemon(client))
    }

    async fn next(&mut self) -> Result<Option<String>, ClientError> {
        match self {
            Self::Daemon(client) => client.line().await,
            Self::Local(stream) => Ok(match stream.next().await {
                Some(TapLine::Line(line)) => Some(line.to_string()),
                Some(TapLine::Missed(missed)) => Some(serde_json::to_string(&Missed::new(missed))?),
                None => None,
            }),
        }
    }
}

/// Prints lines until the reader of stdout goes away or a signal comes.
///
/// # Errors
/// When the source ends, the connection breaks or stdout cannot be written.
pub async fn follow(mut lines: Lines, view: View, detail: Detail) -> Result<(), ClientError> {
    let mut stdout = tokio::io::stdout();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let next = tokio::select! {
            next = lines.next() => next?,
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
        };
        let line = next.ok_or(ClientError::Ended)?;
        let Some(text) = render(&line, view, detail).map(|text| text + "\n") else {
            continue;
        };
        let written = async {
            stdout.write_all(text.as_bytes()).await?;
            stdout.flush().await
        };
        match written.await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::UnixListener;

    /// What a watcher is left with when the daemon says `lines` and is gone.
    async fn watch_until_the_end(lines: &'static [u8]) -> ClientError {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.read_line(&mut String::new()).await.unwrap();
            stream.write_all(b"{\"answer\":\"watching\"}\n").await.unwrap();
            stream.write_all(lines).await.unwrap();
        };
        let watcher = async {
            let lines = Lines::from_daemon(&socket, Filter::default()).await.unwrap();
            follow(lines, View::Plain, Detail::Relevant).await.unwrap_err()
        };
        tokio::join!(daemon, watcher).1
    }

    #[tokio::test]
    async fn the_end_of_the_daemon_is_told() {
        let error = watch_until_the_end(b"").await;
        assert!(matches!(error, ClientError::Ended), "{error}");
        assert!(error.to_string().contains("the agent ended"));
        let error = watch_until_the_end(b"{\"half").await;
        assert!(matches!(error, ClientError::Closed), "{error}");
    }
}
