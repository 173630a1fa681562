//! Syslog, RFC 5424. The protocol confirms nothing. By UDP an alert may be lost on the way. By TCP and TLS what was sent last is kept
//! and sent again on the next connection: a receiver that died may not have read it. What comes twice has the same `id` in its
//! structured data.

mod message;
mod stream;

use crate::config::{SyslogSink, SyslogTransport};
use crate::format::Format;
use crate::sink::{AlertBatch, Sink, SinkError};
use crate::sinks::failure::retry;
use crate::sinks::fields;
use async_trait::async_trait;
use stream::Stream;
use tokio::net::UdpSocket;

/// Largest payload of a datagram, bytes.
const MAX_DATAGRAM: usize = 65_507;

/// Opens the sink for the transport.
///
/// # Errors
/// When a certificate cannot be used.
pub(super) fn open(config: &SyslogSink, format: Format) -> Result<Box<dyn Sink>, SinkError> {
    Ok(match config.transport {
        SyslogTransport::Udp => Box::new(SyslogUdp {
            config: config.clone(),
            format,
            socket: None,
        }),
        SyslogTransport::Tcp | SyslogTransport::Tls => Box::new(SyslogStream {
            stream: Stream::new(config)?,
            facility: config.facility,
            format,
        }),
    })
}

/// One datagram per alert.
#[derive(Debug)]
struct SyslogUdp {
    config: SyslogSink,
    format: Format,
    socket: Option<UdpSocket>,
}

impl SyslogUdp {
    /// Names are looked up at each connection: receivers move.
    async fn connected(&self) -> std::io::Result<UdpSocket> {
        let mut last = std::io::Error::other("the name has no address");
        for address in tokio::net::lookup_host(&self.config.address).await? {
            let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).await?;
            match socket.connect(address).await {
                Ok(()) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

#[async_trait]
impl Sink for SyslogUdp {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let alerts = fields::of_batch(batch, self.format)?;
        let action = || format!("send to udp://{}", self.config.address);
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.connected().await.map_err(|error| retry(action(), error))?,
        };
        for alert in &alerts {
            let message = message::message(alert, self.config.facility, std::process::id());
            if message.len() > MAX_DATAGRAM {
                return Err(SinkError::Reject {
                    reason: format!("{} bytes do not fit into a datagram", message.len()),
                });
            }
            // A refusal is the answer to an earlier datagram: nobody listens.
            socket
                .send(&message)
                .await
                .map_err(|error| retry(action(), error))?;
        }
        self.socket = Some(socket);
        Ok(())
    }
}

/// Octet counting over a connection.
#[derive(Debug)]
struct SyslogStream {
    stream: Stream,
    facility: u8,
    format: Format,
}

#[async_trait]
impl Sink for SyslogStream {
    async fn deliver(&mut self, batch: &AlertBatch) -> Result<(), SinkError> {
        let pid = std::process::id();
        let frames = fields::of_batch(batch, self.format)?
            .iter()
            .map(|alert| stream::frame(&message::message(alert, self.facility, pid)))
            .collect();
        self.stream.send(frames).await
    }

    async fn healthcheck(&mut self) -> Result<(), SinkError> {
        self.stream.tend().await
    }

    async fn tend(&mut self) -> Result<(), SinkError> {
        self.stream.tend().await
    }

    async fn close(&mut self) {
        self.stream.close().await;
    }
}
