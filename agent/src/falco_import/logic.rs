//! Conditions over our fields, with holes where Falco asks what is not known here; and how holes are closed.
//!
//! A hole is closed only so that the rule can be used: an alternative that cannot be asked is left out (narrower), and so is an exception
//! that cannot be asked in full, if it asks for something else, too (broader by what it excepted). A hole that decides alone opens the
//! rule to everything, or closes it: then there is no rule.

use super::report::{Note, Shift};

/// A condition, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Always,
    Never,
    Atom(Atom),
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Unknown(Gap),
}

/// A comparison in CEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) cel: String,
    /// What it is for `!`: `a == b` becomes `a != b`, others get brackets where they need them.
    pub(super) form: Form,
    /// How it differs from what Falco asks.
    pub(super) note: Option<Note>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `a == b`
    Equality,
    /// `a < b`, `a in b`
    Comparison,
    /// `a.b(c)`, `a.b`
    Call,
}

/// What cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    /// As Falco has it: `user.name`.
    pub(super) what: String,
    pub(super) why: &'static str,
    pub(super) weight: Weight,
}

/// How much depends on a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Decides,
    /// What it asks is nearly always true where the rest is.
    Redundant,
    /// One thing of several that an exception asks for.
    PartOfException,
}

/// On which side of `not` a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Asked,
    Excepted,
}

/// A condition without holes, and what became of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) node: Node,
    pub(super) notes: Vec<Note>,
}

impl Node {
    pub(super) fn call(cel: String) -> Self {
        Self::atom(cel, Form::Call)
    }

    pub(super) fn comparison(cel: String) -> Self {
        Self::atom(cel, Form::Comparison)
    }

    pub(super) fn equality(left: &str, right: &str) -> Self {
        Self::atom(format!("{left} == {right}"), Form::Equality)
    }

    fn atom(cel: String, form: Form) -> Self {
        Self::Atom(Atom {
            cel,
            form,
            note: None,
        })
    }

    pub(super) fn unknown(what: impl Into<String>, why: &'static str) -> Self {
        Self::Unknown(Gap {
            what: what.into(),
            why,
            weight: Weight::Decides,
        })
    }

    /// The same, with a difference to tell.
    pub(super) fn noted(self, shift: Shift, text: &str) -> Self {
        match self {
            Self::Atom(atom) => Self::Atom(Atom {
                note: Some(Note {
                    shift,
                    text: text.to_owned(),
                }),
                ..atom
            }),
            other => other,
        }
    }

    pub(super) fn negated(self) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            Self::Unknown(gap) => Self::Unknown(Gap {
                weight: match gap.weight {
                    Weight::Redundant => Weight::Decides,
                    other => other,
                },
                ..gap
            }),
            other => Self::Not(Box::new(other)),
        }
    }

    /// That all hold.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Never => return Self::Never,
                Self::Always => {}
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        let flat = distinct(flat);
        if contradict(&flat) {
            return Self::Never;
        }
        single(flat, Self::Always, Self::All)
    }

    /// That one of them holds.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Always => return Self::Always,
                Self::Never => {}
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        let flat = distinct(flat);
        if contradict(&flat) {
            return Self::Always;
        }
        single(flat, Self::Never, Self::Any)
    }

    /// Closes holes. What comes out has none inside; it is one when nothing can be asked.
    pub(super) fn settled(self) -> Settled {
        settle(self, Side::Asked)
    }

    /// In CEL.
    pub(super) fn cel(&self) -> String {
        match self {
            Self::Always => "true".to_owned(),
            Self::Never | Self::Unknown(_) => "false".to_owned(),
            Self::Atom(atom) => atom.cel.clone(),
            Self::All(parts) => joined(parts, " && "),
            Self::Any(parts) => joined(&factored(parts), " || "),
            Self::Not(inner) => match &**inner {
                Self::Atom(atom) => atom.negated(),
                other => format!("!({})", other.cel()),
            },
        }
    }
}

impl Atom {
    fn negated(&self) -> String {
        match self.form {
            Form::Equality => self.cel.replacen(" == ", " != ", 1),
            Form::Comparison => format!("!({})", self.cel),
            Form::Call => format!("!{}", self.cel),
        }
    }
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Asked => Self::Excepted,
            Self::Excepted => Self::Asked,
        }
    }
}

/// Order stays.
fn distinct(parts: Vec<Node>) -> Vec<Node> {
    let mut kept: Vec<Node> = Vec::new();
    for part in parts {
        if !kept.contains(&part) {
            kept.push(part);
        }
    }
    kept
}

fn contradict(parts: &[Node]) -> bool {
    parts.iter().any(|part| match part {
        Node::Not(inner) => parts.contains(inner),
        _ => false,
    })
}

