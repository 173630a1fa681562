//! `agent reload`.

use super::output::say_json;
use super::{ClientFlags, Exit, Failure, Output, block_on, client_socket, say};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Reloaded, Request};
use clap::Args;
use std::path::PathBuf;

/// Whom to tell, and how to show what it did.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    client: ClientFlags,
}

pub(super) fn run(file: Option<&PathBuf>, args: &ReloadArgs) -> Result<Exit, Failure> {
    let socket = client_socket(file, &args.client)?;
    let reloaded = block_on(async {
        let mut client = Client::connect(&socket).await?;
        match client.request(Request::Reload).await? {
            Answer::Reloaded(reloaded) => Ok(reloaded),
            other => Err(Failure::message(
                Exit::Unavailable,
                format!("unexpected answer: {other:?}"),
            )),
        }
    })?;
    match args.output {
        Output::Json => say_json(&reloaded),
        Output::Text => say(&render(&reloaded)),
    }
}

fn render(reloaded: &Reloaded) -> String {
    let mut text = format!(
        "reloaded, {} profiles and {} rules of users in force\n",
        reloaded.profiles, reloaded.rules
    );
    for changed in &reloaded.changed {
        text.push_str(&format!("  {changed}\n"));
    }
    for key in &reloaded.restart {
        text.push_str(&format!("  ! {key} is in force only after a restart\n"));
    }
    text
}
