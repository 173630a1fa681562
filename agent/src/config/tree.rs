//! The layers laid upon each other: maps merge key by key, sinks by name, everything else replaces.

use super::origin::{Extent, Origin, Origins};
use super::placed::{Node, Shape};
use super::validate::Problem;
use super::yaml::{self, Position, Segment, YamlError};
use super::{ConfigError, RawConfig};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The list whose entries have names.
const NAMED: &str = "sinks";

/// The configuration with all that was laid upon the defaults so far.
#[derive(Debug)]
pub(super) struct Tree {
    value: Value,
    origins: Origins,
}

impl Tree {
    /// Nothing but defaults.
    pub(super) fn defaults() -> Self {
        Self {
            // Strings, numbers and paths without bytes outside UTF-8: this cannot fail.
            value: serde_json::to_value(RawConfig::default()).unwrap_or_default(),
            origins: Origins::default(),
        }
    }

    /// Lays a file upon it. A key without a value says nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or holds unknown keys or wrong types. What makes sense only together with other
    /// files is checked later.
    pub(super) fn lay_file(&mut self, file: &Path) -> Result<(), YamlError> {
        let text = yaml::read(file)?;
        let raw: RawConfig = yaml::parse(file, &text)?;
        let node: Node = yaml::parse(file, &text)?;
        let written = serde_json::to_value(raw).map_err(|error| YamlError {
            file: file.to_owned(),
            position: None,
            reason: error.to_string(),
            help: "write paths in UTF-8".to_owned(),
        })?;
        let mut layer = Layer {
            file: file.into(),
            origins: &mut self.origins,
        };
        layer.lay(&mut Vec::new(), &mut self.value, &node, &written);
        Ok(())
    }

    /// Replaces the value at `path`.
    ///
    /// # Errors
    /// When there is no such key, or the value does not fit there.
    pub(super) fn set(&mut self, path: &[&str], value: Value, origin: Origin) -> Result<(), String> {
        let mut changed = self.value.clone();
        *find(&mut changed, path)? = value;
        if let Err(error) = RawConfig::deserialize(&changed) {
            return Err(error.to_string());
        }
        let path: Vec<Segment> = path.iter().map(|key| Segment::Key((*key).to_owned())).collect();
        self.value = changed;
        self.origins.forget_below(&path);
        self.origins.note(&path, origin, Extent::Whole);
        Ok(())
    }

    /// Adds an entry to the list of sinks.
    pub(super) fn add_sink(&mut self, sink: Value, origin: Origin) {
        let sinks = &mut self.value[NAMED];
        if !sinks.is_array() {
            *sinks = Value::Array(Vec::new());
        }
        let Some(list) = sinks.as_array_mut() else { return };
        let path = [Segment::Key(NAMED.to_owned()), Segment::Index(list.len())];
        list.push(sink);
        self.origins.note(&path, origin, Extent::Whole);
    }

    /// All layers as a configuration that was written at once.
    pub(super) fn read(&self) -> Result<RawConfig, ConfigError> {
        RawConfig::deserialize(&self.value).map_err(|error| ConfigError::Value {
            key: "configuration".to_owned(),
            reason: error.to_string(),
            help: "keys are those of `agent config default`".to_owned(),
        })
    }

    /// What is wrong with a value, where it was written.
    pub(super) fn explain(&self, problem: Problem) -> ConfigError {
        let Problem { path, reason, help } = problem;
        let key = dotted(&path);
        match self.origins.near(&path) {
            Origin::File { file, position } => ConfigError::File(YamlError {
                file: file.to_path_buf(),
                position,
                reason: format!("{key}: {reason}"),
                help,
            }),
            Origin::Variable(variable) => ConfigError::Environment {
                variable,
                reason,
                help,
            },
            Origin::Flag(flag) => ConfigError::Value {
                key: flag.to_owned(),
                reason,
                help,
            },
            Origin::Default => ConfigError::Value { key, reason, help },
        }
    }

    pub(super) fn into_origins(self) -> Origins {
        self.origins
    }
}

/// One file on its way into the tree.
struct Layer<'a> {
    file: Arc<Path>,
    origins: &'a mut Origins,
}

impl Layer<'_> {
    /// `node` says what was written, `written` how it was understood, all defaults included.
    fn lay(&mut self, path: &mut Vec<Segment>, base: &mut Value, node: &Node, written: &Value) {
        match (&node.shape, written) {
            (Shape::Null, _) => {}
            (Shape::Map(entries), Value::Object(values)) => {
                if !base.is_object() {
                    *base = Value::Object(serde_json::Map::new());
                }
                self.note(path, node.at, Extent::Touched);
                for (key, child) in entries {
                    let Some(value) = values.get(key) else { continue };
                    path.push(Segment::Key(key.clone()));
                    self.lay(path, &mut base[key], child, value);
                    path.pop();
                }
            }
            (Shape::List(nodes), Value::Array(values)) if is_named(path) => {
                self.note(path, node.at, Extent::Touched);
                self.lay_named(path, base, nodes, values);
            }
            _ => {
                *base = written.clone();
                self.origins.forget_below(path);
                self.note_all(path, node);
            }
        }
    }

    /// An entry joins the one of its name from earlier files. Two of one name in one file are kept: that is an error,
    /// and found with the others.
    fn lay_named(&mut self, path: &mut Vec<Segment>, base: &mut Value, nodes: &[Node], values: &[Value]) {
        if !base.is_array() {
            *base = Value::Array(Vec::new());
        }
        let Some(list) = base.as_array_mut() else { return };
        let earlier: Vec<Value> = list.iter().map(|entry| entry["name"].clone()).collect();
        let mut taken = HashSet::new();
        for (node, value) in nodes.iter().zip(values) {
            let same = earlier.iter().position(|name| *name == value["name"]);
            let index = same.filter(|index| taken.insert(*index)).unwrap_or(list.len());
            if index == list.len() {
                list.push(Value::Null);
            }
            path.push(Segment::Index(index));
            self.lay(path, &mut list[index], node, value);
            path.pop();
        }
    }

    fn note(&mut self, path: &[Segment], position: Option<Position>, extent: Extent) {
        let file = Arc::clone(&self.file);
        self.origins.note(path, Origin::File { file, position }, extent);
    }

    fn note_all(&mut self, path: &mut Vec<Segment>, node: &Node) {
        self.note(path, node.at, Extent::Whole);
        let parts: Vec<(Segment, &Node)> = match &node.shape {
            Shape::Null | Shape::Scalar => Vec::new(),
            Shape::List(items) => (0..).map(Segment::Index).zip(items).collect(),
            Shape::Map(entries) => entries
                .iter()
                .map(|(key, child)| (Segment::Key(key.clone()), child))
                .collect(),
        };
        for (segment, part) in parts {
            path.push(segment);
            self.note_all(path, part);
            path.pop();
        }
    }
}

fn is_named(path: &[Segment]) -> bool {
    matches!(path, [Segment::Key(key)] if key == NAMED)
}

fn find<'a>(tree: &'a mut Value, path: &[&str]) -> Result<&'a mut Value, String> {
    let mut node = tree;
    for key in path {
        let known: Vec<String> = node
            .as_object()
            .map_or_else(Vec::new, |object| object.keys().cloned().collect());
        node = node.get_mut(*key).ok_or_else(|| {
            yaml::suggest(key, known.iter().map(String::as_str)).map_or_else(
                || format!("there is no key `{key}`"),
                |near| format!("there is no key `{key}`; did you mean `{}`?", near.to_uppercase()),
            )
        })?;
    }
    Ok(node)
}

fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => text.push_str(&format!(".{key}")),
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
