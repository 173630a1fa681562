//! The daemon's end of the control socket.

use super::protocol::{Answer, Envelope, MAX_REQUEST_BYTES, Missed, Request, VERSION};
use super::{ControlRequest, Filter, Refusal, RefusalCode, ReloadRequest, TapLine, Taps};
use crate::shutdown::Tasks;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Clients at once that watch or learn; further ones are refused.
const MAX_LONG: usize = 24;
/// Clients at once that ask something short; further ones wait for a place. Watchers cannot take these.
const MAX_SHORT: usize = 8;
/// A client that says nothing for so long is sent away.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that does not read its answer for so long is sent away.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The engine answers within a poll interval; longer means that it is stopping.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(5);
/// Files are read, and sinks that hang are given up.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest time of learning through the socket.
pub const MAX_LEARN: Duration = Duration::from_secs(24 * 3600);

/// Why the socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen on {}: {source}\n  help: check the permissions of `run_dir`", path.display())]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("control socket: {0}")]
    Accept(#[source] io::Error),
}

/// The listening socket; removes its file when dropped.
#[derive(Debug)]
pub struct ControlServer {
    listener: UnixListener,
    path: PathBuf,
}

/// What serving needs.
#[derive(Debug, Clone)]
pub struct ServerContext {
    pub requests: mpsc::Sender<ControlRequest>,
    pub reloads: mpsc::Sender<ReloadRequest>,
    pub taps: Taps,
    pub tasks: Tasks,
}

impl ControlServer {
    /// Listens on `path`, mode 0660. The caller holds the instance lock, so a file that is there is a dead one's.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn bind(path: &Path) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen {
            path: path.to_owned(),
            source,
        };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until the tasks stop.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, context: ServerContext) -> Result<(), ServerError> {
        let stop = context.tasks.token();
        let short = Arc::new(Semaphore::new(MAX_SHORT));
        let long = Arc::new(Semaphore::new(MAX_LONG));
        loop {
            let place = Arc::clone(&short).acquire_owned();
            let (stream, place) = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                next = async { (self.listener.accept().await, place.await) } => match next {
                    (Ok((stream, _)), place) => (stream, place),
                    (Err(error), _) if is_transient(&error) => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                    (Err(error), _) => return Err(ServerError::Accept(error)),
                },
            };
            let client = context.clone();
            let places = Places {
                short: place.ok(),
                long: Arc::clone(&long),
            };
            let token = stop.clone();
            context.tasks.spawn("control client", async move {
                tokio::select! {
                    () = token.cancelled() => {}
                    ended = client.serve(stream, places) => if let Err(error) = ended {
                        tracing::debug!(%error, "control client went away");
                    },
                }
                Ok(())
            });
        }
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.path);
    }
}

/// Out of descriptors, or a client that left before it was accepted: the next one may work.
fn is_transient(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::MFILE | Errno::NFILE | Errno::CONNABORTED | Errno::NOMEM | Errno::INTR)
    )
}

/// A client's place, until it is known what it wants.
struct Places {
    short: Option<OwnedSemaphorePermit>,
    long: Arc<Semaphore>,
}

impl Places {
    /// The request with the place that it may keep; refused when there is none.
    fn settle(
        &mut self,
        request: Result<Request, Refusal>,
    ) -> (Result<Request, Refusal>, Option<OwnedSemaphorePermit>) {
        match request {
            Ok(request @ (Request::Watch { .. } | Request::Learn { .. })) => match self.stay() {
                Ok(place) => (Ok(request), Some(place)),
                Err(refusal) => (Err(refusal), None),
            },
            other => (other, self.short.take()),
        }
    }

    /// Gives the place for short requests back, for one of those that may be held for ever.
    fn stay(&mut self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.long).try_acquire_owned();
        let place = place.map_err(|_| Refusal {
            code: RefusalCode::Unavailable,
            message: format!("{MAX_LONG} clients watch or learn already; end one of them"),
        })?;
        self.short = None;
        Ok(place)
    }
}

