//! Falco's `output`, as the sentence of an alert.

use super::compare::Operand;
use super::deed::Deed;
use super::field;
use super::syntax::{Check, Operator};
use super::text::Subject;

/// Longest template that rules of users may have, bytes.
const MAX_TEMPLATE: usize = 500;

/// The template for events of `deed`. Words with fields that have no counterpart are left out; `None`: nothing is left.
pub(super) fn template(output: &str, deed: Deed) -> Option<String> {
    let mut sentence = String::new();
    for word in output.split_whitespace() {
        let Some(word) = translated(word, deed) else {
            continue;
        };
        if sentence.len() + word.len() + 1 > MAX_TEMPLATE {
            break;
        }
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(&word);
    }
    let sentence = sentence.trim_end_matches([' ', '|']).to_owned();
    (!sentence.is_empty()).then_some(sentence)
}

/// The word with placeholders for its fields; `None`: a field has no counterpart.
fn translated(word: &str, deed: Deed) -> Option<String> {
    let mut out = String::new();
    let mut rest = word;
    while let Some((before, behind)) = rest.split_once('%') {
        out.push_str(&plain(before));
        if let Some(behind) = behind.strip_prefix('%') {
            out.push('%');
            rest = behind;
            continue;
        }
        let (field, argument, after) = named(behind);
        out.push_str(&format!("{{{{{}}}}}", path(field, argument, deed)?));
        rest = after;
    }
    out.push_str(&plain(rest));
    Some(out)
}

/// What stands there as text must not begin a placeholder.
fn plain(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !c.is_control()).collect();
    visible.replace("{{", "{ {")
}

/// A field, its argument, and what follows.
fn named(text: &str) -> (&str, Option<&str>, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    // A dot behind it ends the sentence.
    let field = text[..end].trim_end_matches('.');
    let after = &text[field.len()..];
    match after.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((argument, after)) => (field, Some(argument), after),
        None => (field, None, after),
    }
}

fn path(field: &str, argument: Option<&str>, deed: Deed) -> Option<String> {
    let own = match field {
        "evt.type" | "syscall.type" => "event.kind",
        "proc.cwd" => "process.cwd",
        "proc.exe" => "process.exe",
        "container.privileged" => "container.privileged",
        _ => "",
    };
    if !own.is_empty() {
        return Some(own.to_owned());
    }
    let check = Check {
        field: field.to_owned(),
        argument: argument.map(str::to_owned),
        transformers: Vec::new(),
        operator: Operator::Exists,
        values: Vec::new(),
    };
    let path = match field::operand(&check, deed) {
        Operand::Text(Subject::Whole(path) | Subject::Name(path))
        | Operand::Number { path, .. }
        | Operand::Named { path, .. }
        | Operand::Bits { path, .. }
        | Operand::Address(path) => path,
        Operand::Text(Subject::Part(part)) => part.path,
        _ => return None,
    };
    // Placeholders are names with dots between them.
    let is_plain = path
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
    is_plain.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_placeholders_and_what_is_unknown_is_left_out() {
        let output =
            "Log cleared | file=%fd.name tty=%proc.tty by (%proc.cmdline %container.image.repository) 100%%";
        assert_eq!(
            template(output, Deed::Open).unwrap(),
            "Log cleared | file={{event.path}} by ({{process.command_line}} {{container.image.ref}}) 100%"
        );
        assert_eq!(
            template("Started %proc.name. %proc.aname[2] %proc.aname[1]", Deed::Exec).unwrap(),
            "Started {{process.name}}. {{process.parent.name}}"
        );
        assert_eq!(template("%proc.tty", Deed::Exec), None);
        assert_eq!(template("{{x}}", Deed::Exec).unwrap(), "{ {x}}");
    }

    #[test]
    fn it_is_cut_at_a_word() {
        let long = template(&"%proc.name ".repeat(100), Deed::Exec).unwrap();
        assert!(long.len() <= MAX_TEMPLATE && long.ends_with("{{process.name}}"));
    }
}
