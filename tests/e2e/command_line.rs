//! What a person at a terminal meets first.

use agent_tests::{command, paths};
use anyhow::Result;
use std::process::Command;

#[test]
fn a_wrong_command_line_exits_64() -> Result<()> {
    let output = command::run_within(
        Command::new(paths::agent_binary()).arg("--no-such-flag"),
        command::DEFAULT_TIMEOUT,
    )?;
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-such-flag"));
    Ok(())
}
