//! Comparisons of text, in CEL.

use super::logic::Node;
use super::syntax::Operator;
use std::fmt::Write;

/// Names in one comparison, bytes: a condition has at most 2,000, and what is excepted may be split.
const MAX_CHUNK: usize = 1500;
/// The kernel keeps so much of a process's name, and so do Falco's rules.
const KEPT_OF_NAMES: usize = 15;

/// Text that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A path of fields.
    Whole(String),
    /// The name of a process.
    Name(String),
    /// A part of a field, which patterns find.
    Part(Part),
}

/// What stands around the part, and what it is made of, as patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) before: &'static str,
    pub(super) inside: &'static str,
    pub(super) after: &'static str,
}

impl Part {
    /// The folder that a path is in.
    pub(super) fn directory(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            before: "^",
            inside: ".*",
            after: "/[^/]*$",
        }
    }

    /// The last part of a path.
    pub(super) fn file_name(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            before: "(?:^|/)",
            inside: "[^/]*",
            after: "$",
        }
    }

    /// An image's reference without tag and digest.
    pub(super) fn repository(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            before: "^",
            inside: "[^@]*",
            after: "(?::[^/@]*)?(?:@.*)?$",
        }
    }

    /// The tag of an image's reference.
    pub(super) fn tag(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            before: ":",
            inside: "[^/:@]*",
            after: "(?:@.*)?$",
        }
    }
}

/// Text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _written = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `path == "a"`, `path in ["a", "b"]`, in several pieces when there are many.
pub(super) fn one_of(path: &str, values: &[String]) -> Node {
    let (mut pieces, mut piece, mut bytes) = (Vec::new(), Vec::new(), 0);
    for value in values {
        let value = quoted(value);
        if bytes + value.len() > MAX_CHUNK && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += value.len() + 2;
        piece.push(value);
    }
    pieces.push(piece);
    Node::any(pieces.iter().map(|piece| match &piece[..] {
        [] => Node::Never,
        [only] => Node::equality(path, only),
        many => Node::comparison(format!("{path} in [{}]", many.join(", "))),
    }))
}

/// The comparison; `None`: the operator is not for text.
pub(super) fn compare(subject: &Subject, operator: Operator, values: &[String]) -> Option<Node> {
    match subject {
        Subject::Whole(path) => whole(path, operator, values),
        Subject::Name(path) if matches!(operator, Operator::Equal | Operator::In) => {
            Some(named(path, values))
        }
        Subject::Name(path) => whole(path, operator, values),
        Subject::Part(part) => {
            let exact = |pattern: String| format!("{}{pattern}{}", part.before, part.after);
            let pattern = pattern(operator, values, part.inside)?;
            Some(matches(&part.path, &exact(pattern)))
        }
    }
}

fn whole(path: &str, operator: Operator, values: &[String]) -> Option<Node> {
    let call = |method: &str| {
        let calls = values
            .iter()
            .map(|value| Node::call(format!("{path}.{method}({})", quoted(value))));
        Some(Node::any(calls))
    };
    match operator {
        Operator::Equal | Operator::In => Some(one_of(path, values)),
        Operator::Exists => Some(Node::equality(path, "\"\"").negated()),
        Operator::Contains => call("contains"),
        Operator::StartsWith => call("startsWith"),
        Operator::EndsWith => call("endsWith"),
        Operator::PathPrefix => {
            let pattern = format!(
                "^{}(?:/|$)",
                alternatives(values.iter().map(|path| path.trim_end_matches('/')))
            );
            Some(matches(path, &pattern))
        }
        Operator::ContainsAnyCase => {
            let pattern = alternatives(values.iter().map(String::as_str));
            Some(matches(path, &format!("(?i-u:{pattern})")))
        }
        Operator::Glob | Operator::GlobAnyCase | Operator::Regex => {
            let pattern = pattern(operator, values, ".*")?;
            Some(matches(path, &format!("^{pattern}$")))
        }
        _ => None,
    }
}

/// Names that the kernel cut are beginnings. Where Falco does not know a name it is `<NA>`, and empty here.
fn named(path: &str, values: &[String]) -> Node {
    let (mut exact, mut cut) = (Vec::new(), Vec::new());
    for value in values {
        match value.as_str() {
            "<NA>" | "N/A" => exact.push(String::new()),
            name if name.len() == KEPT_OF_NAMES => cut.push(name),
            name => exact.push(name.to_owned()),
        }
    }
    exact.dedup();
    let begins = match &cut[..] {
        [] => Node::Never,
        [only] => Node::call(format!("{path}.startsWith({})", quoted(only))),
        many => matches(path, &format!("^{}", alternatives(many.iter().copied()))),
    };
    Node::any([one_of(path, &exact), begins])
}

/// What a part must match.
fn pattern(operator: Operator, values: &[String], inside: &str) -> Option<String> {
    let literal = alternatives(values.iter().map(|value| match value.as_str() {
        // A folder is named without the slash behind it, also the root.
        path if inside == ".*" => path.trim_end_matches('/'),
        other => other,
    }));
    Some(match operator {
        Operator::Equal | Operator::In => literal,
        Operator::Exists => format!("{inside}[^/]"),
        Operator::Contains => format!("{inside}{literal}{inside}"),
        Operator::ContainsAnyCase => format!("{inside}(?i-u:{literal}){inside}"),
        Operator::StartsWith => format!("{literal}{inside}"),
        Operator::EndsWith => format!("{inside}{literal}"),
        Operator::PathPrefix => format!("{literal}(?:/.*)?"),
        Operator::Glob => grouped(values.iter().map(|value| glob(value, false))),
        Operator::GlobAnyCase => grouped(values.iter().map(|value| glob(value, true))),
        Operator::Regex => grouped(values.iter().cloned()),
        _ => return None,
    })
}

