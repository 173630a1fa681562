//! Reading a source file: what it names of its own crate, without tests, comments and strings.

/// The part of a source file that is neither test nor comment, strings emptied. Lines keep their numbers.
pub(super) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    for line in source.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        code.push_str(&without_comment_and_strings(line));
        code.push('\n');
    }
    code
}

fn without_comment_and_strings(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_string => drop(chars.next()),
            '"' => in_string = !in_string,
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if in_string => {}
            _ => kept.push(c),
        }
    }
    kept
}

/// The top-level modules named in `code`, with line numbers. `depth` is the number of modules the file is in.
pub(super) fn imports_of(code: &str, depth: usize) -> Vec<(usize, String)> {
    let roots = ["crate::".to_owned(), "super::".repeat(depth)];
    let mut found = Vec::new();
    for root in roots.iter().filter(|root| !root.is_empty()) {
        for (at, _) in code.match_indices(root.as_str()) {
            if starts_a_path(code, at) {
                let line = code[..at].matches('\n').count() + 1;
                found.extend(
                    names_after(&code[at + root.len()..])
                        .into_iter()
                        .map(|name| (line, name)),
                );
            }
        }
    }
    found
}

fn starts_a_path(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '$'))
}

/// `a::b` gives `a`; `{a::B, c::{D, E}}` gives `a` and `c`. Types and macros of the root itself give nothing.
fn names_after(rest: &str) -> Vec<String> {
    let items = match rest.strip_prefix('{') {
        Some(group) => top_level_items(group),
        None => vec![rest],
    };
    items
        .into_iter()
        .map(|item| {
            item.trim()
                .chars()
                .take_while(|c| is_name(*c))
                .collect::<String>()
        })
        .filter(|name| name.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn top_level_items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0_u32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                items.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str, depth: usize) -> Vec<String> {
        imports_of(&code_of(source), depth)
            .into_iter()
            .map(|(_, name)| name)
            .collect()
    }

    #[test]
    fn single_grouped_and_inline_paths_are_seen() {
        let source =
            "use crate::event::Time;\nuse crate::{alert::{Alert, AlertId}, detect};\nlet x = crate::sink::N;";
        assert_eq!(names(source, 2), ["event", "alert", "detect", "sink"]);
    }

    #[test]
    fn super_counts_only_when_it_reaches_the_root() {
        assert_eq!(names("use super::index;\nuse super::super::sink;", 2), ["sink"]);
        assert_eq!(names("use super::sink;", 1), ["sink"]);
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let source = "// crate::sink\nlet s = \"crate::sink\"; /// [`crate::sink`]\n#[cfg(test)]\nmod tests { use crate::sink; }";
        assert_eq!(names(source, 1), Vec::<String>::new());
    }

    #[test]
    fn lines_are_numbered_from_one() {
        assert_eq!(imports_of("\nuse crate::event;", 1), [(2, "event".to_owned())]);
    }

    #[test]
    fn items_of_the_root_are_no_modules() {
        assert_eq!(
            names("use crate::Error;\n$crate::sink!()", 1),
            Vec::<String>::new()
        );
    }
}
