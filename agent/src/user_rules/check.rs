//! Names and types of a condition, before it is ever evaluated: evaluation stops at the first operand that decides, and would not see what
//! is behind it.

use super::error::Problem;
use super::fields::{FieldType, event_field};
use super::shape::{
    COMPARISONS, FLAG, Shape, TEXT, comparable, list_of, literal_shape, member, result, text_only, variable,
    within, written,
};
use crate::event::EventKind;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use std::collections::BTreeSet;

/// Macros (`exists`, `all`, …) in a condition: each goes over a list of the event, which its container may make long.
const MAX_MACROS: usize = 4;
/// Patterns of `matches` in a condition.
const MAX_PATTERNS: usize = 8;
const VARIABLES: [&str; 3] = ["event", "process", "container"];

/// What a condition asks for.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Names of variables.
    pub(super) variables: BTreeSet<&'static str>,
    /// Patterns of `matches`.
    pub(super) patterns: BTreeSet<String>,
}

/// Checks a condition for events of all `kinds`.
pub(super) fn condition(expression: &IdedExpr, kinds: &[EventKind]) -> Result<Facts, Problem> {
    let mut walk = Walk {
        kinds,
        facts: Facts::default(),
        bound: Vec::new(),
        asked: BTreeSet::new(),
        macros: 0,
    };
    match walk.shape(expression)? {
        Shape::Unknown | Shape::Known(FieldType::Flag | FieldType::MaybeFlag) => Ok(walk.facts),
        other => Err(Problem::new(
            format!("a condition is true or false, not {}", other.name()),
            "compare it with something",
        )),
    }
}

struct Walk<'a> {
    kinds: &'a [EventKind],
    facts: Facts,
    /// Variables of macros that are open.
    bound: Vec<(String, Shape)>,
    /// Fields of the event that `has()` was asked for: not every kind has them.
    asked: BTreeSet<String>,
    macros: usize,
}

