//! What the sensor needs of the kernel's privileges.

use super::{Exit, Failure};
use caps::{CapSet, Capability, CapsHashSet};

/// A capability that this process does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingCapability {
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    pub need: Need,
}

/// How much a capability is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
}

const NEEDED: [(Capability, MissingCapability); 6] = [
    (
        Capability::CAP_BPF,
        needed("CAP_BPF", "load kernel programs and maps", Need::Required),
    ),
    (
        Capability::CAP_PERFMON,
        needed(
            "CAP_PERFMON",
            "attach them to tracepoints and functions",
            Need::Required,
        ),
    ),
    (
        Capability::CAP_SYS_PTRACE,
        needed("CAP_SYS_PTRACE", "read other processes in /proc", Need::Required),
    ),
    (
        Capability::CAP_DAC_READ_SEARCH,
        needed(
            "CAP_DAC_READ_SEARCH",
            "read what processes of other users have open, which profiles rest on",
            Need::Required,
        ),
    ),
    (
        Capability::CAP_NET_ADMIN,
        needed(
            "CAP_NET_ADMIN",
            "see datagrams where there is neither lsm nor fentry",
            Need::Optional,
        ),
    ),
    (
        Capability::CAP_SYSLOG,
        needed(
            "CAP_SYSLOG",
            "see programs that the kernel starts where there is neither lsm nor fentry",
            Need::Optional,
        ),
    ),
];

const fn needed(name: &'static str, purpose: &'static str, need: Need) -> MissingCapability {
    MissingCapability { name, purpose, need }
}

/// Capabilities that the sensor needs and this process does not have, in effect.
///
/// # Errors
/// When the kernel does not tell.
pub fn missing_capabilities() -> Result<Vec<MissingCapability>, Failure> {
    let held =
        caps::read(None, CapSet::Effective).map_err(|error| Failure::message(Exit::NoPermission, error))?;
    Ok(missing(&held))
}

/// # Errors
/// Exit code 77 and the list, when a required capability is missing.
pub fn require_capabilities() -> Result<(), Failure> {
    let missing = missing_capabilities()?;
    if missing.iter().all(|capability| capability.need == Need::Optional) {
        return Ok(());
    }
    let mut message = "the sensor may not be loaded: missing capabilities\n".to_owned();
    for MissingCapability { name, purpose, need } in missing {
        let optional = if need == Need::Optional { " (optional)" } else { "" };
        message.push_str(&format!("  {name}: to {purpose}{optional}\n"));
    }
    message.push_str("  help: run the agent as root, or give it these capabilities");
    Err(Failure::message(Exit::NoPermission, message))
}

fn missing(held: &CapsHashSet) -> Vec<MissingCapability> {
    // CAP_SYS_ADMIN stands for what was split off from it.
    let admin = held.contains(&Capability::CAP_SYS_ADMIN);
    let parts = [
        Capability::CAP_BPF,
        Capability::CAP_PERFMON,
        Capability::CAP_NET_ADMIN,
    ];
    let implied = |capability| admin && parts.contains(&capability);
    NEEDED
        .into_iter()
        .filter(|(capability, _)| !held.contains(capability) && !implied(*capability))
        .map(|(_, missing)| missing)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_missing_without_privileges() {
        assert_eq!(missing(&CapsHashSet::new()).len(), NEEDED.len());
    }

    #[test]
    fn sys_admin_implies_what_was_split_off_from_it() {
        let held = CapsHashSet::from([Capability::CAP_SYS_ADMIN]);
        let names: Vec<_> = missing(&held).iter().map(|missing| missing.name).collect();
        assert_eq!(names, ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG"]);
    }
}
