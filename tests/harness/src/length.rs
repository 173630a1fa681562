//! How long a run takes: `cargo xtask test --full` says so to tests that have a short form, for which CI has time.

/// Set to 1: the whole length.
pub const VARIABLE: &str = "VIGIA_TEST_FULL";

/// What this run does at its whole length, and else.
#[must_use]
pub fn choose<T>(short: T, full: T) -> T {
    if is_full() { full } else { short }
}

/// Whether it has its whole length.
#[must_use]
pub fn is_full() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|value| value == "1")
}
