//! From what is written to what decides.

use super::error::{Problem, UserRuleError};
use super::exception::Exception;
use super::expression::{Expression, Scope};
use super::intern::{RuleText, intern};
use super::model::{Expectation, KindName, Located, RuleDocument, TestDocument};
use super::summary::Summary;
use super::variables::Variables;
use crate::detect::{Class, Finding, Rule};
use crate::event::EventKind;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Ids begin so: no rule of a user can be taken for one that is shipped.
const PREFIX: &str = "user.";
/// Longest id and title, bytes.
const MAX_ID: usize = 80;
const MAX_TITLE: usize = 200;
/// Tests of one rule.
const MAX_TESTS: usize = 100;
/// Exceptions of one rule that have conditions: each is evaluated where the rule's own holds.
const MAX_CONDITIONS: usize = 32;

/// A rule that can be asked.
#[derive(Debug)]
pub struct CompiledRule {
    rule: &'static Rule,
    pub(super) kinds: Vec<EventKind>,
    expression: Expression,
    summary: Option<Summary>,
    exceptions: Vec<Exception>,
    pub(super) tests: Vec<Test>,
    pub(super) file: PathBuf,
    failures: Failures,
}

/// How often a condition could not be evaluated, and why the last time.
#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
    last: Mutex<String>,
}

/// A test of a rule.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) line: u64,
    pub(super) kind: EventKind,
    pub(super) given: Variables,
    pub(super) expect: Expectation,
}

impl CompiledRule {
    /// Checks everything that `document` says; `set` is the name of its file's rules.
    pub(super) fn new(document: &RuleDocument, set: &str, file: &Path) -> Result<Self, UserRuleError> {
        check_words(document, file)?;
        let kinds = kinds(&document.on.value).map_err(|problem| problem.at(file, &document.on))?;
        let condition = &document.condition;
        let expression =
            Expression::compile(&condition.value, &kinds).map_err(|problem| problem.at(file, condition))?;
        let summary = document.summary.as_ref().map(|template| {
            Summary::parse(&template.value, &kinds).map_err(|problem| problem.at(file, template))
        });
        let exceptions = exceptions(document, &kinds, file)?;
        let text = describe(document, set, &exceptions);
        let rule = intern(text).ok_or_else(|| {
            Problem::new(
                "too many different rules since the agent was started",
                "restart the agent: what edited rules said of themselves is kept until then",
            )
            .at(file, &document.id)
        })?;
        Ok(Self {
            rule,
            kinds,
            expression,
            summary: summary.transpose()?,
            exceptions,
            tests: tests(document, file)?,
            file: file.to_owned(),
            failures: Failures::default(),
        })
    }

