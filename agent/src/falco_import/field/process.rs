//! `proc.*` and `thread.*`.

use super::super::compare::Operand;
use super::super::deed::Deed;
use super::super::logic::Node;
use super::super::text::Subject;
use super::{NO_COUNTERPART, number, whole};

/// Farther up nothing is known.
const MAX_LEVEL: usize = 32;

pub(super) fn operand(name: &str, index: Option<&str>, deed: Deed) -> Operand {
    match (name, index) {
        ("aname", level) => ancestor(level, "name", Subject::Name),
        ("aexepath", level) => ancestor(level, "exe", Subject::Whole),
        ("acmdline", level) => ancestor(level, "command_line", Subject::Whole),
        ("pname", None) => Operand::Text(Subject::Name("process.parent.name".to_owned())),
        ("pexepath", None) => whole("process.parent.exe"),
        ("pcmdline", None) => whole("process.parent.command_line"),
        ("pexe", None) => first_argument("process.parent.args"),
        ("ppid", None) => number("process.parent.host_pid"),
        (name, None) => own(name, deed),
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn own(name: &str, deed: Deed) -> Operand {
    match name {
        "name" => Operand::Text(Subject::Name("process.name".to_owned())),
        "exepath" => whole("process.exe"),
        "exe" => first_argument("process.args"),
        "args" => whole("process.arguments"),
        "cmdline" => whole("process.command_line"),
        // Falco's ends with a slash.
        "cwd" => whole("(process.cwd + \"/\")"),
        "pid" | "tid" => number("process.host_pid"),
        "vpid" => number("process.pid"),
        "duration" => Operand::Number {
            path: "process.age_ms".to_owned(),
            unit: 1_000_000,
        },
        "is_exe_upper_layer" => {
            let executable = match deed {
                Deed::Exec | Deed::Redirect => "event.in_image",
                _ => "process.in_image",
            };
            Operand::Flag(Node::equality(executable, "false"))
        }
        "is_exe_from_memfd" => Operand::Flag(Node::call("process.exe.startsWith(\"memfd:\")".to_owned())),
        "tty" => Operand::Unknown("terminals are not known"),
        "env" => Operand::Unknown("environments are not read"),
        "cap_effective" | "cap_permitted" | "cap_inheritable" => {
            Operand::Redundant("capabilities of processes are not known; without them such calls mostly fail")
        }
        _ => Operand::Unknown(NO_COUNTERPART),
    }
}

fn first_argument(list: &str) -> Operand {
    Operand::Guarded {
        guard: format!("size({list}) > 0"),
        subject: Subject::Whole(format!("{list}[0]")),
    }
}

/// Of one ancestor, the parent being the first; without a level, of any.
fn ancestor(level: Option<&str>, member: &str, subject: impl Fn(String) -> Subject) -> Operand {
    let Some(level) = level else {
        return Operand::OfAncestors(subject(format!("a.{member}")));
    };
    match level.parse::<usize>() {
        Ok(0) => Operand::Text(subject(format!("process.{member}"))),
        Ok(1) => Operand::Text(subject(format!("process.parent.{member}"))),
        Ok(level) if level <= MAX_LEVEL => Operand::Guarded {
            guard: format!("size(process.ancestors) >= {level}"),
            subject: subject(format!("process.ancestors[{}].{member}", level - 1)),
        },
        _ => Operand::Absent,
    }
}
