//! Why the sensor cannot be loaded.

use super::permission::Suspect;

/// Errors of the kernel adapter. A capability that cannot be attached is no error: it is reported as degraded.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("this agent was built without its eBPF object: build it with `cargo xtask build`")]
    NoObject,
    #[error(
        "kernel {release} offers no type information (/sys/kernel/btf/vmlinux: {source}), without which the fields of \
         its structures are not found\n  help: run Linux 5.15 or newer that is built with CONFIG_DEBUG_INFO_BTF"
    )]
    NoBtf {
        release: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the kernel's type information cannot be understood")]
    BadBtf,
    #[error(
        "kernel {release} is too old: it lacks {}, by which the programs know whose task they see and what it called\n  \
         help: run Linux 5.15 or newer, or a distribution's kernel to which these functions were brought back",
        .lacking.join(", ")
    )]
    KernelTooOld {
        release: String,
        lacking: Vec<&'static str>,
    },
    #[error("missing capabilities: {}", .0.join(", "))]
    Permission(Vec<&'static str>),
    #[error("{}", super::permission::explain(*.0))]
    Forbidden(Suspect),
    #[error("the eBPF object cannot be loaded: {0}")]
    Object(#[from] Box<aya::EbpfError>),
    #[error("the object was built for another version of the agent (ABI {object}, expected {expected})")]
    Abi { object: u32, expected: u32 },
    #[error("the object has no map {0}")]
    NoMap(&'static str),
    #[error("profiles cannot be enforced for `{section}` here: {reason}")]
    Unenforceable { section: &'static str, reason: String },
    #[error("`{operation}` cannot be denied here: {reason}")]
    Undeniable { operation: &'static str, reason: String },
    #[error("no container has this profile")]
    NoPolicy,
    #[error("more than {0} profiles are in use")]
    TooManyPolicies(u16),
    #[error("map {map}: {source}")]
    Map {
        map: &'static str,
        #[source]
        source: aya::maps::MapError,
    },
    #[error("map {map} cannot be closed to others: {source}")]
    Seal {
        map: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[cfg(feature = "debug-log")]
    #[error("the programs' debug messages cannot be read: {0}")]
    Messages(#[source] aya_log::Error),
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
        matches!(self, Self::Permission(_) | Self::Forbidden(_))
    }
}
