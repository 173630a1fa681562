//! How long and how nested a condition may be. Looked at before it is parsed: parser and interpreter recurse without a limit, and a stack that
//! overflows would end the agent.

use super::error::Problem;

/// Longest condition, bytes.
const MAX_BYTES: usize = 2000;
/// Brackets within each other.
const MAX_NESTING: usize = 24;
/// Operators, dots and brackets: each may be one level of recursion. `&&` and `||` are not counted, chains of them are flat.
const MAX_LEVELS: usize = 128;
const LEVELS: &[u8] = b".!+-*/%<>=?([{";

/// Checks the text of a condition.
pub(super) fn check(text: &str) -> Result<(), Problem> {
    if text.len() > MAX_BYTES {
        return Err(too_much(format!(
            "the condition has {} bytes, more than {MAX_BYTES}",
            text.len()
        )));
    }
    if text.contains("\"\"\"") || text.contains("'''") {
        return Err(Problem::new(
            "text in three quotes",
            "write it in single or double quotes",
        ));
    }
    let (nesting, levels) = depth(text);
    if nesting > MAX_NESTING {
        return Err(too_much(format!(
            "more than {MAX_NESTING} brackets within each other"
        )));
    }
    if levels > MAX_LEVELS {
        return Err(too_much(format!(
            "the condition has {levels} operators, dots and brackets, more than {MAX_LEVELS}"
        )));
    }
    Ok(())
}

/// The most brackets within each other, and all that may be a level of recursion.
fn depth(text: &str) -> (usize, usize) {
    let (mut open, mut nesting, mut levels, mut before) = (0_usize, 0, 0, 0);
    for byte in outside_of_texts(text) {
        let last = std::mem::replace(&mut before, byte);
        // Of `==`, `!=`, `<=` and `>=` the second half is none of its own.
        let second = byte == b'=' && b"=!<>".contains(&last);
        levels += usize::from(LEVELS.contains(&byte) && !second);
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        nesting = nesting.max(open);
    }
    (nesting, levels)
}

fn too_much(reason: String) -> Problem {
    Problem::new(
        reason,
        "split the rule, or name what you look for in a list: `x in [\"a\", \"b\"]`",
    )
}

/// Bytes that are in no text in quotes.
fn outside_of_texts(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut quote = None;
    let mut raw = false;
    let (mut escaped, mut before) = (false, 0);
    text.bytes().filter(move |byte| {
        let last = std::mem::replace(&mut before, *byte);
        match quote {
            None if matches!(byte, b'"' | b'\'') => {
                (quote, raw) = (Some(*byte), matches!(last, b'r' | b'R'));
                false
            }
            None => true,
            Some(_) if escaped => {
                escaped = false;
                false
            }
            Some(open) => {
                escaped = *byte == b'\\' && !raw;
                if *byte == open {
                    quote = None;
                }
                false
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(text: &str) -> String {
        outside_of_texts(text).map(char::from).collect()
    }

    #[test]
    fn what_is_in_quotes_is_no_operator() {
        assert_eq!(outside(r#"a == "b.(" && c == '"' + 'd\'('"#), "a ==  && c ==  + ");
        assert_eq!(outside(r#"a.matches(r"\") + b"#), "a.matches(r) + b");
        let addresses: Vec<String> = (0..80).map(|number| format!("\"10.0.0.{number}\"")).collect();
        assert_eq!(
            check(&format!("event.remote_address in [{}]", addresses.join(","))),
            Ok(())
        );
    }

    #[test]
    fn depth_is_bounded_whatever_makes_it() {
        let nested = |count: usize| format!("{}1{}", "(".repeat(count), ")".repeat(count));
        assert!(check(&nested(24)).is_ok() && check(&nested(25)).is_err());
        for deep in ["!", "1+", "a.", "-"] {
            assert!(
                check(&deep.repeat(128)).is_ok() && check(&deep.repeat(129)).is_err(),
                "{deep}"
            );
        }
        assert!(check("\"\"\"a\"\"\"").is_err());
    }
}
