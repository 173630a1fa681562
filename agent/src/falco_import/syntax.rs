//! The language of conditions: `evt.type in (open, openat) and not (fd.name startswith /tmp or trusted)`.

use super::error::Problem;

/// Longest condition, bytes: four times the longest that is known.
const MAX_BYTES: usize = 64 << 10;
/// Brackets and `not` within each other.
const MAX_NESTING: usize = 64;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Macro(String),
    Check(Check),
}

/// A field that is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) field: String,
    /// `2` of `proc.aname[2]`.
    pub(super) argument: Option<String>,
    /// `tolower` of `tolower(proc.name)`, outermost first.
    pub(super) transformers: Vec<String>,
    pub(super) operator: Operator,
    pub(super) values: Vec<Word>,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) kind: WordKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordKind {
    /// May be the name of a list.
    Bare,
    Quoted,
    /// `val(proc.pname)`: another field.
    Field,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Intersects,
    PathPrefix,
    Contains,
    ContainsAnyCase,
    StartsWith,
    EndsWith,
    Glob,
    GlobAnyCase,
    Regex,
    /// Of bytes.
    Bytes,
}

/// Longer ones first.
const SYMBOLS: [(&str, Operator); 7] = [
    ("<=", Operator::LessEqual),
    (">=", Operator::GreaterEqual),
    ("!=", Operator::NotEqual),
    ("==", Operator::Equal),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];
const WORDS: [(&str, Operator); 13] = [
    ("exists", Operator::Exists),
    ("in", Operator::In),
    ("intersects", Operator::Intersects),
    ("pmatch", Operator::PathPrefix),
    ("contains", Operator::Contains),
    ("icontains", Operator::ContainsAnyCase),
    ("startswith", Operator::StartsWith),
    ("endswith", Operator::EndsWith),
    ("glob", Operator::Glob),
    ("iglob", Operator::GlobAnyCase),
    ("regex", Operator::Regex),
    ("bcontains", Operator::Bytes),
    ("bstartswith", Operator::Bytes),
];
const TRANSFORMERS: [&str; 6] = ["tolower", "toupper", "basename", "len", "b64", "val"];

impl Operator {
    /// The operator that is written so.
    pub(super) fn named(text: &str) -> Option<Self> {
        let mut all = SYMBOLS.iter().chain(&WORDS);
        all.find(|(name, _)| *name == text).map(|(_, operator)| *operator)
    }

    fn takes_a_list(self) -> bool {
        matches!(self, Self::In | Self::Intersects | Self::PathPrefix)
    }
}

impl Check {
    /// For people: `proc.aname[2] …`.
    pub(super) fn name(&self) -> String {
        match &self.argument {
            Some(argument) => format!("{}[{argument}]", self.field),
            None => self.field.clone(),
        }
    }
}

/// Parses a condition.
pub(super) fn parse(text: &str) -> Result<Expr, Problem> {
    if text.len() > MAX_BYTES {
        let reason = format!("the condition has {} bytes, more than {MAX_BYTES}", text.len());
        return Err(Problem::new(reason, "split it into macros"));
    }
    let mut parser = Parser {
        rest: text,
        nesting: 0,
    };
    let condition = parser.any()?;
    parser.skip_space();
    if parser.rest.is_empty() {
        Ok(condition)
    } else {
        Err(parser.unexpected("`and`, `or` or the end"))
    }
}

