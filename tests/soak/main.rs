//! What the agent promises under load and over time: nothing is lost in silence, nobody's alerts are pushed out, nothing grows.
//!
//! `VIGIA_TEST_SOAK=full` is the whole length (`cargo xtask test soak --full`), anything else a part of it that CI has time for.

mod churn;
mod flood;
mod repeats;
mod slow;

/// How long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Short,
    Full,
}

impl Length {
    fn of_this_run() -> Self {
        if std::env::var("VIGIA_TEST_SOAK").is_ok_and(|value| value == "full") {
            Self::Full
        } else {
            Self::Short
        }
    }

    fn choose<T>(self, short: T, full: T) -> T {
        match self {
            Self::Short => short,
            Self::Full => full,
        }
    }
}

/// What the agent may use, bytes.
const MEMORY: u64 = 64 << 20;