fn single(mut parts: Vec<Node>, none: Node, many: impl Fn(Vec<Node>) -> Node) -> Node {
    match parts.pop() {
        None => none,
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
    }
}

fn joined(parts: &[Node], between: &str) -> String {
    let all_of = between == " && ";
    let parts = parts.iter().map(|part| match part {
        Node::Any(_) if all_of => format!("({})", part.cel()),
        part => part.cel(),
    });
    parts.collect::<Vec<_>>().join(between)
}

/// `a && b || a && c` is `a && (b || c)`.
fn factored(parts: &[Node]) -> Vec<Node> {
    let mut groups: Vec<(&Node, Vec<Node>)> = Vec::new();
    let mut out: Vec<Option<Node>> = Vec::new();
    for part in parts {
        let Node::All(inner) = part else {
            out.push(Some(part.clone()));
            continue;
        };
        let Some((first, rest)) = inner.split_first() else {
            continue;
        };
        let rest = Node::all(rest.iter().cloned());
        match groups.iter_mut().find(|(head, _)| *head == first) {
            Some((_, alternatives)) => alternatives.push(rest),
            None => {
                groups.push((first, vec![rest]));
                out.push(None);
            }
        }
    }
    let mut grouped = groups.into_iter().map(|(head, alternatives)| {
        let behind = Node::Any(factored(&alternatives));
        let behind = if alternatives.len() == 1 {
            Node::any(alternatives)
        } else {
            behind
        };
        Node::all([head.clone(), behind])
    });
    out.into_iter()
        .filter_map(|part| part.or_else(|| grouped.next()))
        .collect()
}

fn settle(node: Node, side: Side) -> Settled {
    match node {
        Node::All(parts) => all_settled(parts, side),
        Node::Any(parts) => any_settled(parts, side),
        Node::Not(inner) => {
            let Settled { node, notes } = settle(*inner, side.other());
            Settled {
                node: node.negated(),
                notes,
            }
        }
        Node::Atom(atom) => Settled {
            notes: atom.note.iter().cloned().collect(),
            node: Node::Atom(atom),
        },
        other => Settled {
            node: other,
            notes: Vec::new(),
        },
    }
}

/// What can be asked of `parts`, with its notes, and what cannot.
fn sorted(parts: Vec<Node>, side: Side) -> (Vec<Node>, Vec<Note>, Vec<Gap>) {
    let (mut known, mut notes, mut gaps) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match settle(part, side) {
            Settled {
                node: Node::Unknown(gap),
                ..
            } => gaps.push(gap),
            settled => {
                known.push(settled.node);
                notes.extend(settled.notes);
            }
        }
    }
    (known, notes, gaps)
}

fn all_settled(parts: Vec<Node>, side: Side) -> Settled {
    let (known, mut notes, gaps) = sorted(parts, side);
    let has_known = !known.is_empty();
    let decides = |gap: &&Gap| side == Side::Excepted || gap.weight == Weight::Decides || !has_known;
    if let Some(gap) = gaps.iter().find(decides) {
        let weight = if side == Side::Excepted && has_known {
            Weight::PartOfException
        } else {
            Weight::Decides
        };
        return hole(Gap {
            weight,
            ..gap.clone()
        });
    }
    notes.extend(gaps.iter().map(|gap| match gap.weight {
        Weight::PartOfException => gap.note(Shift::Broader, "an exception is left out, it asks for"),
        _ => gap.note(Shift::Broader, "left out:"),
    }));
    Settled {
        node: Node::all(known),
        notes,
    }
}

fn any_settled(parts: Vec<Node>, side: Side) -> Settled {
    let (known, mut notes, gaps) = sorted(parts, side);
    let lost = |gap: &&Gap| side == Side::Excepted && gap.weight != Weight::PartOfException;
    let decides = gaps.iter().find(|gap| known.is_empty() || lost(gap));
    if let Some(gap) = decides {
        return hole(gap.clone());
    }
    notes.extend(gaps.iter().map(|gap| match side {
        Side::Asked => gap.note(Shift::Narrower, "an alternative is left out, it asks for"),
        Side::Excepted => gap.note(Shift::Broader, "an exception is left out, it asks for"),
    }));
    Settled {
        node: Node::any(known),
        notes,
    }
}

fn hole(gap: Gap) -> Settled {
    Settled {
        node: Node::Unknown(gap),
        notes: Vec::new(),
    }
}

impl Gap {
    fn note(&self, shift: Shift, what: &str) -> Note {
        Note {
            shift,
            text: format!("{what} {self}"),
        }
    }
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` ({})", self.what.escape_debug(), self.why)
    }
}

#[cfg(test)]
mod tests;
