//! Why the sensor cannot be loaded.

/// Errors of the kernel adapter. A capability that cannot be attached is no error: it is reported as degraded.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("this agent was built without its eBPF object: build it with `cargo xtask build`")]
    NoObject,
    #[error("the kernel offers no type information (/sys/kernel/btf/vmlinux): {0}")]
    NoBtf(#[source] std::io::Error),
    #[error("the kernel's type information cannot be understood")]
    BadBtf,
    #[error("kernel {0} is too old: 5.15 or newer is needed")]
    KernelTooOld(String),
    #[error("missing capabilities: {}", .0.join(", "))]
    Permission(Vec<&'static str>),
    #[error("the eBPF object cannot be loaded: {0}")]
    Object(#[from] Box<aya::EbpfError>),
    #[error("the object was built for another version of the agent (ABI {object}, expected {expected})")]
    Abi { object: u32, expected: u32 },
    #[error("the object has no map {0}")]
    NoMap(&'static str),
    #[error("map {map}: {source}")]
    Map {
        map: &'static str,
        #[source]
        source: aya::maps::MapError,
    },
    #[error("the kernel does not switch BPF statistics on: {0}")]
    Statistics(#[source] std::io::Error),
    #[error("identity cannot be established: program {program}: {reason}")]
    Identity { program: &'static str, reason: String },
    #[error("{path}: {source}")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl KernelError {
    /// True when more privileges would help.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission(_))
    }
}
