//! Falco's exceptions: fields, operators and values, of which one line must match.

use super::error::Problem;
use super::file::{Exception, Value};
use super::syntax::{Check, Expr, Operator, Word, item};

/// That no line of the exception matches; `None`: it has no lines.
pub(super) fn excepted(exception: &Exception) -> Result<Option<Expr>, Problem> {
    let name = exception.name.escape_debug().to_string();
    let Some(fields) = &exception.fields else {
        let reason = format!("the exception `{name}` has no fields");
        return Err(Problem::new(reason, "give the file that defines it, too"));
    };
    let lines: Vec<Expr> = match fields {
        Value::Word(field) => one_field(field, exception, &name)?.into_iter().collect(),
        Value::List(fields) => {
            let fields = words(fields).ok_or_else(|| malformed(&name))?;
            let operators = operators(exception.comps.as_ref(), fields.len(), &name)?;
            let lines = exception.values.iter();
            lines
                .map(|line| one_line(line, &fields, &operators, &name))
                .collect::<Result<_, _>>()?
        }
    };
    Ok((!lines.is_empty()).then(|| Expr::Not(Box::new(Expr::Any(lines)))))
}

/// A single field is compared with all values at once, by `in` unless something else is said.
fn one_field(field: &str, exception: &Exception, name: &str) -> Result<Option<Expr>, Problem> {
    let operator = match &exception.comps {
        None => Operator::In,
        Some(Value::Word(word)) => operator(word, name)?,
        Some(Value::List(_)) => return Err(malformed(name)),
    };
    let mut values = Vec::new();
    for value in &exception.values {
        match value {
            Value::Word(word) => values.push(item(word)),
            Value::List(list) => {
                let list = words(list).ok_or_else(|| malformed(name))?;
                values.extend(list.iter().map(|word| item(word)));
            }
        }
    }
    Ok((!values.is_empty()).then(|| check(field, operator, values)))
}

fn one_line(line: &Value, fields: &[String], operators: &[Operator], name: &str) -> Result<Expr, Problem> {
    let Value::List(values) = line else {
        return Err(malformed(name));
    };
    if values.len() != fields.len() {
        let reason = format!(
            "the exception `{name}` has {} fields, and a line of {} values",
            fields.len(),
            values.len()
        );
        return Err(Problem::new(reason, "give each field a value in each line"));
    }
    let columns = fields.iter().zip(operators).zip(values);
    let checks = columns.map(|((field, operator), value)| -> Result<Expr, Problem> {
        let values = match value {
            Value::Word(word) => vec![item(word)],
            Value::List(list) => {
                let list = words(list).ok_or_else(|| malformed(name))?;
                list.iter().map(|word| item(word)).collect()
            }
        };
        Ok(check(field, *operator, values))
    });
    Ok(Expr::All(checks.collect::<Result<_, _>>()?))
}

fn operators(comps: Option<&Value>, count: usize, name: &str) -> Result<Vec<Operator>, Problem> {
    let Some(comps) = comps else {
        return Ok(vec![Operator::Equal; count]);
    };
    let written = match comps {
        Value::List(list) => words(list).filter(|list| list.len() == count),
        Value::Word(_) => None,
    };
    let written = written.ok_or_else(|| malformed(name))?;
    written.iter().map(|word| operator(word, name)).collect()
}

fn operator(word: &str, name: &str) -> Result<Operator, Problem> {
    Operator::named(word).ok_or_else(|| {
        let reason = format!(
            "the exception `{name}` has the operator `{}`, which does not exist",
            word.escape_debug()
        );
        Problem::new(reason, "use one of Falco's operators")
    })
}

fn malformed(name: &str) -> Problem {
    Problem::new(
        format!("the exception `{name}` has lists where words are expected, or too few or many"),
        "give as many operators and values as fields",
    )
}

fn words(list: &[Value]) -> Option<Vec<String>> {
    let word = |value: &Value| match value {
        Value::Word(word) => Some(word.clone()),
        Value::List(_) => None,
    };
    list.iter().map(word).collect()
}

fn check(written: &str, operator: Operator, values: Vec<Word>) -> Expr {
    let (field, argument) = match written.split_once('[') {
        Some((field, argument)) => (field, Some(argument.trim_end_matches(']').to_owned())),
        None => (written, None),
    };
    Expr::Check(Check {
        field: field.to_owned(),
        argument,
        transformers: Vec::new(),
        operator,
        values,
    })
}

#[cfg(test)]
mod tests {
    use super::super::syntax::parse;
    use super::*;

    fn of(fields: &str, comps: &str, values: &str) -> Result<Option<Expr>, Problem> {
        let text = format!("{{name: x, fields: {fields}, {comps} values: {values}}}");
        let exception: Exception = crate::config::yaml::parse(std::path::Path::new("x"), &text).unwrap();
        excepted(&exception)
    }

    fn same(exception: Result<Option<Expr>, Problem>, condition: &str) {
        assert_eq!(exception.unwrap(), Some(parse(condition).unwrap()), "{condition}");
    }

    #[test]
    fn lines_are_alternatives_and_fields_of_a_line_go_together() {
        let Some(Expr::Not(inner)) = of(
            "[proc.name, fd.name]",
            "comps: [=, startswith],",
            "[[a, /b], [c, /d]]",
        )
        .unwrap() else {
            panic!("an exception")
        };
        let expected =
            parse("(proc.name = a and fd.name startswith /b) or (proc.name = c and fd.name startswith /d)");
        assert_eq!(*inner, expected.unwrap());
        assert_eq!(of("proc.name", "", "[]").unwrap(), None);
    }

    #[test]
    fn one_field_is_compared_with_all_values() {
        let inner = |exception: Result<Option<Expr>, Problem>| match exception {
            Ok(Some(Expr::Not(inner))) => match *inner {
                Expr::Any(mut lines) => Ok(lines.pop()),
                other => panic!("{other:?}"),
            },
            other => other,
        };
        same(inner(of("proc.name", "", "[a, b]")), "proc.name in (a, b)");
        same(
            inner(of("'proc.aname[2]'", "comps: startswith,", "[a]")),
            "proc.aname[2] startswith a",
        );
    }

    #[test]
    fn lines_that_do_not_fit_are_told() {
        for (fields, comps, values) in [
            ("[proc.name, fd.name]", "", "[[a]]"),
            ("[proc.name, fd.name]", "", "[a]"),
            ("[proc.name, fd.name]", "comps: [=],", "[[a, b]]"),
            ("proc.name", "comps: like,", "[a]"),
        ] {
            let problem = of(fields, comps, values).unwrap_err();
            assert!(
                problem.reason.starts_with("the exception `x` has"),
                "{}",
                problem.reason
            );
        }
    }
}
