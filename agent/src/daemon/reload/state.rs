use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What `agent status` says of reloads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ReloadState(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    refused: Option<String>,
    /// Keys whose new values wait for a restart.
    pending: Vec<String>,
    /// Of rules that are in force.
    rules_dir: PathBuf,
}

impl ReloadState {
    /// One sentence each; nothing when all that is written is in force.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let state = self.lock();
        let refused = state.refused.as_ref().map(|reason| {
            let reason = reason.replace("\n  help: ", "; help: ");
            format!("the configuration was refused, what ran before stays in force: {reason}")
        });
        let pending =
            (!state.pending.is_empty()).then(|| format!("needs a restart: {}", state.pending.join(", ")));
        refused.into_iter().chain(pending).collect()
    }

    pub(super) fn refused(&self, reason: &str) {
        self.lock().refused = Some(reason.to_owned());
    }

    pub(in crate::daemon) fn accepted(&self, rules_dir: &Path) {
        let mut state = self.lock();
        state.refused = None;
        rules_dir.clone_into(&mut state.rules_dir);
    }

    /// The folder of rules that are in force: its changes are read, too.
    pub(super) fn rules_dir(&self) -> PathBuf {
        self.lock().rules_dir.clone()
    }

    pub(super) fn pending(&self, keys: &[String]) {
        self.lock().pending = keys.to_vec();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
