//! Files of Falco's rules, and how later ones append to earlier ones and override them.

use super::FalcoSource;
use super::error::{FalcoError, Problem};
use super::syntax::{Expr, Word, item, parse};
use crate::config::yaml;
use serde::de::{self, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// A value and where it is written.
pub(super) type Located<T> = serde_saphyr::Spanned<T>;

/// Everything of all files.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) definitions: Definitions,
    rules: Vec<Rule>,
    pub(super) ignored: Vec<String>,
}

/// What conditions may name.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    pub(super) macros: BTreeMap<String, Condition>,
    pub(super) lists: BTreeMap<String, Vec<Word>>,
}

/// A condition. Its text is kept: what is appended to it may begin with `and`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    text: String,
    pub(super) expr: Expr,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Located<String>,
    pub(super) file: PathBuf,
    pub(super) description: String,
    /// `None`: the rule was never defined, only changed.
    pub(super) condition: Option<Condition>,
    pub(super) output: String,
    pub(super) priority: String,
    pub(super) tags: Vec<String>,
    pub(super) enabled: bool,
    pub(super) source: String,
    pub(super) exceptions: Vec<Exception>,
}

/// Where a rule does not hold, as Falco has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exception {
    pub(super) name: String,
    pub(super) fields: Option<Value>,
    pub(super) comps: Option<Value>,
    #[serde(default)]
    pub(super) values: Vec<Value>,
}

/// A word, or a list of such.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Word(String),
    List(Vec<Value>),
}

/// An item of a file: a list, a macro, a rule, or what the engine must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    list: Option<Located<String>>,
    #[serde(rename = "macro")]
    macro_name: Option<Located<String>>,
    rule: Option<Located<String>>,
    items: Option<Vec<String>>,
    condition: Option<Located<String>>,
    desc: Option<String>,
    output: Option<String>,
    priority: Option<String>,
    tags: Option<Vec<String>>,
    enabled: Option<bool>,
    source: Option<String>,
    exceptions: Option<Vec<Exception>>,
    #[serde(default)]
    append: bool,
    #[serde(rename = "override", default)]
    overrides: BTreeMap<String, String>,
    required_engine_version: Option<IgnoredAny>,
    required_plugin_versions: Option<IgnoredAny>,
    warn_evttypes: Option<IgnoredAny>,
    #[serde(rename = "skip-if-unknown-filter")]
    skip_if_unknown_filter: Option<IgnoredAny>,
    capture: Option<IgnoredAny>,
    capture_duration: Option<IgnoredAny>,
}

impl Files {
    /// Reads one more file.
    pub(super) fn add(&mut self, source: &FalcoSource) -> Result<(), FalcoError> {
        let file = source.file.as_path();
        let empty = source.text.lines().all(|line| {
            let line = line.trim();
            line.is_empty() || line.starts_with('#') || line == "---"
        });
        let text = if empty { "[]" } else { source.text.as_str() };
        let items: Vec<Item> = yaml::parse(file, text).map_err(guide)?;
        let mut ignored = BTreeSet::new();
        for item in items {
            ignored.extend(item.ignored());
            self.take(item, file)?;
        }
        let place = file.display();
        self.ignored.extend(
            ignored
                .into_iter()
                .map(|key| format!("{place}: `{key}` has no meaning here")),
        );
        Ok(())
    }

    /// All rules, in the order of their definition.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    fn take(&mut self, mut item: Item, file: &Path) -> Result<(), FalcoError> {
        if let Some(name) = item.list.take() {
            self.list(name, item);
            Ok(())
        } else if let Some(name) = item.macro_name.take() {
            self.define(&name, &item, file)
        } else if let Some(name) = item.rule.take() {
            self.rule(name, item, file)
        } else {
            Ok(())
        }
    }

    fn list(&mut self, name: Located<String>, item: Item) {
        let appends = item.appends("items");
        let items = item.items.unwrap_or_default();
        let words = items.iter().map(|text| self::item(text));
        let list = self.definitions.lists.entry(name.value).or_default();
        if !appends {
            list.clear();
        }
        list.extend(words);
    }

    fn define(&mut self, name: &Located<String>, item: &Item, file: &Path) -> Result<(), FalcoError> {
        let Some(written) = &item.condition else {
            let problem = Problem::new(
                format!("the macro `{}` has no condition", name.value.escape_debug()),
                "add `condition:`",
            );
            return Err(problem.at(file, name));
        };
        let appends = item.appends("condition");
        let former = self.definitions.macros.remove(&name.value);
        if appends && former.is_none() {
            let (place, name) = (file.display(), name.value.escape_debug());
            let line =
                format!("{place}: the macro `{name}` is appended to, and no file that was given defines it");
            self.ignored.push(line);
            return Ok(());
        }
        let condition = Condition::new(former.filter(|_| appends), written, file)?;
        self.definitions.macros.insert(name.value.clone(), condition);
        Ok(())
    }

    fn rule(&mut self, name: Located<String>, mut item: Item, file: &Path) -> Result<(), FalcoError> {
        let known = self.rules.iter().position(|rule| rule.name.value == name.value);
        let adds = item.append || !item.overrides.is_empty();
        match known.and_then(|at| self.rules.get_mut(at)) {
            Some(rule) if adds || item.condition.is_none() => rule.change(&item, file),
            Some(rule) => {
                let mut anew = Rule::new(name, file);
                anew.change(&item, file)?;
                *rule = anew;
                Ok(())
            }
            None => {
                if adds {
                    // An addition to what a file defines that was not given.
                    item.condition = None;
                }
                let mut rule = Rule::new(name, file);
                rule.change(&item, file)?;
                self.rules.push(rule);
                Ok(())
            }
        }
    }
}

