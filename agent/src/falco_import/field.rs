//! What Falco's fields are here, of events of each deed.

mod argument;
mod descriptor;
mod process;

use super::compare::{self, Operand};
use super::deed::{self, Deed};
use super::logic::Node;
use super::report::Shift;
use super::syntax::{Check, Expr, Operator};
use super::text::{Part, Subject};

const NO_COUNTERPART: &str = "the field has no counterpart";

/// What a condition without macros says of events of `deed`.
pub(super) fn node(expr: &Expr, deed: Deed) -> Node {
    match expr {
        Expr::All(parts) => Node::all(parts.iter().map(|part| node(part, deed))),
        Expr::Any(parts) => Node::any(parts.iter().map(|part| node(part, deed))),
        Expr::Not(inner) => node(inner, deed).negated(),
        Expr::Check(check) => of_check(check, deed),
        Expr::Macro(name) => Node::unknown(name.clone(), "the macro is not defined"),
    }
}

fn of_check(check: &Check, deed: Deed) -> Node {
    if deed::names_calls(check) {
        return deed.of_calls(check);
    }
    let constant = of_all(check).or_else(|| special(check, deed));
    constant.unwrap_or_else(|| compare::node(check, operand(check, deed)))
}

/// What is the same of all events that rules see.
fn of_all(check: &Check) -> Option<Node> {
    let value = check.values.first().map_or("", |word| word.text.as_str());
    let equal = check.operator == Operator::Equal;
    match (check.field.as_str(), value) {
        // Rules are asked about containers only, of which the host is none.
        ("container.id", "host") if equal => Some(Node::Never),
        ("container.id", "host" | "") if check.operator == Operator::NotEqual => Some(Node::Always),
        // What is there for users to change: `never_true` and `always_true`.
        ("evt.num", "0") if equal || check.operator == Operator::Less => Some(Node::Never),
        ("evt.num", "0") => Some(Node::Always),
        // An event is told once, when the call is known to be made.
        ("evt.dir", _) => Some(Node::Always),
        ("evt.source", "syscall") if equal => Some(Node::Always),
        _ => None,
    }
}

/// What no operand can say.
fn special(check: &Check, deed: Deed) -> Option<Node> {
    let value = check.values.first().map_or("", |word| word.text.as_str());
    match (check.field.as_str(), check.operator, value) {
        // A descriptor that is none is an error's number here.
        ("fd.num", Operator::Equal, "-1") if deed == Deed::Open => {
            Some(Node::comparison("event.ret < 0".to_owned()))
        }
        ("evt.rawres", Operator::Equal | Operator::In, _) if deed == Deed::Redirect => {
            let all: Vec<&str> = check.values.iter().map(|word| word.text.as_str()).collect();
            let numbers = all.iter().all(|number| number.parse::<u8>().is_ok());
            numbers.then(|| {
                Node::call(format!(
                    "event.socket_descriptors.exists(d, d in [{}])",
                    all.join(", ")
                ))
            })
        }
        // Falco's ids have twelve digits.
        ("container.id", Operator::Equal | Operator::In, _) => {
            let begins = check.values.iter().map(|word| {
                let id = super::text::quoted(&word.text);
                Node::call(format!("container.id.startsWith({id})"))
            });
            Some(Node::any(begins))
        }
        // Such calls are told as another deed.
        ("evt.arg.request", _, "PTRACE_TRACEME") if deed == Deed::Ptrace => Some(Node::Never),
        ("proc.tty", Operator::NotEqual | Operator::Greater, "0") => Some(terminal()),
        _ => None,
    }
}

/// Terminals are not known. Sessions are, and those that are given a command are health checks.
fn terminal() -> Node {
    let session = Node::call("event.exec_session".to_owned()).noted(
        Shift::Other,
        "`proc.tty`: a session (`docker exec` and its like) that is given no command by `-c` stands for a terminal",
    );
    let commanded = Node::call("process.arguments.startsWith(\"-c\")".to_owned());
    Node::all([session, commanded.negated()])
}

