//! What is known of the value of an expression, and what follows from it.

use super::error::Problem;
use super::fields::{CONTAINER, FieldType, PROCESS, event_field, event_fields};
use super::variables::{named, unknown};
use crate::event::EventKind;
use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

/// What is known of an expression's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The variable `event`: its fields depend on the kind.
    Event,
    Known(FieldType),
    Null,
    Unknown,
}

/// Checks a path of names, such as `container.image.ref`, for events of all `kinds`.
pub(super) fn path(root: &str, names: &[String], kinds: &[EventKind]) -> Result<(), Problem> {
    let mut shape = variable(root)?;
    let mut path = root.to_owned();
    for name in names {
        shape = member(shape, &path, name, kinds)?;
        path = format!("{path}.{name}");
    }
    match shape {
        Shape::Event | Shape::Known(FieldType::Object(_) | FieldType::Labels) => Err(Problem::new(
            format!("`{path}` is an object"),
            "name one of its fields",
        )),
        _ => Ok(()),
    }
}

impl Shape {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Event => "object",
            Self::Known(kind) => kind.name(),
            Self::Null => "null",
            Self::Unknown => "something",
        }
    }
}

pub(super) const FLAG: Shape = Shape::Known(FieldType::Flag);
pub(super) const TEXT: Shape = Shape::Known(FieldType::Text);
pub(super) const COMPARISONS: [&str; 6] = [
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
];

pub(super) fn variable(name: &str) -> Result<Shape, Problem> {
    match name {
        "event" => Ok(Shape::Event),
        "process" => Ok(Shape::Known(FieldType::Object(PROCESS))),
        "container" => Ok(Shape::Known(FieldType::Object(CONTAINER))),
        other => Err(Problem::new(
            format!("there is no variable `{other}`"),
            "use event, process or container; text stands in quotes",
        )),
    }
}

pub(super) fn member(operand: Shape, path: &str, name: &str, kinds: &[EventKind]) -> Result<Shape, Problem> {
    match operand {
        Shape::Event => of_event(name, kinds),
        Shape::Known(FieldType::Object(fields)) => {
            let found = named(fields, name).map(|field| Shape::Known(field.kind));
            found.ok_or_else(|| {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                missing(&unknown(&format!("{path}.{name}"), name, &names))
            })
        }
        Shape::Known(FieldType::Labels) => Ok(TEXT),
        Shape::Known(other) => Err(Problem::new(
            format!("`{path}` is {}: it has no field `{name}`", other.name()),
            "ask about its value",
        )),
        Shape::Null | Shape::Unknown => Ok(Shape::Unknown),
    }
}

fn of_event(name: &str, kinds: &[EventKind]) -> Result<Shape, Problem> {
    let mut shape = None;
    for kind in kinds {
        let Some(field) = event_field(*kind, name) else {
            let names: Vec<&str> = event_fields(*kind).map(|field| field.name).collect();
            let mut problem = missing(&unknown(&format!("event.{name}"), name, &names));
            problem.reason += &format!(" of events of kind `{}`", kind.name());
            return Err(problem);
        };
        let own = Shape::Known(field.kind);
        // `protocol` is a word for some kinds and a number for others.
        shape = Some(if shape.is_none_or(|shape| shape == own) {
            own
        } else {
            Shape::Unknown
        });
    }
    Ok(shape.unwrap_or(Shape::Unknown))
}

fn missing(sentence: &str) -> Problem {
    match sentence.split_once("; ") {
        Some((reason, help)) => Problem::new(reason, help),
        None => Problem::new(sentence, ""),
    }
}

pub(super) fn literal_shape(literal: &LiteralValue) -> Shape {
    match literal {
        LiteralValue::Boolean(_) => FLAG,
        LiteralValue::String(_) => TEXT,
        LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) => {
            Shape::Known(FieldType::Number)
        }
        LiteralValue::Null => Shape::Null,
        LiteralValue::Bytes(_) => Shape::Unknown,
    }
}

