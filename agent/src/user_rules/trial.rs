//! Tests that are written beside rules: `agent rules test`.

use super::UserRuleSet;
use super::compile::{CompiledRule, Test};
use super::model::Expectation;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// A test that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    pub file: PathBuf,
    pub line: u64,
    pub rule: &'static str,
    /// Its name, else its number.
    pub test: String,
    /// `alert` or `nothing`.
    pub expected: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    /// The rule said the opposite.
    Differs,
    /// The condition could not be evaluated.
    Failed {
        reason: String,
    },
}

impl Trial {
    /// True when the rule said what was expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Passed
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            test,
            expected,
            outcome,
        } = self;
        let place = file.display();
        let got = match *expected {
            "alert" => "nothing",
            _ => "alert",
        };
        match outcome {
            Outcome::Passed => write!(f, "ok   {place}:{line}: {rule}, test {test}: {expected}"),
            Outcome::Differs => write!(
                f,
                "FAIL {place}:{line}: {rule}, test {test}: expected {expected}, got {got}"
            ),
            Outcome::Failed { reason } => write!(
                f,
                "FAIL {place}:{line}: {rule}, test {test}: expected {expected}, but the condition fails: {reason}"
            ),
        }
    }
}

impl UserRuleSet {
    /// Runs all tests, in the order of files.
    #[must_use]
    pub fn try_all(&self) -> Vec<Trial> {
        let of_rule = |rule: &CompiledRule| -> Vec<Trial> {
            let tests = rule.tests.iter();
            tests.map(|test| self.try_one(rule, test)).collect()
        };
        self.iter().flat_map(of_rule).collect()
    }

    fn try_one(&self, rule: &CompiledRule, test: &Test) -> Trial {
        let (expected, wanted) = match test.expect {
            Expectation::Alert => ("alert", true),
            Expectation::Nothing => ("nothing", false),
        };
        let outcome = match self.judge(rule, test.kind, &test.given) {
            Ok(said) if said == wanted => Outcome::Passed,
            Ok(_) => Outcome::Differs,
            Err(reason) => Outcome::Failed { reason },
        };
        Trial {
            file: rule.file.clone(),
            line: test.line,
            rule: rule.rule().id,
            test: test.name.clone(),
            expected,
            outcome,
        }
    }
}