pub(super) fn operand(check: &Check, deed: Deed) -> Operand {
    let field = check.field.as_str();
    match field.split_once('.').unwrap_or((field, "")) {
        ("proc" | "thread", name) => process::operand(name, check.argument.as_deref(), deed),
        ("fd" | "fs", _) => descriptor::operand(field, deed),
        ("evt", name) => event(name, check.argument.as_deref(), deed),
        ("container", name) => container(name, check.argument.as_deref()),
        ("k8s", name) => kubernetes(name, check.argument.as_deref()),
        ("user", name) => user(name),
        ("group", _) => Operand::Unknown("groups are not known"),
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn event(name: &str, index: Option<&str>, deed: Deed) -> Operand {
    let of_open = |node: Node| {
        if deed == Deed::Open {
            Operand::Flag(node)
        } else {
            Operand::Absent
        }
    };
    match (name, index) {
        ("is_open_read", None) => of_open(Node::equality("event.access", "\"write\"").negated()),
        ("is_open_write", None) => of_open(Node::equality("event.access", "\"read\"").negated()),
        ("rawres", None) => number("event.ret"),
        ("res", None) => Operand::Result,
        ("failed", None) => Operand::Flag(Node::comparison("event.ret < 0".to_owned())),
        ("arg" | "rawarg", Some(name)) => argument::operand(name, deed),
        (name, None) => {
            let argument = name.strip_prefix("arg.").or(name.strip_prefix("rawarg."));
            argument.map_or(Operand::Unknown(NO_COUNTERPART), |name| {
                argument::operand(name, deed)
            })
        }
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn container(name: &str, index: Option<&str>) -> Operand {
    let reference = "container.image.ref";
    match (name, index) {
        ("id" | "full_id", None) => whole("container.id"),
        ("name", None) => whole("container.name"),
        ("type", None) => whole("container.runtime"),
        ("image", None) => whole(reference),
        ("image.id", None) => whole("container.image.id"),
        ("image.digest", None) => whole("container.image.digest"),
        ("image.repository", None) => Operand::Text(Subject::Part(Part::repository(reference))),
        ("image.tag", None) => Operand::Text(Subject::Part(Part::tag(reference))),
        ("privileged", None) => Operand::Flag(Node::call("container.privileged".to_owned())),
        ("label", Some(key)) => label(key),
        (name, None) => {
            let key = name.strip_prefix("label.");
            key.map_or(Operand::Unknown(NO_COUNTERPART), label)
        }
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn kubernetes(name: &str, index: Option<&str>) -> Operand {
    match (name, index) {
        ("ns.name", None) => whole("container.namespace"),
        ("pod.name", None) => whole("container.pod.name"),
        ("pod.uid" | "pod.id", None) => whole("container.pod.uid"),
        ("pod.label", Some(key)) => label(key),
        (name, None) => {
            let key = name.strip_prefix("pod.label.");
            key.map_or(Operand::Unknown(NO_COUNTERPART), label)
        }
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn user(name: &str) -> Operand {
    match name {
        "uid" => number("process.uid"),
        // Any container may name its users as it likes, but not this one.
        "name" => Operand::Named {
            path: "process.uid".to_owned(),
            names: &[("root", 0)],
        },
        "loginuid" | "loginname" => Operand::Unknown("who logged in is not known"),
        _ => Operand::Unknown("of users only the number is known"),
    }
}

fn label(key: &str) -> Operand {
    let key = super::text::quoted(key);
    Operand::Guarded {
        guard: format!("{key} in container.labels"),
        subject: Subject::Whole(format!("container.labels[{key}]")),
    }
}

fn whole(path: &str) -> Operand {
    Operand::Text(Subject::Whole(path.to_owned()))
}

fn number(path: &str) -> Operand {
    Operand::Number {
        path: path.to_owned(),
        unit: 1,
    }
}
