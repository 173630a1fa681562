//! Capabilities without which the kernel refuses the sensor.

use super::error::KernelError;

/// In the initial user namespace. What only one capability of the sensor needs is not among them: it degrades.
pub(super) const NEEDED: [&str; 3] = ["CAP_BPF", "CAP_PERFMON", NAMESPACES];
/// Without it the namespaces of the first process and of containers' processes are closed to us.
pub(super) const NAMESPACES: &str = "CAP_SYS_PTRACE";
/// Numbers of [`NEEDED`].
const BITS: [u32; 3] = [39, 38, 19];
const SYS_ADMIN: u32 = 21;
/// What CAP_SYS_ADMIN includes.
const OF_ADMIN: [u32; 2] = [39, 38];

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
    fn effective_capabilities_are_read_from_the_status() {
        let status = "Name:\tagent\nCapPrm:\t0000000000000000\nCapEff:\t000001ffffffffff\n";
        assert_eq!(effective(status), Some(0x1ff_ffff_ffff));
        assert_eq!(effective("Name:\tagent\n"), None);
    }
}
