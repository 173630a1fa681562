//! Destinations of alerts, each an implementation of [`crate::sink::Sink`].

mod file;
mod stdout;

pub use file::FileAlerts;
pub use stdout::StdoutAlerts;