impl ServerContext {
    async fn serve(self, stream: UnixStream, mut places: Places) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        let (request, _place) = places.settle(read_request(&mut read).await);
        let answer = match request {
            Ok(Request::Watch { filter }) => return self.watch(filter, read, write).await,
            Ok(Request::Learn { target, seconds }) => {
                let duration = Duration::from_secs(seconds).min(MAX_LEARN);
                let build = |reply| ControlRequest::Learn {
                    target,
                    duration,
                    reply,
                };
                tokio::select! {
                    answer = ask(&self.requests, build, duration + ENGINE_TIMEOUT) =>
                        answer.and_then(|profile| profile).map(|yaml| Answer::Profile { yaml }),
                    // The client gave up: so does the learner, whose reply has nobody to go to.
                    _ = read.read_u8() => return Ok(()),
                }
            }
            Ok(Request::Status) => {
                let build = |reply| ControlRequest::Status { reply };
                let report = ask(&self.requests, build, ENGINE_TIMEOUT).await;
                report.map(|report| Answer::Status { report })
            }
            Ok(Request::Graph) => {
                let build = |reply| ControlRequest::Graph { reply };
                let report = ask(&self.requests, build, ENGINE_TIMEOUT).await;
                report.map(|report| Answer::Graph { report })
            }
            Ok(Request::Reload) => ask(&self.reloads, |reply| ReloadRequest { reply }, RELOAD_TIMEOUT)
                .await
                .and_then(|reloaded| reloaded)
                .map(Answer::Reloaded),
            Err(refusal) => Err(refusal),
        };
        let answer = answer.unwrap_or_else(|Refusal { code, message }| Answer::Refused { code, message });
        // A client that asks and does not read must not keep its place.
        tokio::time::timeout(ANSWER_TIMEOUT, send(&mut write, &answer)).await?
    }

    async fn watch(
        &self,
        filter: Filter,
        mut read: BufReader<OwnedReadHalf>,
        mut write: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut stream = self.taps.watch(filter);
        send(&mut write, &Answer::Watching).await?;
        loop {
            let line = tokio::select! {
                line = stream.next() => line,
                // Nothing more is expected from a watcher: it left.
                _ = read.read_u8() => return Ok(()),
            };
            match line {
                None => return Ok(()),
                Some(TapLine::Missed(missed)) => send(&mut write, &Missed::new(missed)).await?,
                Some(TapLine::Line(line)) => {
                    write.write_all(line.as_bytes()).await?;
                    write.write_all(b"\n").await?;
                }
            }
        }
    }
}

async fn ask<R, T>(
    queue: &mpsc::Sender<R>,
    request: impl FnOnce(oneshot::Sender<T>) -> R,
    patience: Duration,
) -> Result<T, Refusal> {
    let (reply, answer) = oneshot::channel();
    let busy = |message: &str| Refusal {
        code: RefusalCode::Unavailable,
        message: message.to_owned(),
    };
    queue
        .try_send(request(reply))
        .map_err(|_| busy("the agent is busy or stopping; try again"))?;
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(busy("the agent is stopping")),
        Err(_) => Err(busy("the agent did not answer in time")),
    }
}

async fn read_request(read: &mut BufReader<OwnedReadHalf>) -> Result<Request, Refusal> {
    let bad = |message: String| Refusal {
        code: RefusalCode::BadRequest,
        message,
    };
    let mut line = Vec::new();
    let mut limited = read.take(MAX_REQUEST_BYTES);
    let reading = limited.read_until(b'\n', &mut line);
    match tokio::time::timeout(REQUEST_TIMEOUT, reading).await {
        Ok(Ok(_)) if line.ends_with(b"\n") => {}
        Ok(Ok(_)) => {
            return Err(bad(format!(
                "a request is one line of at most {MAX_REQUEST_BYTES} bytes"
            )));
        }
        Ok(Err(error)) => return Err(bad(error.to_string())),
        Err(_) => return Err(bad("no request came in time".to_owned())),
    }
    let envelope: Envelope =
        serde_json::from_slice(&line).map_err(|error| bad(format!("request: {error}")))?;
    if envelope.version != VERSION {
        return Err(bad(format!(
            "the client speaks version {} of the protocol, this agent {VERSION}; use the agent's own version",
            envelope.version
        )));
    }
    Ok(envelope.request)
}

async fn send(write: &mut OwnedWriteHalf, answer: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    write.write_all(&line).await
}