    /// The rule as alerts and `agent explain` have it.
    #[must_use]
    pub fn rule(&self) -> &'static Rule {
        self.rule
    }

    /// The file that it is written in.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Tests that are written for it.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.tests.len()
    }

    /// How often its condition could not be evaluated, and why the last time.
    #[must_use]
    pub fn failures(&self) -> (u64, String) {
        let Failures { count, last } = &self.failures;
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        (count.load(Ordering::Relaxed), last.clone())
    }

    /// One more failure.
    pub(super) fn failed(&self, reason: String) {
        self.failures.count.fetch_add(1, Ordering::Relaxed);
        *self.failures.last.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Goes on counting where `former`, which it replaces, was: totals never fall.
    pub(super) fn inherit(&self, former: &Self) {
        let (count, last) = former.failures();
        self.failures.count.store(count, Ordering::Relaxed);
        *self.failures.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }

    /// Its condition, and those of its exceptions.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let of_exceptions = self.exceptions.iter().filter_map(Exception::condition);
        std::iter::once(&self.expression).chain(of_exceptions)
    }

    /// Whether it has something to say of an event of its kinds; else why that cannot be told.
    pub(super) fn holds(&self, scope: &Scope<'_>, variables: &Variables) -> Result<bool, String> {
        if !scope.holds(&self.expression)? {
            return Ok(false);
        }
        for exception in &self.exceptions {
            if exception.covers(scope, variables)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What it says.
    pub(super) fn finding(&self, variables: &Variables, actor: &str, container: &str) -> Finding {
        let sentence = self.summary.as_ref().map_or_else(
            || format!("{}: {actor} in {container}", self.rule.title),
            |summary| summary.render(variables),
        );
        Finding::new(self.rule, object(variables), sentence)
    }
}

/// What the event is about: equal ones of a container are one alert.
fn object(variables: &Variables) -> String {
    const IDENTITY: [&str; 14] = [
        "exe",
        "operation",
        "path",
        "new_path",
        "source",
        "target",
        "module",
        "remote_address",
        "remote_port",
        "local_port",
        "capability",
        "signal",
        "family",
        "name",
    ];
    let parts = IDENTITY
        .iter()
        .filter_map(|key| match variables.event.get(*key)? {
            Value::String(text) => Some(text.clone()),
            // What the event does not have is empty.
            Value::Number(number) if number.as_u64() != Some(0) => Some(number.to_string()),
            _ => None,
        });
    let mut parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
    // Of an exec the path is the executable.
    parts.dedup();
    parts.join(" ")
}

/// What is neither condition nor template.
fn check_words(document: &RuleDocument, file: &Path) -> Result<(), UserRuleError> {
    let RuleDocument {
        id,
        class,
        title,
        attack,
        ..
    } = document;
    check_id(&id.value).map_err(|problem| problem.at(file, id))?;
    check_class(class.value).map_err(|problem| problem.at(file, class))?;
    check_title(&title.value).map_err(|problem| problem.at(file, title))?;
    for technique in attack {
        check_technique(&technique.value).map_err(|problem| problem.at(file, technique))?;
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Problem> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let rest = id.strip_prefix(PREFIX).unwrap_or_default();
    if !rest.is_empty() && id.len() <= MAX_ID && rest.bytes().all(is_letter) {
        return Ok(());
    }
    Err(Problem::new(
        format!("`{}` is no id of a user's rule", id.escape_debug()),
        format!(
            "begin it with `{PREFIX}`, go on with small letters, digits and `_`; at most {MAX_ID} in all"
        ),
    ))
}

fn check_class(class: Class) -> Result<(), Problem> {
    match class {
        Class::Posture | Class::Sensor => Err(Problem::new(
            format!("the class `{}` is not for events of containers", class.name()),
            "use one of: escape, listener, lateral, drift, credential, tampering",
        )),
        _ => Ok(()),
    }
}

fn check_title(title: &str) -> Result<(), Problem> {
    if (1..=MAX_TITLE).contains(&title.len()) && !title.contains(char::is_control) {
        return Ok(());
    }
    Err(Problem::new(
        format!("a title is one line of 1 to {MAX_TITLE} bytes"),
        "say in a few words what happened; `description` has room for more",
    ))
}

/// `T1611`, `T1552.001`.
fn check_technique(id: &str) -> Result<(), Problem> {
    let digits =
        |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = id.strip_prefix('T').unwrap_or_default();
    let known = match number.split_once('.') {
        Some((technique, part)) => digits(technique, 4) && digits(part, 3),
        None => digits(number, 4),
    };
    if known {
        return Ok(());
    }
    Err(Problem::new(
        format!("`{}` is no technique of ATT&CK", id.escape_debug()),
        "write it as T1105 or T1552.001",
    ))
}

fn kinds(names: &[KindName]) -> Result<Vec<EventKind>, Problem> {
    let mut kinds: Vec<EventKind> = names.iter().map(|name| name.0).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.is_empty() || kinds.len() < names.len() {
        return Err(Problem::new(
            "`on` names no kind of events, or one of them twice",
            "name each kind that the rule is for once",
        ));
    }
    Ok(kinds)
}

fn exceptions(
    document: &RuleDocument,
    kinds: &[EventKind],
    file: &Path,
) -> Result<Vec<Exception>, UserRuleError> {
    let mut conditional = document
        .exceptions
        .iter()
        .filter(|exception| exception.value.condition.is_some());
    if let Some(beyond) = conditional.nth(MAX_CONDITIONS) {
        let reason = format!("more than {MAX_CONDITIONS} exceptions with conditions of one rule");
        return Err(Problem::new(reason, "join some with `||`, or split the rule").at(file, beyond));
    }
    let exceptions = document.exceptions.iter();
    exceptions
        .map(|exception| Exception::new(exception, kinds, file))
        .collect()
}

fn tests(document: &RuleDocument, file: &Path) -> Result<Vec<Test>, UserRuleError> {
    if let Some(beyond) = document.tests.get(MAX_TESTS) {
        let reason = format!("more than {MAX_TESTS} tests of one rule");
        return Err(Problem::new(reason, "keep those that differ").at(file, beyond));
    }
    let numbered = (1..).zip(&document.tests);
    numbered
        .map(|(number, test)| self::test(number, test).map_err(|problem| problem.at(file, test)))
        .collect()
}

fn test(number: usize, written: &Located<TestDocument>) -> Result<Test, Problem> {
    let TestDocument { name, given, expect } = &written.value;
    let variables = Variables::given(given).map_err(|reason| {
        Problem::new(
            format!("test {number}: {reason}"),
            "docs/user-rules.md lists the fields of each kind with their types",
        )
    })?;
    Ok(Test {
        name: name.clone().unwrap_or_else(|| number.to_string()),
        line: written.referenced.line(),
        kind: given.kind.0,
        given: variables,
        expect: *expect,
    })
}

fn describe(document: &RuleDocument, set: &str, exceptions: &[Exception]) -> RuleText {
    let kinds: Vec<&str> = document.on.value.iter().map(|kind| kind.0.name()).collect();
    let condition = document
        .condition
        .value
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let except = match exceptions {
        [] => "The rule has no exceptions.".to_owned(),
        some => {
            let said: Vec<String> = some.iter().map(Exception::describe).collect();
            format!("Excepted: {}.", said.join("; "))
        }
    };
    let own = |text: &Option<String>, otherwise: &str| {
        let own = text.as_ref().map(|text| text.trim().to_owned());
        own.filter(|text| !text.is_empty())
            .unwrap_or_else(|| otherwise.to_owned())
    };
    RuleText {
        id: document.id.value.clone(),
        class: document.class.value,
        severity: document.severity,
        attack: document.attack.iter().map(|id| id.value.clone()).collect(),
        title: document.title.value.clone(),
        meaning: format!("On {}: {condition}", kinds.join(", ")),
        why: own(
            &document.description,
            &format!("The rule is of the rule set `{set}`; who operates this agent wrote it."),
        ),
        look_alikes: except,
        response: own(&document.response, "Ask whoever wrote the rule."),
    }
}
