//! Debug messages of the kernel programs: into the agent's log, at level debug, with the target `agent_ebpf`.

use super::error::KernelError;
use aya::Ebpf;
use aya_log::EbpfLogger;

/// Their reader.
pub(super) struct Messages(EbpfLogger<ToTracing>);

impl Messages {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let logger = EbpfLogger::init_with_logger(ebpf, ToTracing).map_err(KernelError::Messages)?;
        Ok(Self(logger))
    }

    /// Hands on what has come.
    pub(super) fn flush(&mut self) {
        self.0.flush();
    }
}

struct ToTracing;

impl log::Log for ToTracing {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        tracing::enabled!(target: "agent_ebpf", tracing::Level::DEBUG)
    }

    fn log(&self, record: &log::Record<'_>) {
        let module = record.module_path().unwrap_or_default();
        tracing::debug!(target: "agent_ebpf", module, "{}", record.args());
    }

    fn flush(&self) {}
}
