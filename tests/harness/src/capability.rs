//! What this machine can do, and saying so when a test cannot run.
//!
//! A test that cannot run prints `skipped: <capability>`; `cargo xtask test` counts it as skipped and, in CI, fails
//! when the machine has the capability or has to have it.

use crate::lab::CgroupView;
use crate::paths;
use std::fs;
use std::path::Path;

/// Declares the capabilities with their names: one list, so that none can be left out of [`Capability::ALL`].
macro_rules! capabilities {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that tests need and not every machine has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Capability {
            $($(#[$doc])* $variant,)*
        }

        impl Capability {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

capabilities! {
    Root = "root",
    /// Programs that need no trampoline can be loaded, and the kernel describes itself.
    Bpf = "bpf",
    /// LSM and fentry programs can be loaded.
    Trampolines = "trampolines",
    Docker = "docker",
    /// containerd with CRI.
    Containerd = "containerd",
    Podman = "podman",
    Runc = "runc",
    /// Container images can be made.
    Images = "images",
    Qemu = "qemu",
    /// Control groups of the first version are mounted.
    CgroupV1 = "cgroup1",
    /// 32-bit system calls.
    Compat = "compat",
    /// Rings may be made, and know the request in question.
    IoUring = "io_uring",
    /// Counts of this kernel are recorded.
    Baseline = "baseline",
    /// Nobody else uses the machine while time is measured.
    Quiet = "quiet",
}

impl Capability {
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.name() == name)
    }

    /// Whether a CI machine that lacks it is a broken CI machine. Hosted ones often refuse trampolines or are
    /// shared, and newer ones have unified control groups only.
    #[must_use]
    pub fn is_required_in_ci(self) -> bool {
        !matches!(
            self,
            Self::Trampolines | Self::CgroupV1 | Self::Compat | Self::IoUring | Self::Baseline | Self::Quiet
        )
    }

    /// Cheap; a positive answer means that trying makes sense. Some can only be known by trying.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Root => is_root(),
            Self::Bpf => is_root() && Path::new("/sys/kernel/btf/vmlinux").exists() && may_load_programs(),
            Self::Trampolines | Self::Compat | Self::IoUring | Self::Baseline | Self::Quiet => false,
            Self::Docker => {
                is_root() && has_programs(&["dockerd", "docker", "runc", "iptables", "unshare", "nsenter"])
            }
            Self::Containerd => is_root() && has_programs(&["containerd", "ctr", "runc", "unshare"]),
            Self::Podman => is_root() && has_programs(&["podman", "conmon", "runc", "unshare", "nsenter"]),
            Self::Runc => is_root() && has_programs(&["runc", "busybox"]),
            Self::Images => is_root() && has_programs(&["mmdebstrap"]),
            Self::Qemu => has_programs(&["qemu-system-x86_64", "busybox"]),
            Self::CgroupV1 => CgroupView::V1.is_possible(),
        }
    }
}

/// Whether all are there. If not, says which one is missing, by the protocol; the test then returns.
#[must_use]
pub fn can_run(needed: &[Capability]) -> bool {
    match needed.iter().find(|capability| !capability.is_available()) {
        Some(missing) => {
            skip(*missing, "this machine lacks it");
            false
        }
        None => true,
    }
}

/// Reports that the running test is skipped.
#[expect(clippy::print_stdout, reason = "the protocol between tests and xtask")]
pub fn skip(capability: Capability, reason: &str) {
    println!("skipped: {}: {reason}", capability.name());
}

#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether one of this process's sets (`CapEff`, `CapBnd`, …) holds a capability, by its number.
#[must_use]
pub fn has_capability(set: &str, number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(set)?.strip_prefix(':'));
    let bits = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    bits & (1 << number) != 0
}

fn may_load_programs() -> bool {
    const SYS_ADMIN: u32 = 21;
    const BPF: u32 = 39;
    has_capability("CapEff", SYS_ADMIN) || has_capability("CapEff", BPF)
}

fn has_programs(names: &[&str]) -> bool {
    names.iter().all(|name| paths::find_program(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for capability in Capability::ALL {
            assert_eq!(Capability::from_name(capability.name()), Some(*capability));
        }
        assert_eq!(Capability::from_name("cgroup1"), Some(Capability::CgroupV1));
        assert_eq!(Capability::from_name("nothing"), None);
    }
}
