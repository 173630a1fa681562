//! The other end of the control socket: what `agent status`, `watch`, `graph` and `profile learn` use.

use super::RefusalCode;
use super::protocol::{Answer, Envelope, MAX_LINE_BYTES, Request, VERSION};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// How long an answer may take: longer than the daemon gives its engine.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("no agent listens on {}\n  help: start it with `agent run`", path.display())]
    NotRunning { path: PathBuf },
    #[error("cannot connect to {}: {source}\n  help: run this as root or as a member of the socket's group", path.display())]
    Denied {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("control socket: {0}")]
    Io(#[from] io::Error),
    #[error("the agent's answer makes no sense: {0}")]
    Answer(#[from] serde_json::Error),
    #[error("{message}")]
    Refused { code: RefusalCode, message: String },
    #[error("too many clients wait for the agent on {}\n  help: try again", path.display())]
    Busy { path: PathBuf },
    #[error("the agent closed the connection")]
    Closed,
    #[error("the agent ended: nothing more is shown\n  help: see its log; `agent watch` again when it runs")]
    Ended,
    #[error("the agent on {} did not answer within {} s\n  help: look at its log; it may be stopping, or too busy", path.display(), patience.as_secs())]
    Timeout { path: PathBuf, patience: Duration },
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    patience: Duration,
}

impl Client {
    /// Connects to the daemon's socket.
    ///
    /// # Errors
    /// [`ClientError::NotRunning`] when there is none.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let connected = UnixStream::connect(path).await;
        let stream = connected.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::NotRunning {
                path: path.to_owned(),
            },
            // The queue of those who wait to be accepted is full.
            io::ErrorKind::WouldBlock => ClientError::Busy {
                path: path.to_owned(),
            },
            _ => ClientError::Denied {
                path: path.to_owned(),
                source,
            },
        })?;
        Ok(Self {
            stream: BufReader::new(stream),
            path: path.to_owned(),
            patience: PATIENCE,
        })
    }

    /// The same with another time that an answer may take.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a request and waits for its answer, for a while.
    ///
    /// # Errors
    /// When the connection breaks, the daemon refuses, or does not answer in time.
    pub async fn request(&mut self, request: Request) -> Result<Answer, ClientError> {
        let patience = match request {
            Request::Learn { seconds, .. } => self.patience.saturating_add(Duration::from_secs(seconds)),
            // Sinks that hang are waited for.
            Request::Reload => self.patience.saturating_add(Duration::from_secs(20)),
            Request::Status | Request::Graph | Request::Watch { .. } => self.patience,
        };
        let answered = tokio::time::timeout(patience, self.ask(request)).await;
        answered.unwrap_or_else(|_| {
            Err(ClientError::Timeout {
                path: self.path.clone(),
                patience,
            })
        })
    }

    async fn ask(&mut self, request: Request) -> Result<Answer, ClientError> {
        let mut line = serde_json::to_vec(&Envelope {
            version: VERSION,
            request,
        })?;
        line.push(b'\n');
        self.stream.write_all(&line).await?;
        let answer = self.line().await?.ok_or(ClientError::Closed)?;
        match serde_json::from_str(&answer)? {
            Answer::Refused { code, message } => Err(ClientError::Refused { code, message }),
            answer => Ok(answer),
        }
    }

    /// The next line of a watch; `None` when the daemon ended.
    ///
    /// # Errors
    /// When the connection breaks or a line is longer than any the daemon sends.
    pub async fn line(&mut self) -> Result<Option<String>, ClientError> {
        let mut line = String::new();
        let read = (&mut self.stream)
            .take(MAX_LINE_BYTES)
            .read_line(&mut line)
            .await?;
        if read == 0 {
            return Ok(None);
        }
        if line.pop() != Some('\n') {
            return Err(ClientError::Closed);
        }
        Ok(Some(line))
    }
}
