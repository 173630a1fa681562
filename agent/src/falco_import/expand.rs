//! Macros and lists, put where they are named.

use super::file::Definitions;
use super::syntax::{Check, Expr, Word, WordKind};
use std::fmt;

/// Comparisons and values of one condition when everything is expanded. The longest that is known has 700.
const MAX_PARTS: usize = 20_000;
/// Macros within macros, and lists within lists.
const MAX_DEPTH: usize = 32;
/// Brackets within each other when everything is expanded: what follows recurses over them.
const MAX_NESTING: usize = 200;

/// Why a condition cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No file that was given defines it.
    Undefined(String),
    /// `a → b → a`
    Cycle(String),
    TooLarge,
    TooDeep,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined(name) => write!(f, "no file defines the macro `{}`", name.escape_debug()),
            Self::Cycle(path) => write!(f, "macros or lists contain themselves: {}", path.escape_debug()),
            Self::TooLarge => write!(
                f,
                "the condition has more than {MAX_PARTS} comparisons and values when macros and lists are expanded"
            ),
            Self::TooDeep => write!(
                f,
                "more than {MAX_DEPTH} macros or lists, or {MAX_NESTING} brackets, are within each other"
            ),
        }
    }
}

/// The condition without macros, its lists in full.
pub(super) fn expand(condition: &Expr, definitions: &Definitions) -> Result<Expr, Trouble> {
    let mut expansion = Expansion {
        definitions,
        left: MAX_PARTS,
        within: Vec::new(),
        nesting: 0,
    };
    expansion.expression(condition)
}

struct Expansion<'a> {
    definitions: &'a Definitions,
    left: usize,
    /// Names that are being expanded.
    within: Vec<&'a str>,
    nesting: usize,
}

impl<'a> Expansion<'a> {
    fn expression(&mut self, expr: &Expr) -> Result<Expr, Trouble> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Trouble::TooDeep);
        }
        let expanded = match expr {
            Expr::All(parts) => Expr::All(self.each(parts)?),
            Expr::Any(parts) => Expr::Any(self.each(parts)?),
            Expr::Not(inner) => Expr::Not(Box::new(self.expression(inner)?)),
            Expr::Macro(name) => self.named(name)?,
            Expr::Check(check) => Expr::Check(self.check(check)?),
        };
        self.nesting -= 1;
        Ok(expanded)
    }

    fn each(&mut self, parts: &[Expr]) -> Result<Vec<Expr>, Trouble> {
        parts.iter().map(|part| self.expression(part)).collect()
    }

    fn named(&mut self, name: &str) -> Result<Expr, Trouble> {
        let definitions = self.definitions;
        let Some((name, condition)) = definitions.macros.get_key_value(name) else {
            return Err(Trouble::Undefined(name.to_owned()));
        };
        self.enter(name)?;
        let expanded = self.expression(&condition.expr)?;
        self.within.pop();
        Ok(expanded)
    }

    fn check(&mut self, check: &Check) -> Result<Check, Trouble> {
        self.spend()?;
        let mut values = Vec::new();
        self.words(&check.values, &mut values)?;
        Ok(Check {
            values,
            ..check.clone()
        })
    }

    fn words(&mut self, words: &[Word], into: &mut Vec<Word>) -> Result<(), Trouble> {
        let definitions = self.definitions;
        for word in words {
            self.spend()?;
            let list = definitions
                .lists
                .get_key_value(&word.text)
                .filter(|_| word.kind == WordKind::Bare);
            match list {
                Some((name, items)) => {
                    self.enter(name)?;
                    self.words(items, into)?;
                    self.within.pop();
                }
                None => into.push(word.clone()),
            }
        }
        Ok(())
    }

    fn enter(&mut self, name: &'a str) -> Result<(), Trouble> {
        if self.within.contains(&name) {
            return Err(Trouble::Cycle(format!("{} → {name}", self.within.join(" → "))));
        }
        if self.within.len() >= MAX_DEPTH {
            return Err(Trouble::TooDeep);
        }
        self.within.push(name);
        Ok(())
    }

    fn spend(&mut self) -> Result<(), Trouble> {
        self.left = self.left.checked_sub(1).ok_or(Trouble::TooLarge)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::file::Files;
    use super::super::{FalcoSource, syntax};
    use super::*;

    fn expanded(files: &str, condition: &str) -> Result<Expr, Trouble> {
        let mut all = Files::default();
        let source = FalcoSource {
            file: "rules.yaml".into(),
            text: files.to_owned(),
        };
        all.add(&source).unwrap();
        expand(&syntax::parse(condition).unwrap(), &all.definitions)
    }

    #[test]
    fn macros_and_lists_are_put_where_they_are_named() {
        let files = "- {list: shells, items: [sh, bash]}\n- {list: programs, items: [shells, 'nc', '\"a b\"']}\n\
                     - {macro: started, condition: evt.type = execve}\n- {macro: told, condition: started and proc.name in (programs)}\n";
        let expected = "evt.type = execve and proc.name in (sh, bash, nc, \"a b\")";
        assert_eq!(expanded(files, "told").unwrap(), syntax::parse(expected).unwrap());
        assert_eq!(expanded("", "a and b"), Err(Trouble::Undefined("a".to_owned())));
    }

    #[test]
    fn cycles_are_told_by_their_path() {
        let files = "- {macro: a, condition: x.y = 1 and b}\n- {macro: b, condition: not a}\n";
        assert_eq!(
            expanded(files, "a").unwrap_err().to_string(),
            "macros or lists contain themselves: a → b → a"
        );
        let lists = "- {list: a, items: [b]}\n- {list: b, items: [x, a]}\n";
        assert_eq!(
            expanded(lists, "proc.name in (a)"),
            Err(Trouble::Cycle("a → b → a".to_owned()))
        );
    }

    #[test]
    fn what_doubles_at_each_step_ends() {
        let mut files = "- {macro: m0, condition: proc.name = x}\n- {list: l0, items: [x]}\n".to_owned();
        for step in 1..30 {
            let former = step - 1;
            files += &format!("- {{macro: m{step}, condition: m{former} or m{former}}}\n");
            files += &format!("- {{list: l{step}, items: [l{former}, l{former}]}}\n");
        }
        assert_eq!(expanded(&files, "m29"), Err(Trouble::TooLarge));
        assert_eq!(expanded(&files, "proc.name in (l29)"), Err(Trouble::TooLarge));
        let deep: String = (1..40)
            .map(|step| format!("- {{macro: d{step}, condition: not d{}}}\n", step - 1))
            .collect();
        assert_eq!(expanded(&deep, "d39"), Err(Trouble::TooDeep));
    }
}
