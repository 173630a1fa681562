//! The attack corpus: each entry is carried out in a container of its own, and the sensor has to show the behaviour
//! itself, of that container. `cargo xtask corpus --events-only` runs it; the `e2e` tier runs a part of it.
//!
//! What must be seen is data: `tests/corpus/expected.yaml`. An entry that is not named there is judged by its `oracle`.

mod detection;
mod entry;
mod expected;
mod guest;
mod judge;
mod matcher;
mod oci;
mod options;
mod oracle;
mod report;
mod run;
mod stage;

pub(crate) use detection::last_revisions;
pub use detection::{Detection, Raised, recall};
pub use entry::{Corpus, Entry};
pub use expected::Expectations;
pub use guest::{GuestCases, IMAGE};
pub use judge::{Judged, Shown, State};
pub use report::{Report, line};
pub use run::Runner;
pub use stage::Stage;

use crate::paths;
use std::path::PathBuf;

/// The corpus' files in the repository.
#[must_use]
pub fn folder() -> PathBuf {
    paths::workspace().join("tests/corpus")
}

/// The kernel of this machine.
#[must_use]
pub fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}