impl Item {
    fn appends(&self, key: &str) -> bool {
        self.append || self.overrides.get(key).is_some_and(|how| how == "append")
    }

    /// Keys that are read and not used.
    fn ignored(&self) -> Vec<&'static str> {
        let keys = [
            ("required_engine_version", self.required_engine_version.is_some()),
            (
                "required_plugin_versions",
                self.required_plugin_versions.is_some(),
            ),
            ("warn_evttypes", self.warn_evttypes.is_some()),
            ("skip-if-unknown-filter", self.skip_if_unknown_filter.is_some()),
            ("capture", self.capture.is_some()),
            ("capture_duration", self.capture_duration.is_some()),
        ];
        keys.iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(key, _)| *key)
            .collect()
    }
}

impl Rule {
    fn new(name: Located<String>, file: &Path) -> Self {
        Self {
            name,
            file: file.to_owned(),
            description: String::new(),
            condition: None,
            output: String::new(),
            priority: String::new(),
            tags: Vec::new(),
            enabled: true,
            source: "syscall".to_owned(),
            exceptions: Vec::new(),
        }
    }

    /// With what `item` says; what it does not say stays.
    fn change(&mut self, item: &Item, file: &Path) -> Result<(), FalcoError> {
        let appends = |key: &str| item.appends(key);
        if let Some(written) = &item.condition {
            let former = self.condition.take().filter(|_| appends("condition"));
            self.condition = Some(Condition::new(former, written, file)?);
        }
        text(&mut self.output, item.output.as_ref(), appends("output"));
        text(&mut self.description, item.desc.as_ref(), appends("desc"));
        text(&mut self.priority, item.priority.as_ref(), false);
        text(&mut self.source, item.source.as_ref(), false);
        self.enabled = item.enabled.unwrap_or(self.enabled);
        if let Some(tags) = &item.tags {
            if !appends("tags") {
                self.tags.clear();
            }
            self.tags.extend(tags.iter().cloned());
        }
        if let Some(exceptions) = &item.exceptions {
            if !appends("exceptions") {
                self.exceptions.clear();
            }
            for exception in exceptions {
                self.except(exception);
            }
        }
        Ok(())
    }

    /// One of a name that is known adds values to it.
    fn except(&mut self, exception: &Exception) {
        let known = self
            .exceptions
            .iter_mut()
            .find(|known| known.name == exception.name);
        match known {
            Some(known) => known.values.extend(exception.values.iter().cloned()),
            None => self.exceptions.push(exception.clone()),
        }
    }
}

fn text(own: &mut String, given: Option<&String>, appends: bool) {
    match given {
        Some(given) if appends => {
            own.push(' ');
            own.push_str(given);
        }
        Some(given) => own.clone_from(given),
        None => {}
    }
}

impl Condition {
    fn new(former: Option<Self>, written: &Located<String>, file: &Path) -> Result<Self, FalcoError> {
        let text = match former {
            Some(former) => format!("{} {}", former.text, written.value),
            None => written.value.clone(),
        };
        let expr = parse(&text).map_err(|problem| problem.at(file, written))?;
        Ok(Self { text, expr })
    }
}

/// The YAML is shared with the configuration; its advice is not.
fn guide(mut error: yaml::YamlError) -> yaml::YamlError {
    if error.help.contains("agent config default") {
        "a file of Falco's rules is a list of `- rule:`, `- macro:` and `- list:`"
            .clone_into(&mut error.help);
    }
    error
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Word(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
                Ok(Value::Word(flag.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Word(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
                Ok(Value::Word(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
                Ok(Value::Word(number.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
