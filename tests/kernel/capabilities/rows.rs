//! What checks show, and what the coverage table says of it.

use agent::event::Trust;
use agent::kernel::{CapabilityReport, Sight, coverage};
use anyhow::{Context, Result, ensure};

/// What the table says that these attached capabilities show of a behaviour.
///
/// # Errors
/// When the table has no such row.
pub(crate) fn sight(reports: &[CapabilityReport], name: &str) -> Result<Sight> {
    coverage(reports)
        .iter()
        .find(|row| row.behaviour == name)
        .map(|row| row.sight)
        .with_context(|| format!("the coverage table has no row `{name}`"))
}

/// One of the events has the trust that the row says; where it says blind there is none.
///
/// # Errors
/// Which row is not so.
pub(crate) fn hold(names: &[&str], reports: &[CapabilityReport], shown: &[Trust]) -> Result<()> {
    for name in names {
        let sight = sight(reports, name)?;
        let holds = match sight.trust() {
            Some(trust) => shown.contains(&trust),
            None => shown.is_empty(),
        };
        let found: Vec<&str> = shown.iter().map(|trust| trust.name()).collect();
        ensure!(
            holds,
            "the row `{name}` says {}, shown is {found:?}",
            sight.name()
        );
    }
    Ok(())
}
