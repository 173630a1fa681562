//! What `agent graph` shows.

use crate::engine::{Edge, Expectation, Graph, Node, Target};
use crate::event::Timestamp;
use crate::profile::{Port, Protocol};
use serde::{Deserialize, Serialize};

/// Schema of [`GraphReport`].
const SCHEMA: &str = "vigia.graph/v1";

/// The service graph of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphReport {
    pub schema: String,
    /// The host.
    pub node: String,
    /// Sorted by their ends.
    pub edges: Vec<GraphEdge>,
    /// Edges that are kept at most.
    pub capacity: u64,
    /// Edges that were forgotten for lack of room.
    pub dropped: u64,
}

/// Contacts of the containers of one image with one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphEdge {
    pub from: GraphNode,
    pub to: GraphNode,
    pub protocol: Protocol,
    /// A number, or `ephemeral`.
    pub port: Port,
    pub first: Timestamp,
    pub last: Timestamp,
    /// How often the kernel told of it: a program of a container that repeats itself is told once.
    pub count: u64,
    /// Those that the host's kernel refused, or the profile denied.
    pub failed: u64,
    /// Containers that did it.
    pub containers: u64,
    pub profile: Expectation,
}

/// An end of an edge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GraphNode {
    pub kind: NodeKind,
    /// The image's, or the container's id; of other kinds their own word.
    pub name: String,
}

/// What an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    Image,
    /// Its image is not known.
    Container,
    Host,
    Private,
    Public,
}

/// The graph in `agent status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GraphStatus {
    pub edges: u64,
    pub capacity: u64,
    /// Edges that were forgotten for lack of room.
    pub dropped: u64,
}

impl GraphReport {
    /// As it is now, on the host `node`.
    #[must_use]
    pub fn of(graph: &Graph, node: &str) -> Self {
        let mut edges: Vec<GraphEdge> = graph.edges().map(GraphEdge::of).collect();
        edges.sort_by(|one, other| one.key().cmp(&other.key()));
        let GraphStatus {
            capacity, dropped, ..
        } = GraphStatus::of(graph);
        Self {
            schema: SCHEMA.to_owned(),
            node: node.to_owned(),
            edges,
            capacity,
            dropped,
        }
    }
}

impl GraphEdge {
    fn of((from, target, edge): (&Node, &Target, &Edge)) -> Self {
        Self {
            from: GraphNode::of(from),
            to: GraphNode::of(&target.to),
            protocol: target.protocol,
            port: target.port,
            first: edge.first,
            last: edge.last,
            count: edge.count,
            failed: edge.failed,
            containers: edge.containers,
            profile: edge.profile,
        }
    }

    fn key(&self) -> (&GraphNode, &GraphNode, Protocol, Port) {
        (&self.from, &self.to, self.protocol, self.port)
    }
}

impl GraphNode {
    fn of(node: &Node) -> Self {
        let (kind, name) = match node {
            Node::Image(name) => (NodeKind::Image, &**name),
            Node::Container(id) => (NodeKind::Container, id.as_str()),
            Node::Host => (NodeKind::Host, "host"),
            Node::Private => (NodeKind::Private, "private"),
            Node::Public => (NodeKind::Public, "public"),
        };
        Self {
            kind,
            name: name.to_owned(),
        }
    }
}

impl GraphStatus {
    /// As it is now.
    #[must_use]
    pub fn of(graph: &Graph) -> Self {
        Self {
            edges: graph.len() as u64,
            capacity: Graph::MAX_EDGES as u64,
            dropped: graph.dropped(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::protocol::{Answer, MAX_LINE_BYTES};

    #[test]
    fn the_largest_graph_fits_a_line() {
        let node = |number: usize| GraphNode {
            kind: NodeKind::Container,
            // As long as the graph keeps names, of what JSON has to escape.
            name: format!("{number:\\>256}"),
        };
        let time = Timestamp(1_700_000_000_000_000_000);
        let edge = |number: usize| GraphEdge {
            from: node(number),
            to: node(number),
            protocol: Protocol::Sctp,
            port: Port::Ephemeral,
            first: time,
            last: time,
            count: u64::MAX,
            failed: u64::MAX,
            containers: u64::MAX,
            profile: Expectation::Expected,
        };
        let report = GraphReport {
            edges: (0..Graph::MAX_EDGES).map(edge).collect(),
            ..GraphReport::of(&Graph::default(), "host-1")
        };
        let report = Box::new(report);
        let line = serde_json::to_string(&Answer::Graph { report }).unwrap();
        assert!(line.len() as u64 <= MAX_LINE_BYTES, "{} bytes", line.len());
    }

    #[test]
    fn the_answer_is_read_as_it_was_written() {
        let text = r#"{"answer":"graph","report":{"schema":"vigia.graph/v1","node":"host-1","edges":[{"from":{"kind":"image","name":"nginx:1.25"},"to":{"kind":"public","name":"public"},"protocol":"tcp","port":443,"first":"2023-11-14T22:13:20.000000000Z","last":"2023-11-14T22:13:21.000000000Z","count":3,"failed":1,"containers":2,"profile":"new"}],"capacity":4096,"dropped":7}}"#;
        let answer: Answer = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), text);
    }
}