pub(super) fn list_of(item: Option<Shape>) -> Shape {
    let item: &'static FieldType = match item {
        Some(TEXT) => &FieldType::Text,
        Some(Shape::Known(FieldType::Number)) => &FieldType::Number,
        _ => return Shape::Unknown,
    };
    Shape::Known(FieldType::List(item))
}

/// Kinds of values that can be compared with each other.
fn family(shape: Shape) -> Option<&'static str> {
    match shape {
        Shape::Known(FieldType::Text) => Some("text"),
        Shape::Known(FieldType::Number | FieldType::MaybeNumber) => Some("number"),
        Shape::Known(FieldType::Flag | FieldType::MaybeFlag) => Some("bool"),
        Shape::Known(FieldType::List(_)) => Some("list"),
        Shape::Known(FieldType::Object(_) | FieldType::Labels) | Shape::Event => Some("object"),
        Shape::Null | Shape::Unknown => None,
    }
}

pub(super) fn comparable(left: Shape, right: Shape, args: &[IdedExpr]) -> Result<(), Problem> {
    for (one, other, place) in [(left, right, 0), (right, left, 1)] {
        let is_maybe = matches!(one, Shape::Known(FieldType::MaybeFlag | FieldType::MaybeNumber));
        if let (Shape::Null, Some(kind), false) = (other, family(one), is_maybe) {
            let path = args.get(place).map(written).unwrap_or_default();
            return Err(Problem::new(
                format!("{path} is {kind} and never null"),
                "what an event does not have is empty: \"\", 0, false, []",
            ));
        }
    }
    match (family(left), family(right)) {
        (Some(one), Some(other)) if one != other => {
            let paths: Vec<String> = args.iter().map(written).collect();
            Err(Problem::new(
                format!("{} cannot be compared: {one} with {other}", paths.join(" and ")),
                "text stands in quotes, numbers do not",
            ))
        }
        _ => Ok(()),
    }
}

pub(super) fn within(item: Shape, list: Shape, args: &[IdedExpr]) -> Result<(), Problem> {
    match list {
        Shape::Known(FieldType::List(kind)) => comparable(item, Shape::Known(*kind), args),
        Shape::Known(FieldType::Labels) => comparable(item, TEXT, args),
        Shape::Known(FieldType::Text) => Err(Problem::new(
            "`in` asks about lists, and this is text",
            "write `text.contains(\"part\")`",
        )),
        _ => Ok(()),
    }
}

/// Methods of text on something else fail each time.
pub(super) fn text_only(name: &str, target: Shape, path: &str) -> Result<(), Problem> {
    let is_text = matches!(name, "startsWith" | "endsWith" | "matches");
    let is_part = name == "contains";
    match family(target) {
        Some(kind) if is_text && kind != "text" || is_part && kind != "text" && kind != "list" => {
            let reason = format!("`{name}` is for text, and {path} is {kind}");
            Err(Problem::new(reason, "compare it with `==`, `<`, `in`"))
        }
        _ => Ok(()),
    }
}

pub(super) fn result(function: &str) -> Shape {
    match function {
        "size" | "int" | "uint" | "double" => Shape::Known(FieldType::Number),
        "string" => TEXT,
        "contains" | "startsWith" | "endsWith" | "matches" => FLAG,
        operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => FLAG,
        _ => Shape::Unknown,
    }
}

/// An expression as it was written, as far as it is a path.
pub(super) fn written(expression: &IdedExpr) -> String {
    match &expression.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", written(&select.operand), select.field),
        Expr::Literal(LiteralValue::String(text)) => format!("{:?}", text.inner()),
        Expr::Literal(LiteralValue::Int(number)) => number.inner().to_string(),
        Expr::Call(call) if call.func_name == operators::INDEX && call.args.len() == 2 => {
            format!("{}[…]", written(&call.args[0]))
        }
        _ => "this".to_owned(),
    }
}
