//! One rule of Falco's: what it becomes.

mod words;

use super::deed::{self, Deed};
use super::error::{FalcoError, Problem};
use super::expand::{Trouble, expand};
use super::file::{Definitions, Rule};
use super::logic::{Gap, Node, Settled};
use super::report::{Note, Report, Shift, Verdict};
use super::syntax::Expr;
use super::write::{self, Block};
use super::{exception, field, summary};
use crate::user_rules::{RuleSource, UserRuleSet};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Deeds that one rule may be about: more, and it asks for no calls.
const MAX_DEEDS: usize = 12;
/// Longest exception that stays in the condition, bytes.
const MAX_INLINE: usize = 60;

/// A rule and its report.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) blocks: Vec<Block>,
    pub(super) report: Report,
}

/// What it says of events of some kinds.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    on: Vec<&'static str>,
    deed: Deed,
    node: Node,
    summary: Option<String>,
    notes: Vec<Note>,
}

/// Translates a rule. `taken`: ids that others have.
pub(super) fn translate(
    rule: &Rule,
    definitions: &Definitions,
    taken: &mut BTreeSet<String>,
) -> Result<Translated, FalcoError> {
    let nothing = Translated {
        blocks: Vec::new(),
        report: Report {
            rule: rule.name.value.clone(),
            file: rule.file.clone(),
            line: rule.name.referenced.line(),
            verdict: Verdict::Not,
            ids: Vec::new(),
            notes: Vec::new(),
            reason: None,
        },
    };
    let Some(condition) = &rule.condition else {
        return Ok(nothing.refused("its condition is in a file that was not given".to_owned()));
    };
    if !rule.enabled {
        return Ok(nothing.refused("it is not enabled".to_owned()));
    }
    if rule.source != "syscall" {
        let source = rule.source.escape_debug();
        return Ok(nothing.refused(format!("its events are of the source `{source}`")));
    }
    let malformed = |problem: Problem| problem.at(&rule.file, &rule.name);
    let whole = with_exceptions(rule, &condition.expr).map_err(malformed)?;
    match expand(&whole, definitions) {
        Ok(expanded) => Ok(of_deeds(rule, &expanded, taken, nothing)),
        Err(undefined @ Trouble::Undefined(_)) => Ok(nothing.refused(undefined.to_string())),
        Err(trouble) => {
            let help = "check the macros and lists that the rule names";
            Err(malformed(Problem::new(trouble.to_string(), help)))
        }
    }
}

impl Translated {
    /// Without rules, for this reason.
    pub(super) fn refused(self, reason: String) -> Self {
        Self {
            blocks: Vec::new(),
            report: Report {
                verdict: Verdict::Not,
                ids: Vec::new(),
                notes: Vec::new(),
                reason: Some(reason),
                ..self.report
            },
        }
    }
}

fn with_exceptions(rule: &Rule, condition: &Expr) -> Result<Expr, Problem> {
    let mut parts = vec![condition.clone()];
    for exception in &rule.exceptions {
        parts.extend(exception::excepted(exception)?);
    }
    Ok(Expr::All(parts))
}

fn of_deeds(rule: &Rule, condition: &Expr, taken: &mut BTreeSet<String>, nothing: Translated) -> Translated {
    let (mut parts, mut gaps) = (Vec::new(), Vec::new());
    for deed in Deed::all() {
        let Settled { node, notes } = field::node(condition, deed).settled();
        match node {
            Node::Never => {}
            Node::Unknown(gap) => gaps.push((deed, gap)),
            node => parts.push(Part {
                on: vec![deed.kind().name()],
                deed,
                node,
                summary: summary::template(&rule.output, deed),
                notes,
            }),
        }
    }
    let unknown_calls = unknown_calls(condition);
    if parts.len() + gaps.len() > MAX_DEEDS {
        return nothing
            .refused("it asks for no calls by `evt.type`, and would be asked about everything".to_owned());
    }
    if parts.is_empty() {
        return nothing.refused(why_nothing(&gaps, &unknown_calls));
    }
    let mut notes = unknown_calls;
    notes.extend(gaps.iter().map(|(deed, gap)| Note {
        shift: Shift::Narrower,
        text: format!(
            "nothing is told of events of kind `{}`, for which it asks for {gap}",
            deed.kind().name()
        ),
    }));
    compiled(rule, merged(parts), notes, taken, nothing)
}

fn why_nothing(gaps: &[(Deed, Gap)], unknown_calls: &[Note]) -> String {
    match (gaps.first(), unknown_calls.first()) {
        (Some((_, gap)), _) => format!("it asks for {gap}"),
        (None, Some(note)) => note.text.clone(),
        (None, None) => "it never holds for events of containers".to_owned(),
    }
}

