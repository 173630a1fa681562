//! The tiers and how each is run.

use super::Selection;
use super::count::{Counts, run_counted};
use crate::build::{TIER_FEATURES, build_for_tests};
use crate::setup::Purpose;
use crate::{shell, vm};
use agent_tests::length;
use anyhow::Result;
use clap::ValueEnum;

/// A group of tests with the same needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// No root: unit, property, replay and documentation tests.
    Unit,
    /// Root: each hook natively.
    Kernel,
    /// Root: real containers, by Docker and by runc alone.
    Runtime,
    /// Other kernels, in QEMU.
    Vm,
    /// Root: the agent as a user runs it.
    E2e,
    /// Alerts to real receivers, which come and go.
    Delivery,
    /// Root: floods and churn, short unless `--full`.
    Soak,
}

impl Tier {
    pub(crate) const ALL: [Self; 7] = [
        Self::Unit,
        Self::Kernel,
        Self::Runtime,
        Self::Vm,
        Self::E2e,
        Self::Delivery,
        Self::Soak,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Kernel => "kernel",
            Self::Runtime => "runtime",
            Self::Vm => "vm",
            Self::E2e => "e2e",
            Self::Delivery => "delivery",
            Self::Soak => "soak",
        }
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Unit => "unit, property, replay and documentation tests",
            Self::Kernel => "every hook on this kernel",
            Self::Runtime => "containers of a private Docker daemon and of runc",
            Self::Vm => "every program on Debian's 6.1 and 6.12 kernels, in software",
            Self::E2e => "the agent as a user runs it",
            Self::Delivery => "alerts to real receivers, which come and go",
            Self::Soak => "the agent under a flood and over many containers",
        }
    }

    pub(super) fn needs_root(self) -> bool {
        matches!(
            self,
            Self::Kernel | Self::Runtime | Self::E2e | Self::Delivery | Self::Soak
        )
    }

    pub(super) fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Unit => &[],
            Self::Kernel | Self::Runtime | Self::E2e | Self::Soak => &[Purpose::Containers],
            Self::Vm => &[Purpose::Vm],
            Self::Delivery => &[Purpose::Receivers],
        }
    }

    pub(super) fn run(self, selection: &Selection) -> Result<Counts> {
        let only = selection.only.as_deref();
        match self {
            Self::Unit => run_unit(only),
            Self::Vm => vm::tier::run(selection),
            Self::Kernel | Self::Runtime | Self::E2e | Self::Delivery | Self::Soak => {
                self.run_target(selection)
            }
        }
    }

    /// One test binary of `agent-tests`; its tests share the machine, so they run one after the other.
    fn run_target(self, selection: &Selection) -> Result<Counts> {
        let agent = build_for_tests()?;
        let mut command = shell::cargo();
        command.args(["test", "--features", TIER_FEATURES, "--test", self.name()]);
        command
            .args(["--", "--nocapture", "--test-threads=1"])
            .args(&selection.only);
        if selection.full {
            command.env(length::VARIABLE, "1");
        }
        // A failed test shows its reason; where anyhow made it is noise.
        run_counted(
            command
                .env("VIGIA_TEST_AGENT", agent)
                .env("RUST_LIB_BACKTRACE", "0"),
        )
    }
}

fn run_unit(only: Option<&str>) -> Result<Counts> {
    let mut command = shell::cargo();
    // The workspace's default members: the kernel half has no tests on the host.
    command.args(["test", "--no-fail-fast", "--"]).args(only);
    run_counted(&mut command)
}
