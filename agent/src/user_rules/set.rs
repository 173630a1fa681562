//! All rules of users, by the kinds of events that they are asked about.

use super::compile::CompiledRule;
use super::error::{Problem, UserRuleError};
use super::expression::Machine;
use super::model::RuleFile;
use super::variables::Variables;
use crate::config::yaml;
use crate::detect::{DetectContext, Finding, Rule};
use crate::event::EventKind;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rules that may be in force at once: each costs microseconds per event of its kinds, tens of them with macros.
pub const MAX_RULES: usize = 256;
/// Patterns of all rules: each has up to 256 KiB.
const MAX_PATTERNS: usize = 256;
/// All files together, bytes: they are one frame of a recording.
const MAX_BYTES: usize = 8 << 20;

/// A file of rules. Part of recordings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleSource {
    pub file: PathBuf,
    pub text: String,
}

/// Rules. A value: reloading makes a new one, and a failed reload changes nothing.
#[derive(Debug, Default)]
pub struct UserRuleSet {
    sources: Vec<RuleSource>,
    rules: Vec<CompiledRule>,
    by_kind: BTreeMap<EventKind, Asked>,
    machine: Machine,
}

/// Who is asked about a kind of events, and with which variables.
#[derive(Debug, Default)]
struct Asked {
    rules: Vec<usize>,
    variables: BTreeSet<&'static str>,
}

impl PartialEq for UserRuleSet {
    /// Equal files are equal rules.
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

impl UserRuleSet {
    /// Makes rules of files.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile(sources: Vec<RuleSource>) -> Result<Self, UserRuleError> {
        let bytes: usize = sources.iter().map(|source| source.text.len()).sum();
        if let (true, Some(last)) = (bytes > MAX_BYTES, sources.last()) {
            let reason = format!("the files of rules have {bytes} bytes together, more than {MAX_BYTES}");
            return Err(Problem::new(reason, "check that it is the right folder").of(&last.file));
        }
        let mut rules: Vec<CompiledRule> = Vec::new();
        for source in &sources {
            add(source, &mut rules)?;
        }
        let machine = machine(&rules)?;
        let mut by_kind: BTreeMap<EventKind, Asked> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for kind in &rule.kinds {
                let asked = by_kind.entry(*kind).or_default();
                asked.rules.push(index);
                for expression in rule.expressions() {
                    asked.variables.extend(&expression.facts.variables);
                }
            }
        }
        Ok(Self {
            sources,
            rules,
            by_kind,
            machine,
        })
    }

    /// The files that it was made of.
    #[must_use]
    pub fn sources(&self) -> &[RuleSource] {
        &self.sources
    }

    /// All rules, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &CompiledRule> {
        self.rules.iter()
    }

    /// All rules as alerts and `agent explain` have them.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> + '_ {
        self.rules.iter().map(CompiledRule::rule)
    }

    /// Number of rules.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Goes on counting failures where `former` was, rule by rule.
    pub fn inherit(&self, former: &Self) {
        for rule in &self.rules {
            let same = former
                .rules
                .iter()
                .find(|other| other.rule().id == rule.rule().id);
            if let Some(same) = same {
                rule.inherit(same);
            }
        }
    }

    /// What the rules say of an event.
    pub(super) fn inspect(&self, context: &DetectContext<'_>) -> Vec<Finding> {
        // The prefilter: for all other kinds nothing is even rendered.
        let Some(asked) = self.by_kind.get(&context.event.raw.header.kind) else {
            return Vec::new();
        };
        let variables = Variables::of(context);
        let scope = self.machine.scope(&variables, Some(&asked.variables));
        let mut findings = Vec::new();
        for rule in asked.rules.iter().filter_map(|index| self.rules.get(*index)) {
            match rule.holds(&scope, &variables) {
                Ok(true) => {
                    findings.push(rule.finding(&variables, &context.actor(), context.container_name()))
                }
                Ok(false) => {}
                Err(reason) => rule.failed(reason),
            }
        }
        findings
    }

    /// What one rule says of the variables of a test.
    pub(super) fn judge(
        &self,
        rule: &CompiledRule,
        kind: EventKind,
        variables: &Variables,
    ) -> Result<bool, String> {
        if !rule.kinds.contains(&kind) {
            return Ok(false);
        }
        rule.holds(&self.machine.scope(variables, None), variables)
    }
}

/// With the patterns of all rules.
fn machine(rules: &[CompiledRule]) -> Result<Machine, UserRuleError> {
    let mut patterns = BTreeSet::new();
    for rule in rules {
        for expression in rule.expressions() {
            patterns.extend(&expression.facts.patterns);
        }
        if patterns.len() > MAX_PATTERNS {
            let reason = format!("rules have more than {MAX_PATTERNS} different patterns of `matches`");
            let help = "use startsWith, endsWith and contains where they do";
            return Err(Problem::new(reason, help).of(&rule.file));
        }
    }
    let file = rules.last().map_or(Path::new("rules"), |rule| &rule.file);
    Machine::new(patterns.into_iter()).map_err(|problem| problem.of(file))
}

fn add(source: &RuleSource, rules: &mut Vec<CompiledRule>) -> Result<(), UserRuleError> {
    let file = &source.file;
    let document: RuleFile = yaml::parse(file, &source.text).map_err(guide)?;
    for written in &document.rules {
        let rule = CompiledRule::new(written, &document.metadata.name, file)?;
        if let Some(first) = rules.iter().find(|first| first.rule().id == rule.rule().id) {
            let reason = format!("the id `{}` is used twice", rule.rule().id);
            let help = format!("change it here or in {}", first.file.display());
            return Err(Problem::new(reason, help).at(file, &written.id));
        }
        if rules.len() >= MAX_RULES {
            let reason = format!("more than {MAX_RULES} rules");
            return Err(Problem::new(reason, "join rules with `||`, or remove some").at(file, &written.id));
        }
        rules.push(rule);
    }
    Ok(())
}

/// The YAML is shared with the configuration; its advice is not.
fn guide(mut error: yaml::YamlError) -> yaml::YamlError {
    if error.help.contains("agent config default") {
        "check the YAML at this place; docs/user-rules.md has a valid file".clone_into(&mut error.help);
    }
    error
}
