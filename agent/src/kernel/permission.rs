//! Capabilities without which the kernel refuses the sensor.

use super::error::KernelError;

/// In the initial user namespace. What only one capability of the sensor needs is not among them: it degrades.
const NEEDED: [&str; 3] = ["CAP_BPF", "CAP_PERFMON", NAMESPACES];
/// Without it the namespaces of the first process and of containers' processes are closed to us.
pub(super) const NAMESPACES: &str = "CAP_SYS_PTRACE";
/// Numbers of [`NEEDED`].
const BITS: [u32; 3] = [39, 38, 19];
const SYS_ADMIN: u32 = 21;
/// What CAP_SYS_ADMIN includes.
const OF_ADMIN: [u32; 2] = [39, 38];

/// Who forbids bpf(2) to a process with the capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspect {
    /// Capabilities count in the user namespace of the process, which is not the first.
    UserNamespace,
    /// A filter of system calls, as container engines set it.
    Seccomp,
    /// None of these.
    SecurityModule,
}

/// Why this process may be refused.
pub(super) fn suspect() -> Suspect {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    suspect_in(&read("/proc/self/uid_map"), &read("/proc/self/status"))
}

/// Of the texts of `/proc/PID/uid_map` and `/proc/PID/status`.
fn suspect_in(uid_map: &str, status: &str) -> Suspect {
    let everybody = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
    let mut lines = status.lines().filter_map(|line| line.strip_prefix("Seccomp:"));
    match lines.next().map(str::trim) {
        _ if !everybody => Suspect::UserNamespace,
        None | Some("0") => Suspect::SecurityModule,
        Some(_) => Suspect::Seccomp,
    }
}

/// For people.
pub(super) fn explain(suspect: Suspect) -> &'static str {
    match suspect {
        Suspect::UserNamespace => {
            "the kernel refuses bpf(2): the agent is in a user namespace, where capabilities are not the host's\n  \
             help: run it as the host's root (no rootless engine, no --userns, hostUsers not false)"
        }
        Suspect::Seccomp => {
            "the kernel refuses bpf(2) in spite of the capabilities: the container's seccomp profile forbids it\n  \
             help: use a profile that allows it (--security-opt seccomp=unconfined, seccompProfile: Unconfined), or \
             where the engine's own profile asks for CAP_SYS_ADMIN, add that; see docs/image.md"
        }
        Suspect::SecurityModule => {
            "the kernel refuses bpf(2) in spite of the capabilities: a security module or kernel lockdown forbids it\n  \
             help: in a container, look at its AppArmor or SELinux profile; see docs/image.md"
        }
    }
}

/// # Errors
/// [`KernelError::Permission`] with what is missing.
pub(super) fn check() -> Result<(), KernelError> {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        // Without procfs the kernel's own answers must do.
        return Ok(());
    };
    let missing = effective(&status).map_or_else(Vec::new, missing);
    if missing.is_empty() {
        Ok(())
    } else {
        Err(KernelError::Permission(missing))
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn missing(effective: u64) -> Vec<&'static str> {
    let has = |bit: u32| effective >> bit & 1 == 1;
    let held = |bit: u32| has(bit) || has(SYS_ADMIN) && OF_ADMIN.contains(&bit);
    let lacking = NEEDED.iter().zip(BITS).filter(|(_, bit)| !held(*bit));
    lacking.map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing(0), NEEDED);
        assert_eq!(missing(1 << 39), ["CAP_PERFMON", "CAP_SYS_PTRACE"]);
        assert_eq!(missing(1 << 39 | 1 << 38), ["CAP_SYS_PTRACE"]);
        assert_eq!(missing(1 << SYS_ADMIN), ["CAP_SYS_PTRACE"]);
        assert!(missing(1 << 39 | 1 << 38 | 1 << 19).is_empty());
        assert!(missing(1 << SYS_ADMIN | 1 << 19).is_empty());
    }

    #[test]
    fn who_forbids_bpf_is_found_out() {
        let host = "         0          0 4294967295\n";
        let of = |map, status| suspect_in(map, status);
        assert_eq!(of("0 100000 65536\n", "Seccomp:\t2\n"), Suspect::UserNamespace);
        assert_eq!(
            of(host, "Name:\tagent\nSeccomp:\t2\nSeccomp_filters:\t1\n"),
            Suspect::Seccomp
        );
        assert_eq!(of(host, "Seccomp:\t0\n"), Suspect::SecurityModule);
        assert_eq!(of(host, ""), Suspect::SecurityModule);
    }

    #[test]
    fn effective_capabilities_are_read_from_the_status() {
        let status = "Name:\tagent\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(effective(status), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tagent\n"), None);
    }
}
