//! Alerts reach real receivers: all of them, by id and revision, also when the receiver is away, is killed, or the agent is.
//!
//! `VIGIA_TEST_FULL=1` is 10,000 alerts and five kills of each side (`cargo xtask test delivery --full`), anything else a part of it.

mod certificate;
mod courier_process;
mod outage;
mod receivers;
mod refusals;
mod scenario;