/// Calls that are named and of which no event is made.
fn unknown_calls(condition: &Expr) -> Vec<Note> {
    let mut unknown = BTreeSet::new();
    collect_unknown_calls(condition, &mut unknown);
    let unknown: Vec<String> = unknown
        .iter()
        .map(|call| format!("`{}`", call.escape_debug()))
        .collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    vec![Note {
        shift: Shift::Narrower,
        text: format!("no event is made of the calls {}", unknown.join(", ")),
    }]
}

fn collect_unknown_calls<'a>(condition: &'a Expr, unknown: &mut BTreeSet<&'a str>) {
    match condition {
        Expr::All(parts) | Expr::Any(parts) => {
            for part in parts {
                collect_unknown_calls(part, unknown);
            }
        }
        Expr::Check(check) if deed::names_calls(check) => {
            let calls = check.values.iter().map(|word| word.text.as_str());
            unknown.extend(calls.filter(|call| !deed::is_known(call)));
        }
        // What is excepted need not be known.
        Expr::Not(_) | Expr::Check(_) | Expr::Macro(_) => {}
    }
}

/// What says the same of several kinds is one rule.
fn merged(parts: Vec<Part>) -> Vec<Part> {
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        let same = merged.iter_mut().find(|other| {
            (&other.node, &other.summary, &other.notes) == (&part.node, &part.summary, &part.notes)
        });
        match same {
            Some(same) if !same.on.iter().any(|kind| part.on.contains(kind)) => same.on.extend(part.on),
            _ => merged.push(part),
        }
    }
    merged
}

/// Rules that the loader of rules of users takes.
fn compiled(
    rule: &Rule,
    parts: Vec<Part>,
    mut notes: Vec<Note>,
    taken: &mut BTreeSet<String>,
    nothing: Translated,
) -> Translated {
    let many = parts.len() > 1;
    let mut blocks = Vec::new();
    let mut refusal = None;
    for part in parts {
        let wanted = words::id(&rule.name.value, part.on.first().copied().filter(|_| many));
        let block = block(rule, part, words::unused(&wanted, taken));
        match refused_by_loader(&block) {
            None => {
                taken.insert(block.id.clone());
                notes.extend(block.notes.iter().cloned());
                blocks.push(block);
            }
            Some(reason) => {
                let text = format!(
                    "nothing is told of events of kind `{}`: {reason}",
                    block.on.join("`, `")
                );
                refusal.get_or_insert_with(|| format!("its translation is refused: {reason}"));
                notes.push(Note {
                    shift: Shift::Narrower,
                    text,
                });
            }
        }
    }
    match refusal {
        Some(reason) if blocks.is_empty() => nothing.refused(reason),
        _ => {
            notes.sort();
            notes.dedup();
            let verdict = if notes.is_empty() {
                Verdict::Translated
            } else {
                Verdict::Partly
            };
            let report = Report {
                verdict,
                ids: blocks.iter().map(|block| block.id.clone()).collect(),
                notes,
                ..nothing.report
            };
            Translated { blocks, report }
        }
    }
}

fn refused_by_loader(block: &Block) -> Option<String> {
    let source = RuleSource {
        file: PathBuf::from("translation"),
        text: write::file(std::slice::from_ref(block)),
    };
    let error = UserRuleSet::compile(vec![source]).err()?;
    let text = error.to_string();
    text.lines().next().map(str::to_owned)
}

fn block(rule: &Rule, part: Part, id: String) -> Block {
    let (condition, exceptions) = split(part.node);
    let description = rule.description.split_whitespace().collect::<Vec<_>>().join(" ");
    let origin = format!("Translated from the rule `{}` of Falco.", rule.name.value);
    Block {
        id,
        on: part.on,
        condition,
        exceptions,
        class: words::class(&rule.tags, part.deed),
        severity: words::severity(&rule.priority),
        title: words::title(&rule.name.value),
        summary: part.summary,
        description: format!("{description} {origin}").trim_start().to_owned(),
        attack: words::techniques(&rule.tags),
        notes: part.notes,
    }
}

/// What must hold, and what must not: long exceptions stand beside the condition, whose length is bounded.
fn split(node: Node) -> (Vec<String>, Vec<String>) {
    let parts = match node {
        Node::All(parts) => parts,
        Node::Always => Vec::new(),
        other => vec![other],
    };
    let (mut condition, mut exceptions) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Node::Not(inner) => {
                let alternatives = match *inner {
                    Node::Any(alternatives) => alternatives,
                    other => vec![other],
                };
                for excepted in alternatives {
                    let cel = excepted.cel();
                    if matches!(excepted, Node::Atom(_)) && cel.len() <= MAX_INLINE {
                        condition.push(excepted.negated().cel());
                    } else {
                        exceptions.push(cel);
                    }
                }
            }
            Node::Any(_) => condition.push(format!("({})", part.cel())),
            other => condition.push(other.cel()),
        }
    }
    (condition, exceptions)
}
