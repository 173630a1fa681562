//! `tests/golden/FORMAT/CLASS`: a line per rule. `UPDATE_GENERATED=1 cargo test -p agent --lib format::` writes them anew;
//! look at the difference, receivers have built on it.

use super::{core_pattern, samples};
use crate::format::{Format, facts};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// File name and content.
fn lines(format: Format) -> BTreeMap<String, String> {
    let ending = if format == Format::Cef { "cef" } else { "ndjson" };
    let mut files = BTreeMap::new();
    for (rule, alert) in samples() {
        let name = format!("{}.{ending}", facts::class_word(rule.class));
        let file: &mut String = files.entry(name).or_default();
        file.push_str(&released(&format.line(alert)));
        file.push('\n');
    }
    files
}

/// Another version of the agent is no other format.
fn released(line: &str) -> String {
    line.replace(facts::VERSION, "VERSION")
}

#[test]
fn every_rule_s_alert_is_its_golden_line() {
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    for format in Format::ALL {
        let folder = tree().join("tests/golden").join(format.name());
        for (name, content) in lines(format) {
            let file = folder.join(name);
            if update {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, &content).unwrap();
            }
            let stored = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(stored == content, "{} is not current", file.display());
        }
    }
}

#[test]
fn the_documentation_shows_what_is_written() {
    let documentation = std::fs::read_to_string(tree().join("docs/formats.md")).unwrap();
    for format in Format::ALL {
        let line = released(&format.line(&core_pattern()));
        assert!(
            documentation.contains(&line),
            "docs/formats.md does not show:\n{line}"
        );
    }
}
