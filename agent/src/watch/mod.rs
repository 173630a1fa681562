//! `agent watch`: shows what the daemon publishes. A client of the control socket, or of a sensor of its own; it
//! shares no state with detection.

mod view;

pub use view::{Detail, View, render};

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

/// Prints lines until the source ends, the reader of stdout goes away, or a signal comes.
///
/// # Errors
/// When the connection breaks or stdout cannot be written.
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
        let Some(line) = next else {
            return Ok(());
        };
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
