//! Whatever is wrong with a file is told when it is read: where, why, and what to do.

use super::*;

/// The message of a rule on `exec` with this condition.
fn message(condition: &str) -> String {
    error(&rule("exec", condition, ""))
}

fn error(rules: &str) -> String {
    match compile(rules) {
        Ok(_) => panic!("no mistake: {rules}"),
        Err(error) => error.to_string(),
    }
}

/// Each condition is refused where it stands, for this reason, and with help.
fn refused(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (condition, reason) in cases {
        let message = message(condition);
        let placed = message.starts_with("shop.yaml:8:5: ") && message.contains("\n  help: ");
        if !placed || !message.contains(reason) {
            wrong.push(format!("{condition}: {message}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn names_that_are_wrong_and_types_that_do_not_fit_are_told() {
    refused(&[
        (
            "event.pth == \"x\"",
            "there is no field `event.pth` of events of kind `exec`\n  help: did you mean `path`?",
        ),
        (
            "event.access == \"write\"",
            "there is no field `event.access` of events of kind `exec`",
        ),
        ("process.tty == \"x\"", "there is no field `process.tty`"),
        (
            "container.image.tag == \"x\"",
            "there is no field `container.image.tag`",
        ),
        (
            "container.image == \"x\"",
            "container.image and \"x\" cannot be compared: object with text",
        ),
        ("proces.exe == \"x\"", "there is no variable `proces`"),
        ("event.exe == curl", "there is no variable `curl`"),
        (
            "event.exe == 7",
            "event.exe and 7 cannot be compared: text with number",
        ),
        (
            "process.uid == \"0\"",
            "process.uid and \"0\" cannot be compared: number with text",
        ),
        ("process.uid in [\"0\"]", "cannot be compared: number with text"),
        ("event.exe > 5", "cannot be compared"),
        ("event.exe == null", "event.exe is text and never null"),
        (
            "process.uid.startsWith(\"0\")",
            "`startsWith` is for text, and process.uid is number",
        ),
        ("\"x\" in event.path", "`in` asks about lists"),
    ]);
}

#[test]
fn what_is_no_condition_or_would_fail_on_events_is_told() {
    refused(&[
        ("event.exe", "a condition is true or false, not text"),
        (
            "event.ret == 0 && event.exe",
            "it is string instead of true or false",
        ),
        (
            "event.ret == 1 && event.exe.nothing()",
            "there is no function `nothing`",
        ),
        (
            "event.ret == 1 && event.exe.contains(5)",
            "fails on events of kind `exec`",
        ),
        (
            "event.exe.matches(event.path)",
            "the pattern of `matches` is not written down",
        ),
        ("event.exe.matches(\"(\")", "the pattern \"(\" cannot be used"),
        ("event.exe ==", "the condition is no CEL in its line 1"),
        ("event.exe == \"a\" &&& true", "the condition is no CEL"),
        (
            "container.labels[\"tier\"] == \"x\"",
            "lacks what it asks for: there is no `tier`",
        ),
        (
            "process.args[0] == \"x\"",
            "lacks what it asks for: a list is shorter",
        ),
        ("!event.in_image", "lacks what it asks for"),
        (
            "process.exe.exists(a, a == \"x\")",
            "a macro goes over a list, not over text",
        ),
        (
            "process.args.exists(a, process.args.exists(b, a == b))",
            "a macro inside another one",
        ),
        (
            "process.args.exists(a, a.exe == \"x\")",
            "`a` is text: it has no field `exe`",
        ),
        (
            "process.ancestors.exists(a, a.tty == \"x\")",
            "there is no field `a.tty`",
        ),
    ]);
}

#[test]
fn fields_that_one_kind_does_not_have_must_be_asked_for() {
    let on = |condition: &str| compile(&rule("exec, file_open", condition, ""));
    assert!(on("event.path == \"x\"").is_ok());
    let message = on("event.access == \"write\"").unwrap_err().to_string();
    assert!(message.contains("of events of kind `exec`"), "{message}");
    assert!(on("has(event.access) && event.access == \"write\"").is_ok());
    assert!(on("has(event.acess)").is_err());
}

/// Of a valid rule, one part is replaced by another.
fn told(cases: &[(&str, &str, &str)]) {
    let valid = rule("exec", "event.ret == 0", "");
    let mut wrong = Vec::new();
    for (from, to, expected) in cases {
        let message = error(&valid.replace(from, to));
        if !message.contains(expected) {
            wrong.push(format!("{to}: {message}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_key_is_checked() {
    told(&[
        ("id: user.r", "id: r", "5:7: `r` is no id of a user's rule"),
        ("id: user.r", "id: user.R", "5:7: `user.R` is no id"),
        (
            "on: [exec]",
            "on: [exek]",
            "6:8: `exek` is no kind of events; did you mean `exec`?",
        ),
        ("on: [exec]", "on: []", "6:7: `on` names no kind of events"),
        (
            "on: [exec]",
            "on: [exec, exec]",
            "6:7: `on` names no kind of events, or one of them twice",
        ),
        (
            "class: drift",
            "class: sensor",
            "9:10: the class `sensor` is not for events of containers",
        ),
        (
            "class: drift",
            "class: drit",
            "9:10: unknown value `drit`\n  help: did you mean `drift`?",
        ),
        ("severity: high", "severity: hi", "10:13: unknown value `hi`"),
        ("title: Something", "title: ''", "11:10: a title is one line"),
        (
            "title: Something",
            "titlee: x",
            "11:3: unknown key `titlee`\n  help: did you mean `title`?",
        ),
        (
            "title: Something",
            "title: a\n  attack: [X1]",
            "12:12: `X1` is no technique of ATT&CK",
        ),
        (
            "title: Something",
            "title: a\n  summary: '{{event.x}}'",
            "12:12: the placeholder `{{event.x}}`: there is no field",
        ),
        (
            "title: Something",
            "title: a\n  summary: '{{event.exe'",
            "12:12: a placeholder `{{` has no end",
        ),
        (
            "title: Something",
            "title: a\n  summary: '{{container.image}}'",
            "`container.image` is an object",
        ),
    ]);
}

#[test]
fn exceptions_with_conditions_are_bounded() {
    let with = |count: usize| {
        let exception = "{condition: event.ret == 1}, ".repeat(count);
        compile(&rule(
            "exec",
            "event.ret == 0",
            &format!("  exceptions: [{exception}]\n"),
        ))
    };
    assert!(with(32).is_ok());
    let message = with(33).unwrap_err().to_string();
    assert!(
        message.contains("more than 32 exceptions with conditions"),
        "{message}"
    );
}

#[test]
fn exceptions_and_tests_are_checked() {
    told(&[
        (
            "title: Something",
            "title: a\n  exceptions: [{}]",
            "12:16: an exception without images",
        ),
        (
            "title: Something",
            "title: a\n  exceptions: [{condition: event.pth == 'x'}]",
            "12:28: there is no field `event.pth`",
        ),
        (
            "title: Something",
            "title: a\n  exceptions: [{paths: [opt]}]",
            "12:25: `opt` is no absolute path",
        ),
        (
            "title: Something",
            "title: a\n  tests: [{given: {kind: exec, event: {exee: x}}, expect: alert}]",
            "12:11: test 1: there is no field `event.exee`; did you mean `exe`?",
        ),
        (
            "title: Something",
            "title: a\n  tests: [{given: {kind: exec, process: {uid: x}}, expect: alert}]",
            "12:11: test 1: `process.uid` is number, not \"x\"",
        ),
        (
            "title: Something",
            "title: a\n  tests: [{given: {kind: exec}, expect: alarm}]",
            "unknown value `alarm`",
        ),
    ]);
}

#[test]
fn bounds_are_told() {
    let long = format!("event.exe == \"{}\"", "x".repeat(2000));
    assert!(message(&long).contains("the condition has 2015 bytes, more than 2000"));
    let macros = ["process.args.exists(a, a == \"x\")"; 5].join(" || ");
    assert!(message(&macros).contains("more than 4 macros"));
    let patterns: Vec<String> = (0..9)
        .map(|number| format!("event.exe.matches(\"{number}\")"))
        .collect();
    assert!(message(&patterns.join(" || ")).contains("more than 8 patterns"));
    assert!(message("event.exe.matches(\"(\\\\w{500}){50}\")").contains("cannot be used"));
    let many: String = (0..257)
        .map(|number| rule("exec", "event.ret == 0", "").replace("user.r", &format!("user.r{number}")))
        .collect();
    assert!(error(&many).contains("more than 256 rules"));
    let twice = rule("exec", "event.ret == 0", "").repeat(2);
    assert!(
        error(&twice).contains("12:7: the id `user.r` is used twice"),
        "{}",
        error(&twice)
    );
}

#[test]
fn hostile_conditions_end_at_once() {
    let around = |open: &str, close: &str, count| {
        format!("{}event.ret == 0{}", open.repeat(count), close.repeat(count))
    };
    let conditions = [
        around("(", ")", 900),
        around("(", ")", 24),
        around("size(", ")", 24),
        around("[", "]", 24),
        around("!", "", 110),
        around("-", "", 110),
        around("1+", "", 110),
        around("true?true:", "", 110),
        around("", "[0]", 110),
        around("", ".a", 110),
        around("event.ret==1||", "", 120),
        "\u{0}".to_owned(),
        "\"\\".to_owned(),
    ];
    for condition in conditions {
        let started = std::time::Instant::now();
        // The smallest that threads of the agent have.
        let on_a_small_stack = || {
            let _any = compile(&rule("exec", &condition, "")).map(drop);
        };
        std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(2 << 20);
            small
                .spawn_scoped(scope, on_a_small_stack)
                .unwrap()
                .join()
                .unwrap();
        });
        assert!(started.elapsed().as_secs() < 5, "{condition}");
    }
}

#[test]
fn other_documents_are_refused() {
    let whole = |text: &str| UserRuleSet::compile(vec![source(text)]).unwrap_err().to_string();
    assert!(whole("kind: RuleSet\n").contains("the key `apiVersion` is missing"));
    let profile =
        whole("apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: a}\nrules: []\n");
    assert!(
        profile.starts_with("shop.yaml:2:7: unknown value `BehaviorProfile`"),
        "{profile}"
    );
    let syntax = whole("rules: [\n");
    assert!(
        syntax.contains("docs/user-rules.md") || syntax.contains("shop.yaml:"),
        "{syntax}"
    );
    let none = HEAD.replace("rules:\n", "rules: []\n");
    assert!(UserRuleSet::compile(vec![source(&none)]).is_ok_and(|rules| rules.is_empty()));
}
