//! Network namespaces of a test's own.

use crate::command;
use anyhow::Result;
use std::process::Command;

/// A named network namespace with loopback up; removed when dropped.
#[derive(Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// # Errors
    /// When it may not be made.
    pub fn create(prefix: &str) -> Result<Self> {
        let netns = Self {
            name: super::unique_name(&format!("vigia-{prefix}")),
        };
        command::run(Command::new("ip").args(["netns", "add", &netns.name]))?;
        command::run(netns.command("ip").args(["link", "set", "lo", "up"]))?;
        Ok(netns)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command in the namespace.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Joins it to another one by a pair of interfaces; `mine` and `theirs` are addresses with prefix lengths.
    ///
    /// # Errors
    /// When an interface cannot be made or an address is refused.
    pub fn join(&self, other: &Self, mine: &str, theirs: &str) -> Result<()> {
        let (a, b) = ("vga0", "vgb0");
        let mut add = self.command("ip");
        command::run(add.args([
            "link",
            "add",
            a,
            "type",
            "veth",
            "peer",
            "name",
            b,
            "netns",
            &other.name,
        ]))?;
        for (netns, link, address) in [(self, a, mine), (other, b, theirs)] {
            command::run(netns.command("ip").args(["addr", "add", address, "dev", link]))?;
            command::run(netns.command("ip").args(["link", "set", link, "up"]))?;
        }
        Ok(())
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        command::run(Command::new("ip").args(["netns", "delete", &self.name])).ok();
    }
}