impl Walk<'_> {
    fn shape(&mut self, expression: &IdedExpr) -> Result<Shape, Problem> {
        match &expression.expr {
            Expr::Ident(name) => self.variable(name),
            Expr::Literal(literal) => Ok(literal_shape(literal)),
            Expr::Select(select) => {
                let operand = self.shape(&select.operand)?;
                if select.test && operand == Shape::Event {
                    return self.has(&select.field);
                }
                let member = self.member(operand, &written(&select.operand), &select.field)?;
                Ok(if select.test { FLAG } else { member })
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => {
                let shapes = self.all(&list.elements)?;
                Ok(list_of(shapes.first().copied()))
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.shape(&entry.key)?;
                        self.shape(&entry.value)?;
                    }
                }
                Ok(Shape::Unknown)
            }
            Expr::Struct(_) | Expr::Unspecified => Err(Problem::new(
                "messages cannot be made here",
                "compare fields of event, process and container",
            )),
        }
    }

    fn all(&mut self, expressions: &[IdedExpr]) -> Result<Vec<Shape>, Problem> {
        expressions
            .iter()
            .map(|expression| self.shape(expression))
            .collect()
    }

    fn variable(&mut self, name: &str) -> Result<Shape, Problem> {
        let bound = self.bound.iter().rev().find(|(bound, _)| bound == name);
        if let Some((_, shape)) = bound {
            return Ok(*shape);
        }
        let shape = variable(name)?;
        let known = VARIABLES.iter().find(|known| **known == name);
        self.facts.variables.extend(known.copied());
        Ok(shape)
    }

    fn has(&mut self, field: &str) -> Result<Shape, Problem> {
        let knows = |kind: &&EventKind| event_field(**kind, field).is_some();
        match self.kinds.iter().find(knows) {
            Some(_) => {
                self.asked.insert(field.to_owned());
                Ok(FLAG)
            }
            None => self.member(Shape::Event, "event", field),
        }
    }

    fn member(&self, operand: Shape, path: &str, field: &str) -> Result<Shape, Problem> {
        if operand != Shape::Event || !self.asked.contains(field) {
            return member(operand, path, field, self.kinds);
        }
        let having: Vec<EventKind> = self
            .kinds
            .iter()
            .copied()
            .filter(|kind| event_field(*kind, field).is_some())
            .collect();
        member(operand, path, field, &having)
    }

    fn call(&mut self, call: &CallExpr) -> Result<Shape, Problem> {
        let target = match &call.target {
            Some(target) => Some((self.shape(target)?, written(target))),
            None => None,
        };
        let args = self.all(&call.args)?;
        match (call.func_name.as_str(), &args[..]) {
            (operators::INDEX, [operand, _]) => self.index(*operand, &call.args),
            (operators::IN, [item, list]) => within(*item, *list, &call.args).map(|()| FLAG),
            (name, [left, right]) if COMPARISONS.contains(&name) => {
                comparable(*left, *right, &call.args).map(|()| FLAG)
            }
            (name, _) => {
                if let Some((shape, path)) = &target {
                    text_only(name, *shape, path)?;
                }
                if name == "matches" {
                    self.pattern(call)?;
                }
                Ok(result(name))
            }
        }
    }

    fn index(&self, operand: Shape, args: &[IdedExpr]) -> Result<Shape, Problem> {
        let key = args.get(1).map(|key| &key.expr);
        match (operand, key) {
            (Shape::Known(FieldType::List(item)), _) => Ok(Shape::Known(*item)),
            (Shape::Known(FieldType::Labels), _) => Ok(TEXT),
            (operand, Some(Expr::Literal(LiteralValue::String(name)))) => {
                let path = args.first().map(written).unwrap_or_default();
                self.member(operand, &path, name.inner())
            }
            _ => Ok(Shape::Unknown),
        }
    }

    /// Patterns are compiled once, when the file is read; so they must stand in it.
    fn pattern(&mut self, call: &CallExpr) -> Result<(), Problem> {
        let Some(Expr::Literal(LiteralValue::String(pattern))) = call.args.last().map(|arg| &arg.expr) else {
            return Err(Problem::new(
                "the pattern of `matches` is not written down",
                "write it as text: a pattern is compiled when the rule is read",
            ));
        };
        self.facts.patterns.insert(pattern.inner().to_owned());
        if self.facts.patterns.len() > MAX_PATTERNS {
            let reason = format!("more than {MAX_PATTERNS} patterns in one condition");
            return Err(Problem::new(reason, "join them with `|`, or split the rule"));
        }
        Ok(())
    }

    /// `exists`, `all`, `filter`, `map` and `exists_one` are loops.
    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Shape, Problem> {
        self.macros += 1;
        if self.macros > MAX_MACROS {
            let reason = format!("more than {MAX_MACROS} macros in one condition");
            return Err(Problem::new(reason, "split the rule"));
        }
        if !self.bound.is_empty() {
            return Err(Problem::new(
                "a macro inside another one",
                "a list is gone through once: ask about its items directly",
            ));
        }
        let item = self.item(&comprehension.iter_range)?;
        self.bound.push((comprehension.iter_var.clone(), item));
        self.bound.extend(
            comprehension
                .iter_var2
                .iter()
                .map(|name| (name.clone(), Shape::Unknown)),
        );
        self.bound.push((comprehension.accu_var.clone(), Shape::Unknown));
        for part in [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.shape(part)?;
        }
        self.bound.clear();
        Ok(Shape::Unknown)
    }

    /// An item of what a macro goes over.
    fn item(&mut self, range: &IdedExpr) -> Result<Shape, Problem> {
        match self.shape(range)? {
            Shape::Known(FieldType::List(item)) => Ok(Shape::Known(*item)),
            Shape::Known(FieldType::Labels) => Ok(TEXT),
            other => Err(Problem::new(
                format!("a macro goes over a list, not over {}", other.name()),
                "use it with a list of the event, such as process.args",
            )),
        }
    }
}
