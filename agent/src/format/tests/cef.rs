//! A reader that keeps to the rules of CEF gets back what was written.

use super::{core_pattern, samples};
use crate::alert::Alert;
use crate::format::Format;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Header fields and extension, unescaped; `None` when the message breaks a rule.
fn read(message: &str) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let mut header = vec![String::new()];
    let mut characters = message.char_indices();
    let mut extension = "";
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => header.last_mut()?.push(
                characters
                    .next()
                    .map(|(_, escaped)| escaped)
                    .filter(|one| "\\|".contains(*one))?,
            ),
            '|' if header.len() == 7 => {
                extension = &message[at + 1..];
                break;
            }
            '|' => header.push(String::new()),
            plain => header.last_mut()?.push(plain),
        }
    }
    (header.len() == 7).then_some(())?;
    Some((header, read_extension(extension)?))
}

/// A key is the word before a `=` that no backslash precedes; its value ends before the next key.
fn read_extension(text: &str) -> Option<BTreeMap<String, String>> {
    let mut signs = Vec::new();
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if character == '=' && !escaped {
            signs.push(at);
        }
        escaped = character == '\\' && !escaped;
    }
    let begin = |sign: usize| text[..sign].rfind(' ').map_or(0, |space| space + 1);
    let ends = signs
        .iter()
        .skip(1)
        .map(|sign| begin(*sign) - 1)
        .chain([text.len()]);
    let mut values = BTreeMap::new();
    for (sign, end) in signs.iter().zip(ends) {
        values.insert(
            text[begin(*sign)..*sign].to_owned(),
            unescape(&text[sign + 1..end])?,
        );
    }
    Some(values)
}

fn unescape(value: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                'r' => '\r',
                escaped @ ('\\' | '=') => escaped,
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(text)
}

#[test]
fn every_rule_s_message_can_be_read() {
    for (rule, alert) in samples() {
        let message = Format::Cef.line(alert);
        let (header, extension) = read(&message).unwrap();
        assert_eq!(header[..3], ["CEF:0", "Vigia", "Vigia"]);
        assert_eq!((header[4].as_str(), header[5].as_str()), (rule.id, rule.title));
        assert!((0..=10).contains(&header[6].parse::<u8>().unwrap()));
        assert_eq!(extension["msg"], alert.summary);
        assert_eq!(extension["externalId"], alert.id.to_string());
    }
}

#[test]
fn the_command_line_of_an_attacker_forges_no_field() {
    let mut alert = core_pattern();
    alert.process.as_mut().unwrap().args = vec!["x".into(), "act=denied|\\".into(), "\nCEF:0|a".into()];
    let (_, extension) = read(&Format::Cef.line(&alert)).unwrap();
    assert_eq!(extension["act"], "alerted");
    assert_eq!(extension["cs2"], "x act=denied|\\ \nCEF:0|a");
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(
        rule in "[^\\p{C}\\p{Zl}\\p{Zp}]*",
        summary in "([^\\p{C}\\p{Zl}\\p{Zp}]|\n|\r)*",
        argument in "[^\\p{C}\\p{Zl}\\p{Zp}]*",
    ) {
        let mut alert = Alert { rule: rule.clone(), summary: summary.clone(), ..core_pattern() };
        alert.process.as_mut().unwrap().args = vec!["x".to_owned(), argument.clone()];
        let message = Format::Cef.line(&alert);
        let (header, extension) = read(&message).expect("a message");
        prop_assert_eq!(&header[4], &rule);
        prop_assert_eq!(&extension["msg"], &summary);
        prop_assert_eq!(&extension["cs2"], &format!("x {argument}"));
    }
}
