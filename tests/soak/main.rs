//! What the agent promises under load and over time: nothing is lost in silence, nobody's alerts are pushed out, nothing grows.
//!
//! `VIGIA_TEST_FULL=1` is the whole length (`cargo xtask test soak --full`), anything else a part of it that CI has time for.

mod churn;
mod flood;
mod repeats;
mod slow;

/// What the agent may use, bytes.
const MEMORY: u64 = 64 << 20;
