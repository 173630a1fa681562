use super::*;
use crate::event::Timestamp;
use crate::profile::{Port, Protocol};

const HOSTILE: &str = "a\"];<b>&`#\\\n\u{1b}[2J\u{202e}/é";

fn node(kind: NodeKind, name: &str) -> GraphNode {
    GraphNode {
        kind,
        name: name.to_owned(),
    }
}

fn edge(from: GraphNode, to: GraphNode, port: u16) -> GraphEdge {
    let second = 1_000_000_000;
    let first = Timestamp(1_700_000_000 * second);
    GraphEdge {
        from,
        to,
        protocol: Protocol::Tcp,
        port: Port::Number(port),
        first,
        last: Timestamp(first.0 + 90 * second),
        count: 3,
        failed: 0,
        containers: 2,
        profile: Expectation::None,
    }
}

fn image(name: &str) -> GraphNode {
    node(NodeKind::Image, name)
}

/// A shop: what is expected, what is new, what failed, and a container that nobody knows.
fn shop() -> GraphReport {
    let expected = GraphEdge {
        profile: Expectation::Expected,
        ..edge(image("shop/web:2"), image("postgres:16"), 5432)
    };
    let new = GraphEdge {
        profile: Expectation::New,
        failed: 3,
        ..edge(image("shop/web:2"), node(NodeKind::Host, "host"), 22)
    };
    let unknown = node(NodeKind::Container, &"0123456789abcdef".repeat(4));
    let unknown = GraphEdge {
        protocol: Protocol::Udp,
        port: Port::Ephemeral,
        ..edge(unknown, node(NodeKind::Public, "public"), 0)
    };
    GraphReport {
        edges: vec![expected, new, unknown],
        dropped: 7,
        ..GraphReport::of(&crate::engine::Graph::default(), "host-1")
    }
}

fn hostile() -> GraphReport {
    GraphReport {
        edges: vec![edge(image(HOSTILE), image(HOSTILE), 80)],
        dropped: 0,
        ..shop()
    }
}

fn args(words: &[&str]) -> GraphArgs {
    use crate::cli::{Cli, Command};
    use clap::Parser;
    let words = ["agent", "graph"].iter().chain(words);
    let Command::Graph(args) = Cli::try_parse_from(words).unwrap().command else {
        unreachable!()
    };
    args
}

#[test]
fn the_table_has_a_line_per_edge_and_what_was_forgotten() {
    let text = "\
FROM                      TO           PORT           PROFILE   CONTAINERS  COUNT  FAILED  FIRST                 LAST
shop/web:2                postgres:16  5432/tcp       expected  2           3      0       2023-11-14T22:13:20Z  2023-11-14T22:14:50Z
shop/web:2                (host)       22/tcp         new       2           3      3       2023-11-14T22:13:20Z  2023-11-14T22:14:50Z
(container 0123456789ab)  (public)     ephemeral/udp  none      2           3      0       2023-11-14T22:13:20Z  2023-11-14T22:14:50Z

3 edges, 1 new; 7 forgotten for lack of room
";
    assert_eq!(table::render(&shop()), text);
    let empty = GraphReport {
        edges: Vec::new(),
        dropped: 0,
        ..shop()
    };
    assert_eq!(table::render(&empty), "0 edges, 0 new\n");
}

#[test]
fn graphviz_gets_a_digraph() {
    let text = r#"digraph vigia {
  rankdir=LR;
  node [shape=box];
  n0 [label="postgres:16"];
  n1 [label="shop/web:2"];
  n2 [label="(container 0123456789ab)"];
  n3 [label="(host)", shape=ellipse];
  n4 [label="(public)", shape=ellipse];
  n1 -> n0 [label="5432/tcp"];
  n1 -> n3 [label="22/tcp", color=red, fontcolor=red, style=dashed];
  n2 -> n4 [label="ephemeral/udp"];
}
"#;
    assert_eq!(diagram::dot(&shop()), text);
}

#[test]
fn mermaid_gets_a_flowchart() {
    let text = r#"flowchart LR
  n0["postgres:16"]
  n1["shop/web:2"]
  n2["(container 0123456789ab)"]
  n3(["(host)"])
  n4(["(public)"])
  n1 -->|"5432/tcp"| n0
  n1 -.->|"22/tcp"| n3
  n2 -->|"ephemeral/udp"| n4
  linkStyle 1 stroke:red,color:red
"#;
    assert_eq!(diagram::mermaid(&shop()), text);
}

#[test]
fn a_hostile_name_is_nothing_but_text() {
    let table = table::render(&hostile());
    let shown = r#"a"];<b>&`#\\u{a}\u{1b}[2J\u{202e}/é"#;
    assert!(table.contains(shown), "{table}");
    let dot = diagram::dot(&hostile());
    let label = r#"n0 [label="a\"];&lt;b&gt;&amp;`#\\\\u{a}\\u{1b}[2J\\u{202e}/é"];"#;
    assert!(dot.contains(label), "{dot}");
    let mermaid = diagram::mermaid(&hostile());
    let label = concat!(
        r#"n0["a#34;#93;#59;#60;b#62;#38;#96;#35;#92;"#,
        "#92;u#123;a#125;#92;u#123;1b#125;#91;2J#92;u#123;202e#125;/é\"]"
    );
    assert!(mermaid.contains(label), "{mermaid}");
    for text in [table, dot, mermaid] {
        let moves = |character: char| character.is_control() && character != '\n' || character == '\u{202e}';
        assert!(!text.contains(moves), "{text:?}");
    }
}

#[test]
fn edges_are_selected_by_either_end_s_image_and_by_the_profile() {
    let selected = |words: &[&str]| -> Vec<String> {
        let (report, args) = (shop(), args(words));
        let edges = report.edges.iter().filter(|edge| is_wanted(edge, &args));
        edges.map(place).collect()
    };
    assert_eq!(selected(&[]), ["5432/tcp", "22/tcp", "ephemeral/udp"]);
    assert_eq!(selected(&["--image", "postgres"]), ["5432/tcp"]);
    assert_eq!(selected(&["--image", "shop/"]), ["5432/tcp", "22/tcp"]);
    assert_eq!(selected(&["--new"]), ["22/tcp"]);
    assert_eq!(selected(&["--new", "--image", "postgres"]), [""; 0]);
    // What is no image has no name to look for.
    assert_eq!(selected(&["--image", "host"]), [""; 0]);
}

#[test]
fn a_recording_has_a_graph_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/recordings");
    let report = recorded(&folder.join("containers.vigia")).unwrap();
    let box_of = || image("lab.local/busybox:1");
    let between =
        |edge: &&GraphEdge| edge.from == box_of() && edge.to == box_of() && place(edge) == "8080/tcp";
    let edge = report.edges.iter().find(between);
    assert!(
        edge.is_some_and(|edge| edge.count >= 2 && edge.profile == Expectation::None),
        "{report:?}"
    );
}
