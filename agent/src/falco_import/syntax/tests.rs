use super::*;

fn check(text: &str) -> Check {
    match parse(text) {
        Ok(Expr::Check(check)) => check,
        other => panic!("{text}: {other:?}"),
    }
}

fn values(text: &str) -> Vec<String> {
    check(text).values.into_iter().map(|word| word.text).collect()
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    let whole = parse("a or not b and (c or d)").unwrap();
    let name = |name: &str| Expr::Macro(name.to_owned());
    let inner = Expr::Any(vec![name("c"), name("d")]);
    let not = Expr::Not(Box::new(name("b")));
    assert_eq!(whole, Expr::Any(vec![name("a"), Expr::All(vec![not, inner])]));
}

#[test]
fn values_are_bare_or_quoted_and_operators_may_touch_them() {
    assert_eq!(values("proc.name!=\"sshd\""), ["sshd"]);
    assert_eq!(
        values("proc.pname in (runc:[0:PARENT], 'a b', exe,)"),
        ["runc:[0:PARENT]", "a b", "exe"]
    );
    assert_eq!(
        values(r#"proc.cmdline startswith "sh -c \"x\"""#),
        ["sh -c \"x\""]
    );
    assert_eq!(values("proc.name in shells"), ["shells"]);
    assert_eq!(check("fd.num>=0").operator, Operator::GreaterEqual);
    assert_eq!(check("proc.pname exists").operator, Operator::Exists);
    let ancestor = check("proc.aname[2]=x");
    assert_eq!(
        (ancestor.field.as_str(), ancestor.argument.as_deref()),
        ("proc.aname", Some("2"))
    );
    assert_eq!(check("tolower(proc.name) = x").transformers, ["tolower"]);
    assert_eq!(
        check("proc.name = val(proc.pname)").values[0].kind,
        WordKind::Field
    );
}

#[test]
fn what_is_malformed_is_told_with_what_stands_there() {
    for (text, reason) in [
        ("", "has the end where a field or a macro"),
        ("proc.name", "where an operator"),
        ("proc.name = ", "the end where a value"),
        ("(a and b", "where `)`"),
        ("a b", "`b` where `and`, `or` or the end"),
        ("proc.name in (a b)", "`b)` where `)`"),
        ("proc.name = \"x", "where a text with its end"),
        ("proc.aname[2 = x", "where `]`"),
        ("a and or b", "`or b`"),
    ] {
        let problem = parse(text).unwrap_err();
        assert!(problem.reason.contains(reason), "{text}: {}", problem.reason);
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |count: usize| format!("{}a{}", "(".repeat(count), ")".repeat(count));
    assert!(parse(&nested(63)).is_ok() && parse(&nested(64)).is_err());
    assert!(parse(&"not ".repeat(100_000)).is_err());
    assert!(parse(&format!("{}a", "not ".repeat(80))).is_err());
}
