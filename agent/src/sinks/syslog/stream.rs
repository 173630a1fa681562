//! A connection that comes back, and what was sent over it last.

use crate::config::{SyslogSink, SyslogTransport, TlsFiles};
use crate::sink::SinkError;
use crate::sinks::failure::{chain, retry};
use crate::sinks::tls;
use futures_util::FutureExt;
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What is sent again on a new connection: more than the buffers of two kernels and a receiver hold.
const WINDOW_BYTES: usize = 8 << 20;
/// Time for the receiver to close its side when the agent stops.
const GOODBYE: Duration = Duration::from_millis(500);

trait Connection: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync + std::fmt::Debug> Connection for T {}

/// To one receiver.
#[derive(Debug)]
pub(super) struct Stream {
    address: String,
    tls: Option<TlsFiles>,
    timeout: Duration,
    connection: Option<Box<dyn Connection>>,
    window: Window,
}

/// The frames that were sent last.
#[derive(Debug, Default)]
struct Window {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Window {
    fn push(&mut self, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
        while self.bytes > WINDOW_BYTES && self.frames.len() > 1 {
            self.bytes -= self.frames.pop_front().map_or(0, |frame| frame.len());
        }
    }
}

/// Octet counting, RFC 6587 section 3.4.1: length, space, message.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend_from_slice(message);
    frame
}

impl Stream {
    pub(super) fn new(config: &SyslogSink) -> Result<Self, SinkError> {
        let tls = (config.transport == SyslogTransport::Tls).then(|| config.tls.clone());
        if let Some(files) = &tls {
            tls::client_config(files).map_err(|error| retry(format!("reach {}", config.address), error))?;
        }
        Ok(Self {
            address: config.address.clone(),
            tls,
            timeout: config.timeout,
            connection: None,
            window: Window::default(),
        })
    }

    /// Sends the frames, on a new connection after those of the window.
    ///
    /// # Errors
    /// [`SinkError::Retry`]; the connection is given up then, and its window stays.
    pub(super) async fn send(&mut self, frames: Vec<Vec<u8>>) -> Result<(), SinkError> {
        self.tend().await?;
        let sent = match self.connection.as_mut() {
            Some(connection) => write(connection, frames.iter(), self.timeout).await,
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = sent {
            self.connection = None;
            return Err(retry(self.action("send to"), error));
        }
        for frame in frames {
            self.window.push(frame);
        }
        Ok(())
    }

    /// Notices that the receiver closed the connection, and makes a new one, with the window.
    ///
    /// # Errors
    /// [`SinkError::Retry`] when there is no receiver.
    pub(super) async fn tend(&mut self) -> Result<(), SinkError> {
        if self.connection.as_mut().is_some_and(is_open) {
            return Ok(());
        }
        self.connection = None;
        let mut connection = timeout(self.timeout, self.connect())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| retry(self.action("connect to"), chain(&error)))?;
        write(&mut connection, self.window.frames.iter(), self.timeout)
            .await
            .map_err(|error| retry(self.action("send to"), error))?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Says goodbye and waits until the receiver has read everything.
    pub(super) async fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let goodbye = async {
                connection.shutdown().await?;
                let mut rest = [0; 256];
                while connection.read(&mut rest).await? > 0 {}
                io::Result::Ok(())
            };
            // The spool has no more to say; what the receiver did not read it would not have read later.
            let _ended = timeout(GOODBYE, goodbye).await;
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let Some(files) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        let name = files.server_name.as_deref().unwrap_or(host);
        let name =
            ServerName::try_from(name.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(std::sync::Arc::new(tls::client_config(files)?));
        Ok(Box::new(connector.connect(name, stream).await?))
    }

    fn action(&self, verb: &str) -> String {
        let scheme = if self.tls.is_some() { "tls" } else { "tcp" };
        format!("{verb} {scheme}://{}", self.address)
    }
}

/// Receivers say nothing: what can be read is the end of the connection.
fn is_open(connection: &mut Box<dyn Connection>) -> bool {
    let mut byte = [0; 64];
    match connection.read(&mut byte).now_or_never() {
        None => true,
        Some(read) => read.is_ok_and(|bytes| bytes > 0),
    }
}

async fn write<'a>(
    connection: &mut Box<dyn Connection>,
    frames: impl Iterator<Item = &'a Vec<u8>>,
    within: Duration,
) -> io::Result<()> {
    for frame in frames {
        // A receiver that reads slowly is waited for; one that does not read at all is given up.
        timeout(within, connection.write_all(frame)).await??;
    }
    timeout(within, connection.flush()).await?
}
