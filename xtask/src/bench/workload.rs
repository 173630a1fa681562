//! The workloads, and what they may cost.

/// One thing that is measured.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What one operation is.
    pub(crate) operation: &'static str,
    pub(crate) kind: Kind,
    pub(crate) target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An operation of `vigia-workload`, by the workload's name.
    Micro,
    /// The same of a program in C, which has fork(2) itself.
    Fork,
    /// Requests to nginx.
    Http { keep_alive: bool },
    /// SET and GET.
    Redis,
    /// C files.
    Compile,
    /// Files of an archive.
    Extract,
}

/// Upper bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Processor time of an operation in a container, against no agent.
    pub(crate) ratio: Option<f64>,
    /// Nanoseconds in kernel programs, an operation in a container.
    pub(crate) container_ns: Option<f64>,
    /// The same, outside of containers.
    pub(crate) host_ns: Option<f64>,
}

const CONTROL: Target = Target {
    ratio: None,
    container_ns: None,
    host_ns: None,
};

const fn ratio(ratio: f64) -> Target {
    Target {
        ratio: Some(ratio),
        ..CONTROL
    }
}

impl Target {
    const fn container_ns(self, ns: f64) -> Self {
        Self {
            container_ns: Some(ns),
            ..self
        }
    }

    const fn host_ns(self, ns: f64) -> Self {
        Self {
            host_ns: Some(ns),
            ..self
        }
    }
}

const fn micro(name: &'static str, operation: &'static str, target: Target) -> Workload {
    Workload {
        name,
        operation,
        kind: Kind::Micro,
        target,
    }
}

/// What the empty program runs in.
pub(crate) const FLOOR: Workload = micro("getppid", "getppid", CONTROL);

pub(crate) const WORKLOADS: &[Workload] = &[
    micro("cpu", "2,000 multiplications (control)", CONTROL),
    micro("getppid", "getppid", ratio(1.30)),
    micro("pipe", "a byte to another process and back", ratio(1.05)),
    Workload {
        name: "fork",
        operation: "fork, exit",
        kind: Kind::Fork,
        target: ratio(1.05).container_ns(2_300.0).host_ns(600.0),
    },
    Workload {
        name: "exec",
        operation: "fork, execve of /bin/true, exit",
        kind: Kind::Fork,
        target: ratio(1.05).container_ns(8_500.0).host_ns(3_600.0),
    },
    micro(
        "open",
        "open to read, read, close",
        ratio(1.25).container_ns(850.0).host_ns(200.0),
    ),
    micro("open-for-write", "open to write, write, close", ratio(1.20)),
    micro("stat", "stat", CONTROL),
    micro(
        "connect",
        "TCP connect, accept, close",
        ratio(1.10).container_ns(1_300.0),
    ),
    micro(
        "listen",
        "TCP bind, listen, close",
        ratio(1.15).container_ns(1_700.0),
    ),
    micro(
        "udp",
        "a datagram sent and received",
        ratio(1.10).container_ns(450.0),
    ),
    Workload {
        name: "nginx",
        operation: "a request over a kept connection",
        kind: Kind::Http { keep_alive: true },
        target: ratio(1.05),
    },
    Workload {
        name: "nginx-close",
        operation: "a request with a connection of its own",
        kind: Kind::Http { keep_alive: false },
        target: CONTROL,
    },
    Workload {
        name: "redis",
        operation: "SET or GET",
        kind: Kind::Redis,
        target: ratio(1.05),
    },
    Workload {
        name: "compile",
        operation: "a C file compiled",
        kind: Kind::Compile,
        target: ratio(1.03),
    },
    Workload {
        name: "tar",
        operation: "a file extracted",
        kind: Kind::Extract,
        target: ratio(1.08),
    },
];
