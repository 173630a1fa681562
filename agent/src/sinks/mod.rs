//! Where alerts go: one module per destination, chosen by [`open`].

mod failure;
mod fields;
mod file;
mod http;
mod kafka;
mod nats;
mod otlp;
mod secret;
mod stdout;
mod syslog;
mod tls;

pub use file::FileAlerts;
pub use stdout::StdoutAlerts;

use crate::config::{SinkConfig, SinkKind};
use crate::sink::{Sink, SinkError};

/// Opens what a sink writes to. What can be known to be wrong at once is: a file that cannot be written, a certificate that makes no
/// sense. Receivers on the network may be down now.
///
/// # Errors
/// When it cannot be used as configured.
pub fn open(sink: &SinkConfig) -> Result<Box<dyn Sink>, SinkError> {
    let format = sink.format;
    Ok(match &sink.kind {
        SinkKind::Stdout => Box::new(StdoutAlerts::new(format)),
        SinkKind::File(config) => Box::new(FileAlerts::open(config.clone(), format)?),
        SinkKind::Syslog(config) => syslog::open(config, format)?,
        SinkKind::Http(config) => http::open(config, format)?,
        SinkKind::OtlpGrpc(config) => Box::new(otlp::OtlpGrpc::open(config, format)?),
        SinkKind::Nats(config) => Box::new(nats::Nats::new(config.clone(), format)),
        SinkKind::Kafka(config) => Box::new(kafka::Kafka::new(config.clone(), format)),
    })
}
