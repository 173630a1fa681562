//! Falco's rules in the language of rules of users: what `agent rules import-falco` prints.
//!
//! Files are read one after the other, later ones append and override. Of each rule macros and lists are expanded, then it is told for each
//! of our kinds of events what its condition says there (`deed`, `field`, `compare`). What has no counterpart is left out only where
//! that makes the rule narrower, or loses an exception that says more than that one thing; else the rule is not translated (`logic`).
//! What comes out is compiled like any file of rules before it is printed.
//!
//! Bounded: bytes, nesting and expanded size of conditions; see the constants. Pure: whoever calls reads the files.

mod compare;
mod deed;
mod error;
mod exception;
mod expand;
mod field;
mod file;
mod logic;
mod network;
mod report;
mod rule;
mod summary;
mod syntax;
mod text;
mod write;

pub use error::FalcoError;
pub use report::{Note, Report, Shift, Verdict};

use crate::user_rules::MAX_RULES;
use file::Files;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A file of Falco's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FalcoSource {
    pub file: PathBuf,
    pub text: String,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// A file of rules of users. Without rules when nothing could be translated.
    pub rules: String,
    /// Of each rule, in the order of the files.
    pub reports: Vec<Report>,
    /// What was read and has no meaning here, such as required versions.
    pub ignored: Vec<String>,
}

/// Translates files; later ones append to earlier ones and override them.
///
/// # Errors
/// The first thing that is malformed, with its place: YAML, the syntax of a condition, macros and lists that contain themselves
/// or grow without bounds.
pub fn import(sources: &[FalcoSource]) -> Result<Import, FalcoError> {
    let mut files = Files::default();
    for source in sources {
        files.add(source)?;
    }
    let mut taken = BTreeSet::new();
    let mut blocks = Vec::new();
    let mut reports = Vec::new();
    for falco in files.rules() {
        let mut translated = rule::translate(falco, &files.definitions, &mut taken)?;
        if blocks.len() + translated.blocks.len() > MAX_RULES {
            translated = translated.refused(format!(
                "there are {MAX_RULES} rules already, more are not loaded"
            ));
        }
        blocks.append(&mut translated.blocks);
        reports.push(translated.report);
    }
    Ok(Import {
        rules: write::file(&blocks),
        reports,
        ignored: files.ignored,
    })
}

#[cfg(test)]
mod tests;
