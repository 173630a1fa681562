//! The effective configuration as YAML, each value with where it was written if that is asked for.

use super::Loaded;
use super::placed::{Node, Shape};
use super::yaml::{self, Segment};
use std::collections::BTreeMap;
use std::path::Path;

impl Loaded {
    /// What is in force. It holds paths of files with secrets, never what is in them.
    ///
    /// # Errors
    /// When it cannot be written as YAML.
    pub fn to_yaml(&self) -> Result<String, serde_saphyr::ser::Error> {
        // One line for each value: comments stand behind them.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        serde_saphyr::to_string_with_options(&self.raw, options)
    }

    /// As [`Self::to_yaml`], with a comment behind each value.
    ///
    /// # Errors
    /// As [`Self::to_yaml`].
    pub fn to_yaml_with_origins(&self) -> Result<String, serde_saphyr::ser::Error> {
        let text = self.to_yaml()?;
        let mut comments = BTreeMap::new();
        // It was written just now: reading it gives the lines of its values.
        if let Ok(node) = yaml::parse::<Node>(Path::new("print"), &text) {
            self.comment(&mut Vec::new(), &node, &mut comments);
        }
        let lines = (1..).zip(text.lines());
        let commented = lines.map(|(number, line)| match comments.get(&number) {
            Some(origin) => format!("{line}  # {origin}\n"),
            None => format!("{line}\n"),
        });
        Ok(commented.collect())
    }

    fn comment(&self, path: &mut Vec<Segment>, node: &Node, comments: &mut BTreeMap<u64, String>) {
        let parts: Vec<(Segment, &Node)> = match &node.shape {
            Shape::Map(entries) => entries
                .iter()
                .map(|(key, child)| (Segment::Key(key.clone()), child))
                .collect(),
            Shape::List(items) => (0..).map(Segment::Index).zip(items).collect(),
            Shape::Null | Shape::Scalar => Vec::new(),
        };
        if let Some(at) = node.at.filter(|_| parts.is_empty()) {
            comments.insert(at.line, self.origins.of(path).to_string());
        }
        for (segment, part) in parts {
            path.push(segment);
            self.comment(path, part, comments);
            path.pop();
        }
    }
}