struct Parser<'a> {
    rest: &'a str,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.all()?];
        while self.eat_word("or") {
            parts.push(self.all()?);
        }
        Ok(single_or(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, Problem> {
        let mut parts = vec![self.one()?];
        while self.eat_word("and") {
            parts.push(self.one()?);
        }
        Ok(single_or(parts, Expr::All))
    }

    fn one(&mut self) -> Result<Expr, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Problem::new(
                format!("more than {MAX_NESTING} brackets and `not` within each other"),
                "split the condition into macros",
            ));
        }
        let one = if self.eat("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else if self.eat_word("not") {
            Expr::Not(Box::new(self.one()?))
        } else {
            self.check()?
        };
        self.nesting -= 1;
        Ok(one)
    }

    fn check(&mut self) -> Result<Expr, Problem> {
        let mut transformers = Vec::new();
        let mut name = self.name()?;
        while TRANSFORMERS.contains(&name) && self.eat("(") {
            transformers.push(name.to_owned());
            name = self.name()?;
        }
        let argument = self.argument()?;
        for _ in &transformers {
            self.expect(")")?;
        }
        let Some(operator) = self.operator() else {
            if transformers.is_empty() && argument.is_none() && !name.contains('.') {
                return Ok(Expr::Macro(name.to_owned()));
            }
            return Err(self.unexpected("an operator"));
        };
        let values = match operator {
            Operator::Exists => Vec::new(),
            operator if operator.takes_a_list() => self.values()?,
            _ => vec![self.value()?],
        };
        Ok(Expr::Check(Check {
            field: name.to_owned(),
            argument,
            transformers,
            operator,
            values,
        }))
    }

    fn name(&mut self) -> Result<&'a str, Problem> {
        self.skip_space();
        let before = self.rest;
        let name = self.take_while(is_part_of_a_name);
        if name.is_empty() || matches!(name, "and" | "or" | "not") {
            self.rest = before;
            return Err(self.unexpected("a field or a macro"));
        }
        Ok(name)
    }

    fn argument(&mut self) -> Result<Option<String>, Problem> {
        let Some(behind) = self.rest.strip_prefix('[') else {
            return Ok(None);
        };
        let Some((inside, rest)) = behind.split_once(']') else {
            return Err(self.unexpected("`]`"));
        };
        self.rest = rest;
        Ok(Some(inside.trim().trim_matches(['"', '\'']).to_owned()))
    }

    fn operator(&mut self) -> Option<Operator> {
        self.skip_space();
        for (symbol, operator) in SYMBOLS {
            if let Some(rest) = self.rest.strip_prefix(symbol) {
                self.rest = rest;
                return Some(operator);
            }
        }
        let found = WORDS.iter().find(|(word, _)| self.eat_word(word));
        found.map(|(_, operator)| *operator)
    }

    /// In brackets, or one alone.
    fn values(&mut self) -> Result<Vec<Word>, Problem> {
        if !self.eat("(") {
            return Ok(vec![self.value()?]);
        }
        let mut values = Vec::new();
        while !self.eat(")") {
            values.push(self.value()?);
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Word, Problem> {
        self.skip_space();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let behind = &self.rest[1..];
            let Some((text, rest)) = unquote(behind, quote) else {
                return Err(self.unexpected("a text with its end"));
            };
            self.rest = rest;
            return Ok(Word {
                text,
                kind: WordKind::Quoted,
            });
        }
        let text =
            self.take_while(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '\'' | '=' | ','));
        if text.is_empty() {
            return Err(self.unexpected("a value"));
        }
        if TRANSFORMERS.contains(&text) && self.eat("(") {
            let field = self.name()?;
            self.expect(")")?;
            return Ok(Word {
                text: field.to_owned(),
                kind: WordKind::Field,
            });
        }
        Ok(Word {
            text: text.to_owned(),
            kind: WordKind::Bare,
        })
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c: char| !is_part(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn eat(&mut self, symbol: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(word) {
            Some(rest) if !rest.starts_with(is_part_of_a_name) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Problem> {
        if self.eat(symbol) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{symbol}`")))
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let rest = self.rest.trim_start();
        let near: String = rest.chars().take(30).collect();
        let found = match near.as_str() {
            "" => "the end".to_owned(),
            near => format!("`{}`", near.escape_debug()),
        };
        Problem::new(
            format!("the condition has {found} where {expected} is expected"),
            "check it with Falco's own `falco --validate`",
        )
    }
}

fn is_part_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

fn single_or(mut parts: Vec<Expr>, many: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            many(parts)
        }
    }
}

/// The text up to the quote that ends it, and what follows.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.push_str(&escaped(chars.next()?.1)),
            c if c == quote => return Some((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    None
}

/// What a backslash and this character stand for. Unknown ones stand for themselves: patterns have them.
fn escaped(c: char) -> String {
    match c {
        'n' => "\n".to_owned(),
        't' => "\t".to_owned(),
        'r' => "\r".to_owned(),
        '"' | '\'' | '\\' | '/' => c.to_string(),
        other => format!("\\{other}"),
    }
}

/// An item of a list: in quotes of its own, or as it stands.
pub(super) fn item(text: &str) -> Word {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some((text, "")) = quote.and_then(|quote| unquote(&text[1..], quote)) {
        return Word {
            text,
            kind: WordKind::Quoted,
        };
    }
    Word {
        text: text.to_owned(),
        kind: WordKind::Bare,
    }
}

#[cfg(test)]
mod tests;