pub(super) fn matches(path: &str, pattern: &str) -> Node {
    Node::call(format!("{path}.matches({})", quoted(pattern)))
}

fn alternatives<'a>(values: impl Iterator<Item = &'a str>) -> String {
    grouped(values.map(regex::escape))
}

fn grouped(patterns: impl Iterator<Item = String>) -> String {
    let patterns: Vec<String> = patterns.collect();
    format!("(?:{})", patterns.join("|"))
}

/// A pattern of fnmatch(3) without flags: `*` goes over slashes.
fn glob(text: &str, any_case: bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => out.push_str("(?s:.*)"),
            '?' => out.push_str("(?s:.)"),
            '[' => match rest.split_once(']') {
                Some((class, behind)) if !class.is_empty() => {
                    out.push_str(&class_of(class));
                    rest = behind;
                }
                _ => out.push_str("\\["),
            },
            letter if any_case && letter.is_ascii_alphabetic() => {
                out.extend(['[', letter.to_ascii_lowercase(), letter.to_ascii_uppercase(), ']']);
            }
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

fn class_of(class: &str) -> String {
    let (sign, characters) = match class.strip_prefix(['!', '^']) {
        Some(rest) => ("^", rest),
        None => ("", class),
    };
    let escaped: String = characters
        .chars()
        .map(|c| match c {
            '-' => "-".to_owned(),
            c => regex::escape(c.encode_utf8(&mut [0; 4])),
        })
        .collect();
    format!("[{sign}{escaped}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cel(subject: Subject, operator: Operator, values: &[&str]) -> String {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        compare(&subject, operator, &values).unwrap().cel()
    }

    /// Whether `text` matches what [`cel`] made of a part.
    fn part(part: Part, operator: Operator, values: &[&str], text: &str) -> bool {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let pattern = pattern(operator, &values, part.inside).unwrap();
        let whole = format!("{}{pattern}{}", part.before, part.after);
        regex::Regex::new(&whole).unwrap().is_match(text)
    }

    #[test]
    fn names_that_were_cut_are_beginnings() {
        let name = || Subject::Name("process.name".to_owned());
        assert_eq!(
            cel(name(), Operator::In, &["sh", "dpkg-preconfigu"]),
            r#"process.name == "sh" || process.name.startsWith("dpkg-preconfigu")"#
        );
        assert_eq!(
            cel(name(), Operator::In, &["<NA>", "N/A"]),
            r#"process.name == """#
        );
    }

    #[test]
    fn long_lists_come_in_pieces() {
        let names: Vec<String> = (0..300).map(|number| format!("program{number}")).collect();
        let Node::Any(pieces) = one_of("process.name", &names) else {
            panic!("several pieces")
        };
        assert!(pieces.len() == 3 && pieces.iter().all(|piece| piece.cel().len() < 2000));
    }

    #[test]
    fn parts_are_found_by_patterns() {
        let directory =
            |values: &[&str], text: &str| part(Part::directory("event.path"), Operator::In, values, text);
        assert!(directory(&["/etc/pam.d", "/etc/sudoers.d/"], "/etc/pam.d/sshd"));
        assert!(directory(&["/etc/sudoers.d/"], "/etc/sudoers.d/x"));
        assert!(!directory(&["/etc/pam.d"], "/etc/pam.d/x/y") && !directory(&["/etc/pam.d"], "/etc/pamXd/y"));
        assert!(directory(&["/"], "/x") && !directory(&["/"], "/x/y"));
        let repository =
            |operator, value: &str, text: &str| part(Part::repository("x"), operator, &[value], text);
        assert!(repository(Operator::Equal, "acme/app", "acme/app:1.2@sha256:0"));
        assert!(repository(Operator::Equal, "reg:5000/app", "reg:5000/app"));
        assert!(!repository(Operator::Equal, "acme/app", "acme/app2:1"));
        assert!(repository(Operator::EndsWith, "/app", "reg:5000/acme/app:1"));
        assert!(part(
            Part::file_name("x"),
            Operator::Equal,
            &["syslog"],
            "/var/log/syslog"
        ));
        assert!(part(
            Part::tag("x"),
            Operator::Equal,
            &["1"],
            "reg:5000/a:1@sha256:0"
        ));
    }

    #[test]
    fn globs_go_over_slashes_and_case_is_ignored_where_asked() {
        let whole = |operator, value: &str| cel(Subject::Whole("p".to_owned()), operator, &[value]);
        let found = |operator, value: &str, text: &str| {
            let values = [value.to_owned()];
            let pattern = pattern(operator, &values, ".*").unwrap();
            regex::Regex::new(&format!("^{pattern}$")).unwrap().is_match(text)
        };
        assert!(found(Operator::Glob, "/home/*/.ssh/*", "/home/a/b/.ssh/id"));
        assert!(found(Operator::Glob, "a[!b-d]?", "aex") && !found(Operator::Glob, "a[!b-d]?", "acx"));
        assert!(found(Operator::GlobAnyCase, "*.PEM", "x.pem"));
        assert_eq!(
            whole(Operator::ContainsAnyCase, "BEGIN RSA"),
            r#"p.matches("(?i-u:(?:BEGIN RSA))")"#
        );
        assert_eq!(whole(Operator::Contains, "a\"\\\n"), r#"p.contains("a\"\\\n")"#);
        assert!(compare(&Subject::Whole("p".to_owned()), Operator::Less, &[]).is_none());
    }
}
