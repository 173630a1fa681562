mod cef;
mod ecs;
mod falco;
mod goldens;
mod ocsf;
mod samples;

use super::*;
use crate::alert::Alert;
use samples::samples;

/// The alert that the pages of documentation show.
fn core_pattern() -> Alert {
    sample("escape.core_pattern")
}

fn sample(rule: &str) -> Alert {
    let found = samples().iter().find(|(sampled, _)| sampled.id == rule);
    found.unwrap().1.clone()
}

#[test]
fn every_rule_has_a_sample() {
    let missing: Vec<_> = crate::detect::rules()
        .filter(|rule| !samples().iter().any(|(sampled, _)| sampled.id == rule.id))
        .map(|rule| rule.id)
        .collect();
    assert!(missing.is_empty(), "add them to samples.rs: {missing:?}");
    for (rule, alert) in samples() {
        assert_eq!(alert.rule, rule.id);
    }
}

#[test]
fn a_line_is_one_line_whatever_it_says() {
    let mut alert = core_pattern();
    let hostile = "a\nb\rc\u{0}\u{1b}[2J\u{85}\u{2028}|=\\\"";
    alert.summary = hostile.to_owned();
    alert.node = hostile.to_owned();
    let process = alert.process.as_mut().unwrap();
    (process.exe, process.args) = (hostile.to_owned(), vec![hostile.to_owned()]);
    for format in Format::ALL {
        let line = format.line(&alert);
        assert!(!line.chars().any(|one| one.is_ascii_control()), "{line:?}");
    }
}

#[test]
fn what_the_spool_has_is_translated_or_passed_on_unread() {
    let alert = core_pattern();
    let native = Format::Native.line(&alert);
    for format in Format::ALL {
        let translated = format.translate(native.as_bytes()).unwrap();
        assert_eq!(translated, format.line(&alert).as_bytes(), "{}", format.name());
    }
    assert_eq!(*Format::Native.translate(b"no alert").unwrap(), *b"no alert");
    assert!(Format::Ocsf.translate(b"no alert").is_err());
}
