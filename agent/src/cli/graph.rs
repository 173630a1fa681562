//! `agent graph`.

mod diagram;
mod table;
#[cfg(test)]
mod tests;

use super::output::say_json;
use super::{ClientFlags, Exit, Failure, block_on, client_socket, say};
use crate::alert::{AlertBuilder, AlertIds};
use crate::control::client::Client;
use crate::control::protocol::{Answer, Request};
use crate::control::{GraphEdge, GraphNode, GraphReport, NodeKind};
use crate::engine::{Engine, Expectation};
use crate::profile::RoleSet;
use crate::recording::{Reader, RecordedProfiles, replay};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// Characters of a container's id that are shown.
const SHORT_ID: usize = 12;

/// Which edges, and how to show them.
#[derive(Debug, Args)]
pub struct GraphArgs {
    #[arg(long, value_enum, default_value_t)]
    output: GraphOutput,
    /// Only edges from or to an image with this in its name
    #[arg(long, value_name = "TEXT")]
    image: Option<String>,
    /// Only edges that the profile of the contacting image does not name
    #[arg(long)]
    new: bool,
    /// The graph of what `agent run --record` wrote, instead of the running agent's
    #[arg(long, value_name = "FILE", conflicts_with = "run_dir")]
    recording: Option<PathBuf>,
    #[command(flatten)]
    client: ClientFlags,
}

/// Shape of the graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum GraphOutput {
    /// A line per edge.
    #[default]
    Text,
    /// For Graphviz.
    Dot,
    /// `vigia.graph/v1`.
    Json,
    /// For Markdown that draws Mermaid's diagrams.
    Mermaid,
}

pub(super) fn run(file: Option<&PathBuf>, args: &GraphArgs) -> Result<Exit, Failure> {
    let mut report = match &args.recording {
        Some(recording) => recorded(recording)?,
        None => asked(&client_socket(file, &args.client)?)?,
    };
    report.edges.retain(|edge| is_wanted(edge, args));
    match args.output {
        GraphOutput::Text => say(&table::render(&report)),
        GraphOutput::Dot => say(&diagram::dot(&report)),
        GraphOutput::Json => say_json(&report),
        GraphOutput::Mermaid => say(&diagram::mermaid(&report)),
    }
}

fn asked(socket: &Path) -> Result<GraphReport, Failure> {
    block_on(async {
        let mut client = Client::connect(socket).await?;
        match client.request(Request::Graph).await? {
            Answer::Graph { report } => Ok(*report),
            other => Err(Failure::message(
                Exit::Unavailable,
                format!("unexpected answer: {other:?}"),
            )),
        }
    })
}

/// What the agent's graph was when the recording ended.
fn recorded(file: &Path) -> Result<GraphReport, Failure> {
    let mut reader = Reader::open(file)?;
    let host = reader.start().host.clone();
    let node = host.node.clone();
    // Nobody is shown the alerts.
    let alerts = AlertBuilder::new(AlertIds::new(0));
    let mut engine = Engine::new(host, RoleSet::shipped()?, alerts);
    replay(&mut reader, &mut engine, RecordedProfiles::InForce, |_| {})?;
    Ok(GraphReport::of(engine.graph(), &node))
}

fn is_wanted(edge: &GraphEdge, args: &GraphArgs) -> bool {
    let new = !args.new || edge.profile == Expectation::New;
    let has = |node: &GraphNode, text: &str| node.kind == NodeKind::Image && node.name.contains(text);
    let image = args.image.as_deref();
    new && image.is_none_or(|text| has(&edge.from, text) || has(&edge.to, text))
}

/// The end as a person reads it. Only what is no image is in parentheses.
fn label(node: &GraphNode) -> String {
    match node.kind {
        NodeKind::Image => visible(&node.name),
        NodeKind::Container => {
            let short: String = node.name.chars().take(SHORT_ID).collect();
            format!("(container {})", visible(&short))
        }
        NodeKind::Host | NodeKind::Private | NodeKind::Public => format!("({})", visible(&node.name)),
    }
}

/// Names come from strangers: nothing of them may move a cursor, turn the line around or be invisible.
fn visible(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric() {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// `5432/tcp`
fn place(edge: &GraphEdge) -> String {
    format!("{}/{}", edge.port, edge.protocol.name())
}
