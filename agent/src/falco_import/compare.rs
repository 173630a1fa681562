//! A field and an operator: what that is in CEL.

use super::logic::{Gap, Node, Weight};
use super::network;
use super::syntax::{Check, Operator, WordKind};
use super::text::{Subject, compare};

/// What a field of Falco is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    Text(Subject),
    /// Text that may be absent: only when `guard` holds.
    Guarded {
        guard: String,
        subject: Subject,
    },
    /// Text of any ancestor; the member of `a`.
    OfAncestors(Subject),
    /// Numbers: Falco's are so many times as large.
    Number {
        path: String,
        unit: i64,
    },
    /// A yes or no: what it is when it is yes.
    Flag(Node),
    /// A number that Falco has names for.
    Named {
        path: String,
        names: &'static [(&'static str, i64)],
    },
    /// Bits that Falco has names for.
    Bits {
        path: String,
        names: &'static [(&'static str, i64)],
    },
    /// A word that Falco has another word for: what each is here.
    Words(Vec<(&'static str, Node)>),
    /// An address, or the network that it is in.
    Address(String),
    /// What the call returned, as `SUCCESS` or the name of an error.
    Result,
    /// Events of the deed do not have it: nothing is true of it.
    Absent,
    /// It is nearly always as rules ask, where the rest of them holds.
    Redundant(&'static str),
    Unknown(&'static str),
}

const OPERATOR: &str = "this operator has no counterpart for the field";
const VALUE: &str = "the value has no counterpart";
const ERRORS: [(&str, i64); 9] = [
    ("EPERM", 1),
    ("ENOENT", 2),
    ("EAGAIN", 11),
    ("EACCES", 13),
    ("EEXIST", 17),
    ("EINVAL", 22),
    ("EROFS", 30),
    ("ECONNREFUSED", 111),
    ("EINPROGRESS", 115),
];

/// What `check` says of events whose field is `operand`.
pub(super) fn node(check: &Check, operand: Operand) -> Node {
    if check.operator == Operator::NotEqual {
        let equal = Check {
            operator: Operator::Equal,
            ..check.clone()
        };
        return node(&equal, operand).negated();
    }
    if check.values.iter().any(|word| word.kind == WordKind::Field) {
        return gap(check, "fields are compared with values only");
    }
    if check.values.is_empty() && check.operator != Operator::Exists {
        return Node::Never;
    }
    let values: Vec<String> = check.values.iter().map(|word| word.text.clone()).collect();
    match operand {
        Operand::Text(subject) => text(check, &subject, &values),
        Operand::Guarded { guard, subject } => {
            Node::all([Node::comparison(guard), text(check, &subject, &values)])
        }
        Operand::OfAncestors(subject) => match text(check, &subject, &values) {
            unknown @ Node::Unknown(_) => unknown,
            of_one => Node::call(format!("process.ancestors.exists(a, {})", of_one.cel())),
        },
        Operand::Number { path, unit } => number(check, &path, unit),
        Operand::Flag(yes) => flag(check, yes),
        Operand::Named { path, names } => named(check, &path, names),
        Operand::Bits { path, names } => bits(check, &path, names),
        Operand::Words(words) => word(check, &words),
        Operand::Address(path) => address(check, &path),
        Operand::Result => result(check),
        Operand::Absent => Node::Never,
        Operand::Redundant(why) => Node::Unknown(Gap {
            what: check.name(),
            why,
            weight: Weight::Redundant,
        }),
        Operand::Unknown(why) => gap(check, why),
    }
}

fn gap(check: &Check, why: &'static str) -> Node {
    Node::unknown(check.name(), why)
}

fn text(check: &Check, subject: &Subject, values: &[String]) -> Node {
    let lowered;
    let (operator, values) = match (check.transformers.first().map(String::as_str), check.operator) {
        (None, operator) => (operator, values),
        (Some("tolower" | "toupper"), Operator::Contains) => (Operator::ContainsAnyCase, values),
        (Some("tolower" | "toupper"), Operator::Equal | Operator::In | Operator::GlobAnyCase) => {
            // A glob without wildcards is the text itself.
            lowered = values.iter().map(|value| literal_glob(value)).collect::<Vec<_>>();
            (Operator::GlobAnyCase, lowered.as_slice())
        }
        _ => return gap(check, "this function has no counterpart"),
    };
    compare(subject, operator, values).unwrap_or_else(|| gap(check, OPERATOR))
}

fn literal_glob(text: &str) -> String {
    let letters = text.chars().map(|c| match c {
        '*' | '?' | '[' => format!("[{c}]"),
        other => other.to_string(),
    });
    letters.collect()
}

/// One node for each value, of which one must hold.
fn each(check: &Check, of_value: impl Fn(&str) -> Option<Node>) -> Node {
    if !check.transformers.is_empty() {
        return gap(check, "this function has no counterpart");
    }
    let nodes = check
        .values
        .iter()
        .map(|word| of_value(&word.text).unwrap_or_else(|| gap(check, VALUE)));
    Node::any(nodes)
}

fn number(check: &Check, path: &str, unit: i64) -> Node {
    let sign = match check.operator {
        Operator::Exists => return Node::Always,
        Operator::Equal | Operator::In => "==",
        Operator::Less => "<",
        Operator::LessEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterEqual => ">=",
        _ => return gap(check, OPERATOR),
    };
    let numbers: Option<Vec<i64>> = check
        .values
        .iter()
        .map(|word| word.text.parse::<i64>().ok().map(|number| number / unit))
        .collect();
    match (sign, numbers.as_deref()) {
        _ if !check.transformers.is_empty() => gap(check, "this function has no counterpart"),
        (_, None) => gap(check, "the value is no number"),
        ("==", Some([only])) => Node::equality(path, &only.to_string()),
        ("==", Some(many)) => {
            let many: Vec<String> = many.iter().map(i64::to_string).collect();
            Node::comparison(format!("{path} in [{}]", many.join(", ")))
        }
        (sign, Some(many)) => {
            let each = many
                .iter()
                .map(|number| Node::comparison(format!("{path} {sign} {number}")));
            Node::any(each)
        }
    }
}

fn flag(check: &Check, yes: Node) -> Node {
    if check.operator == Operator::Exists {
        return Node::Always;
    }
    if !matches!(check.operator, Operator::Equal | Operator::In) {
        return gap(check, OPERATOR);
    }
    each(check, |value| match value {
        "true" | "1" => Some(yes.clone()),
        "false" | "0" => Some(yes.clone().negated()),
        _ => None,
    })
}

/// Falco shows such numbers as names, in a text.
fn is_of_names(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Equal
            | Operator::In
            | Operator::Contains
            | Operator::ContainsAnyCase
            | Operator::Intersects
    )
}

fn named(check: &Check, path: &str, names: &[(&str, i64)]) -> Node {
    if !is_of_names(check.operator) {
        return gap(check, OPERATOR);
    }
    each(check, |value| {
        let known = names.iter().find(|(name, _)| *name == value);
        let number = known.map(|(_, number)| *number).or_else(|| value.parse().ok())?;
        Some(Node::equality(path, &number.to_string()))
    })
}

/// CEL has no operators of bits.
fn bits(check: &Check, path: &str, names: &[(&str, i64)]) -> Node {
    if !is_of_names(check.operator) || check.operator == Operator::Equal {
        return gap(check, OPERATOR);
    }
    each(check, |value| {
        let (_, bit) = names.iter().find(|(name, _)| *name == value)?;
        Some(Node::equality(&format!("{path} / {bit} % 2"), "1"))
    })
}

fn word(check: &Check, words: &[(&'static str, Node)]) -> Node {
    if check.operator == Operator::Exists {
        return Node::Always;
    }
    if !is_of_names(check.operator) {
        return gap(check, OPERATOR);
    }
    // A word that is none of them is true of nothing.
    each(check, |value| {
        let known = words.iter().find(|(word, _)| *word == value);
        Some(known.map_or(Node::Never, |(_, node)| node.clone()))
    })
}

fn address(check: &Check, path: &str) -> Node {
    match check.operator {
        Operator::Exists => Node::equality(path, "\"\"").negated(),
        Operator::Equal | Operator::In => each(check, |value| network::within(path, value)),
        Operator::StartsWith => text(
            check,
            &Subject::Whole(path.to_owned()),
            &check
                .values
                .iter()
                .map(|word| word.text.clone())
                .collect::<Vec<_>>(),
        ),
        _ => gap(check, OPERATOR),
    }
}

fn result(check: &Check) -> Node {
    let failed = || Node::comparison("event.ret < 0".to_owned());
    if check.operator == Operator::StartsWith {
        return each(check, |value| (value == "E").then(failed));
    }
    if !matches!(check.operator, Operator::Equal | Operator::In) {
        return gap(check, OPERATOR);
    }
    each(check, |value| match value {
        "SUCCESS" => Some(failed().negated()),
        error => {
            let (_, number) = ERRORS.iter().find(|(name, _)| *name == error)?;
            Some(Node::equality("event.ret", &format!("-{number}")))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::syntax::{Expr, parse};
    use super::*;

    fn asked(condition: &str, operand: Operand) -> Node {
        match parse(condition) {
            Ok(Expr::Check(check)) => node(&check, operand),
            other => panic!("{condition}: {other:?}"),
        }
    }

    fn cel(condition: &str, operand: Operand) -> String {
        match asked(condition, operand) {
            Node::Unknown(gap) => format!("unknown: {gap}"),
            node => node.cel(),
        }
    }

    fn number() -> Operand {
        Operand::Number {
            path: "event.ret".to_owned(),
            unit: 1,
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        assert_eq!(cel("fd.num>=0", number()), "event.ret >= 0");
        assert_eq!(cel("fd.num in (0, 1)", number()), "event.ret in [0, 1]");
        assert_eq!(cel("fd.num != -1", number()), "event.ret != -1");
        assert!(cel("fd.num = x", number()).starts_with("unknown: `fd.num` (the value is no number)"));
        let age = Operand::Number {
            path: "process.age_ms".to_owned(),
            unit: 1_000_000,
        };
        assert_eq!(cel("proc.duration <= 5000000000", age), "process.age_ms <= 5000");
    }

    #[test]
    fn names_of_numbers_and_bits_become_numbers() {
        let request = || Operand::Named {
            path: "event.request".to_owned(),
            names: &[("PTRACE_ATTACH", 16)],
        };
        assert_eq!(
            cel("evt.arg.request contains PTRACE_ATTACH", request()),
            "event.request == 16"
        );
        assert!(cel("evt.arg.request contains PTRACE_X", request()).starts_with("unknown"));
        let flags = Operand::Bits {
            path: "event.open_flags".to_owned(),
            names: &[("O_TRUNC", 512)],
        };
        assert_eq!(
            cel("evt.arg.flags contains O_TRUNC", flags),
            "event.open_flags / 512 % 2 == 1"
        );
    }

    #[test]
    fn what_is_absent_is_never_true_and_empty_lists_hold_nothing() {
        assert_eq!(cel("fd.name = x", Operand::Absent), "false");
        assert_eq!(cel("fd.name != x", Operand::Absent), "true");
        assert_eq!(cel("user.name in ()", Operand::Unknown("no names")), "false");
        assert_eq!(
            cel("user.name = x", Operand::Unknown("no names")),
            "unknown: `user.name` (no names)"
        );
    }

    #[test]
    fn results_have_names() {
        assert_eq!(cel("evt.res = EINPROGRESS", Operand::Result), "event.ret == -115");
        assert_eq!(cel("evt.res startswith E", Operand::Result), "event.ret < 0");
        assert_eq!(cel("evt.res != SUCCESS", Operand::Result), "event.ret < 0");
    }

    #[test]
    fn functions_of_case_are_patterns() {
        let name = || Operand::Text(Subject::Whole("p".to_owned()));
        assert_eq!(
            cel("tolower(proc.name) contains key", name()),
            "p.matches(\"(?i-u:(?:key))\")"
        );
        assert_eq!(
            cel("tolower(proc.name) = a1*", name()),
            r#"p.matches("^(?:[aA]1[\\*])$")"#
        );
        assert!(cel("b64(proc.name) = a", name()).starts_with("unknown"));
    }
}
