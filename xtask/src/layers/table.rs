//! Who may import whom inside `agent/src`. A module that is not listed here is an error: decide where it belongs.

/// One module and the modules of the crate that it may name.
pub(super) struct Layer {
    pub(super) module: &'static str,
    pub(super) may_import: &'static [&'static str],
    pub(super) purity: Purity,
}

/// Whether a module may do anything but compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purity {
    /// No clock, no files, no async, no kernel: what it does replays exactly.
    Pure,
    Effects,
}

const fn pure(module: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer {
        module,
        may_import,
        purity: Purity::Pure,
    }
}

const fn effects(module: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer {
        module,
        may_import,
        purity: Purity::Effects,
    }
}

/// What an adapter may name: every boundary, no other adapter, nothing that composes.
const BOUNDARIES: &[&str] = &[
    "alert",
    "config",
    "container",
    "decode",
    "detect",
    "enforce",
    "engine",
    "enrich",
    "event",
    "format",
    "host",
    "net",
    "process",
    "profile",
    "recording",
    "shutdown",
    "sink",
    "source",
    "spool",
    "telemetry",
    "user_rules",
];

/// What composes: everything below it.
const ALL_PARTS: &[&str] = &[
    "alert",
    "config",
    "container",
    "control",
    "decode",
    "detect",
    "enforce",
    "engine",
    "enrich",
    "event",
    "format",
    "host",
    "k8s",
    "kernel",
    "net",
    "pipeline",
    "process",
    "profile",
    "recording",
    "runtimes",
    "shutdown",
    "sink",
    "sinks",
    "source",
    "spool",
    "telemetry",
    "user_rules",
    "watch",
];

const ALL: &[&str] = &[
    "alert",
    "cli",
    "config",
    "container",
    "control",
    "daemon",
    "decode",
    "detect",
    "enforce",
    "engine",
    "enrich",
    "event",
    "falco_import",
    "format",
    "host",
    "k8s",
    "kernel",
    "net",
    "pipeline",
    "process",
    "profile",
    "recording",
    "runtimes",
    "shutdown",
    "sink",
    "sinks",
    "source",
    "spool",
    "telemetry",
    "user_rules",
    "watch",
];

pub(super) const LAYERS: [Layer; 32] = [
    // vocabulary
    // an enriched event names its container and process
    pure("event", &["container", "process"]),
    pure("net", &["event"]),
    effects("shutdown", &[]),
    effects("config", &["event", "detect", "profile", "alert", "format"]),
    effects("telemetry", &["event", "config", "shutdown", "alert", "detect"]),
    // core
    pure("decode", &["event"]),
    effects("container", &["event"]),
    effects("process", &["event", "container"]),
    effects("host", &["event", "container", "process"]),
    pure(
        "profile",
        &["net", "event", "container", "process", "host", "detect"],
    ),
    pure(
        "detect",
        &["net", "event", "container", "process", "host", "profile"],
    ),
    pure(
        "alert",
        &[
            "net",
            "event",
            "container",
            "process",
            "host",
            "detect",
            "profile",
        ],
    ),
    pure("format", &["event", "detect", "alert"]),
    // asks about what alerts show; files are read by the configuration's reader
    pure("user_rules", &["event", "detect", "alert", "profile", "config"]),
    // what it makes is compiled as rules of users are
    pure("falco_import", &["event", "detect", "config", "user_rules"]),
    pure(
        "enrich",
        &["net", "event", "container", "process", "host", "decode"],
    ),
    pure(
        "engine",
        &[
            "net",
            "event",
            "container",
            "process",
            "host",
            "decode",
            "enrich",
            "detect",
            "profile",
            "alert",
            "user_rules",
        ],
    ),
    effects("enforce", &["event", "container", "profile"]),
    effects("source", &["event", "engine"]),
    effects(
        "recording",
        &[
            "event",
            "container",
            "process",
            "host",
            "decode",
            "profile",
            "engine",
            "source",
            "user_rules",
        ],
    ),
    effects(
        "spool",
        &["event", "alert", "detect", "config", "shutdown", "telemetry"],
    ),
    effects(
        "sink",
        &[
            "event",
            "alert",
            "detect",
            "config",
            "shutdown",
            "telemetry",
            "spool",
            "format",
        ],
    ),
    effects("pipeline", BOUNDARIES),
    // adapters: never each other
    effects("kernel", BOUNDARIES),
    effects("runtimes", BOUNDARIES),
    effects("sinks", BOUNDARIES),
    effects("k8s", BOUNDARIES),
    effects("control", BOUNDARIES),
    effects(
        "watch",
        &[
            "alert",
            "config",
            "container",
            "control",
            "detect",
            "event",
            "shutdown",
            "telemetry",
        ],
    ),
    // composition
    effects("daemon", ALL_PARTS),
    effects("cli", ALL),
    effects("main", ALL),
];

/// Files of pure modules that read files: each module's one door, named here so that there is no second one.
pub(super) const DOORS: [&str; 2] = ["profile/store.rs", "user_rules/store.rs"];

/// Text that only some modules may contain, and why.
pub(super) struct Ban {
    pub(super) text: &'static str,
    pub(super) allowed_in: &'static [&'static str],
    pub(super) reason: &'static str,
}

/// Crates that stay behind one boundary.
pub(super) const BANS: [Ban; 7] = [
    Ban {
        text: "aya::",
        allowed_in: &["kernel"],
        reason: "aya stays in the kernel adapter",
    },
    Ban {
        text: "aya_obj::",
        allowed_in: &["kernel"],
        reason: "aya stays in the kernel adapter",
    },
    Ban {
        text: "bollard::",
        allowed_in: &["runtimes"],
        reason: "runtimes' APIs stay in their adapters",
    },
    Ban {
        text: "tonic::",
        allowed_in: &["runtimes", "sinks"],
        reason: "gRPC stays in adapters",
    },
    Ban {
        text: "cel::",
        allowed_in: &["user_rules"],
        reason: "conditions stay where they are checked and bounded",
    },
    Ban {
        text: "hickory_proto::",
        allowed_in: &["decode", "event"],
        reason: "messages of DNS are read in one place",
    },
    Ban {
        text: "kube::",
        allowed_in: &["k8s"],
        reason: "Kubernetes stays in its adapter",
    },
];

/// What a pure module must not name.
pub(super) const IMPURE: [&str; 8] = [
    "tokio::",
    "tokio_util::",
    "std::fs",
    "std::process::",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
    "std::env",
];

/// Names that say nothing.
pub(super) const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "types", "misc", "shared",
];
