//! Conditions: parsing, and evaluation that ends whatever happens.

use super::error::Problem;
use super::variables::Variables;
use super::{bounds, check};
use crate::event::EventKind;
use cel::common::ast::{Expr, IdedExpr, operators};
use cel::extractors::This;
use cel::objects::Key;
use cel::parser::Parser;
use cel::{Context, ExecutionError, FunctionContext, Value};
use regex::{Regex, RegexBuilder};
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Memory of one compiled pattern, bytes.
const MAX_PATTERN_BYTES: usize = 1 << 18;
/// Characters of a failure that are kept: values of the event may be in it.
const MAX_FAILURE: usize = 200;

/// A condition that can be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    tree: IdedExpr,
    pub(super) facts: check::Facts,
}

impl Expression {
    /// Parses it, checks names and types, and tries it on samples of each kind.
    pub(super) fn compile(text: &str, kinds: &[EventKind]) -> Result<Self, Problem> {
        bounds::check(text)?;
        let tree = parse(text)?;
        let facts = check::condition(&tree, kinds)?;
        let expression = Self { tree, facts };
        let machine = Machine::new(expression.facts.patterns.iter())?;
        for kind in kinds {
            expression.try_out(&machine, *kind)?;
        }
        Ok(expression)
    }

    fn try_out(&self, machine: &Machine, kind: EventKind) -> Result<(), Problem> {
        let name = kind.name();
        let everything = machine.scope(&Variables::full(kind), None);
        for part in operands(&self.tree) {
            everything.flag(part).map_err(|failure| {
                Problem::new(
                    format!("the condition fails on events of kind `{name}`: {failure}"),
                    "docs/user-rules.md lists the fields of each kind with their types",
                )
            })?;
        }
        let nothing = machine.scope(&Variables::absent(kind), None);
        nothing.holds(self).map(drop).map_err(|failure| {
            Problem::new(
                format!("the condition fails on an event of kind `{name}` that lacks what it asks for: {failure}"),
                "ask first, as in `\"tier\" in container.labels && …`, `size(process.args) > 1 && …` or `x != null && …`",
            )
        })
    }
}

/// The parser of the interpreter was written for input of friends.
fn parse(text: &str) -> Result<IdedExpr, Problem> {
    let help = "see docs/user-rules.md for what conditions look like";
    let parser = || Parser::default().parse(text);
    match catch_unwind(parser) {
        Ok(Ok(tree)) => Ok(tree),
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            let reason = first.map_or_else(String::new, |error| {
                let (line, column) = error.pos;
                format!(" in its line {line}, column {column}: {}", bounded(&error.msg))
            });
            Err(Problem::new(format!("the condition is no CEL{reason}"), help))
        }
        Err(_) => Err(Problem::new("the condition cannot be parsed", help)),
    }
}

/// What `&&`, `||`, `!` and `?:` are asked about: evaluation would stop at the first that decides.
fn operands(tree: &IdedExpr) -> Vec<&IdedExpr> {
    const LOGIC: [&str; 4] = [
        operators::LOGICAL_AND,
        operators::LOGICAL_OR,
        operators::LOGICAL_NOT,
        operators::CONDITIONAL,
    ];
    match &tree.expr {
        Expr::Call(call) if LOGIC.contains(&call.func_name.as_str()) => {
            call.args.iter().flat_map(operands).collect()
        }
        _ => vec![tree],
    }
}

/// Functions and patterns: what conditions share.
pub(super) struct Machine {
    root: Context<'static, 'static>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Default for Machine {
    /// Without patterns.
    fn default() -> Self {
        Self::with(HashMap::new())
    }
}

impl Machine {
    /// With these patterns of `matches`.
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<Self, Problem> {
        let compiled: Result<HashMap<String, Regex>, Problem> = patterns
            .map(|pattern| Ok((pattern.clone(), compile_pattern(pattern)?)))
            .collect();
        compiled.map(Self::with)
    }

    fn with(compiled: HashMap<String, Regex>) -> Self {
        let mut root = Context::default();
        let matches =
            move |call: &FunctionContext, This(text): This<Arc<String>>, pattern: Arc<String>| match compiled
                .get(pattern.as_str())
            {
                Some(regex) => Ok(regex.is_match(&text)),
                None => Err(call.error("a pattern that was not compiled")),
            };
        // Only a name that is taken would be refused, and the interpreter's own `matches` is not built in.
        let _declared = root.add_function("matches", matches);
        Self { root }
    }

    /// The variables of an event; `used`: only these.
    pub(super) fn scope(&self, variables: &Variables, used: Option<&BTreeSet<&'static str>>) -> Scope<'_> {
        let mut context = self.root.new_inner_scope();
        for (name, map) in [
            ("event", &variables.event),
            ("process", &variables.process),
            ("container", &variables.container),
        ] {
            if used.is_none_or(|used| used.contains(name)) {
                context.add_variable_from_value(name, of_map(map));
            }
        }
        Scope(context)
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, Problem> {
    let compiled = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
    compiled.map_err(|error| {
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        Problem::new(
            format!("the pattern {pattern:?} cannot be used: {reason}"),
            "patterns are those of the Rust crate regex: no look-around, no back-references",
        )
    })
}

/// An event, for conditions.
pub(super) struct Scope<'a>(Context<'a, 'static>);

impl Scope<'_> {
    /// Whether the condition holds; else why it cannot be told.
    pub(super) fn holds(&self, expression: &Expression) -> Result<bool, String> {
        match self.evaluate(&expression.tree)? {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(not_a_flag(&other)),
            Err(error) => Err(told(&error)),
        }
    }

    /// That a part of a condition is true or false, as far as types decide.
    fn flag(&self, part: &IdedExpr) -> Result<(), String> {
        match self.evaluate(part)? {
            Ok(Value::Bool(_)) => Ok(()),
            Ok(other) => Err(not_a_flag(&other)),
            Err(error) if depends_on_values(&error) => Ok(()),
            Err(error) => Err(told(&error)),
        }
    }

    /// The interpreter panics where it did not expect a value; an event must not end the agent.
    fn evaluate(&self, tree: &IdedExpr) -> Result<Result<Value, ExecutionError>, String> {
        catch_unwind(AssertUnwindSafe(|| Value::resolve(tree, &self.0)))
            .map_err(|_| "the interpreter panicked".to_owned())
    }
}

fn not_a_flag(value: &Value) -> String {
    format!("it is {} instead of true or false", value.type_of())
}

/// A sample says nothing about other values.
fn depends_on_values(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::NoSuchKey(_)
            | ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
            | ExecutionError::FunctionError { .. }
    )
}

fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => format!("there is no function `{name}`"),
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::IndexOutOfBounds(_) => "a list is shorter".to_owned(),
        other => bounded(&other.to_string()),
    }
}

fn bounded(text: &str) -> String {
    text.chars()
        .take(MAX_FAILURE)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

fn of_map(map: &serde_json::Map<String, Json>) -> Value {
    let entries: HashMap<Key, Value> = map
        .iter()
        .map(|(key, value)| (Key::from(key.as_str()), of_json(value)))
        .collect();
    Value::from(entries)
}

fn of_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(of_json).collect())),
        Json::Object(map) => of_map(map),
    }
}
