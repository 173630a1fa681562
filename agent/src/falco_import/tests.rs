use super::*;
use crate::config::yaml;
use crate::detect::Detectors;
use crate::detect::testing::{Scene, connect, scene};
use crate::event::{ExecId, Payload, Ptrace, PtraceOp};
use crate::user_rules::{RuleSource, Trial, UserRuleSet, UserRules};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn repository(file: &str) -> FalcoSource {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/falco-import")
        .join(file);
    FalcoSource {
        file: file.into(),
        text: std::fs::read_to_string(path).unwrap(),
    }
}

fn import_of(files: &[&str]) -> Import {
    let sources: Vec<FalcoSource> = files.iter().map(|file| repository(file)).collect();
    import(&sources).unwrap()
}

fn import_text(text: &str) -> Result<Import, FalcoError> {
    import(&[FalcoSource {
        file: "rules.yaml".into(),
        text: text.to_owned(),
    }])
}

/// A rule with this condition.
fn rule(condition: &str) -> String {
    format!("- rule: R\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: ERROR\n")
}

fn loaded(rules: &str) -> UserRuleSet {
    let source = RuleSource {
        file: "falco.yaml".into(),
        text: rules.to_owned(),
    };
    UserRuleSet::compile(vec![source]).unwrap()
}

fn report<'a>(import: &'a Import, rule: &str) -> &'a Report {
    let mut reports = import.reports.iter();
    reports.find(|report| report.rule == rule).unwrap()
}

/// Ids are written alone in a line: tests are put behind them.
#[test]
fn translated_rules_say_what_falcos_would_say() {
    let import = import_of(&["rules.yaml"]);
    let trials: BTreeMap<String, serde_json::Value> = {
        let source = repository("trials.yaml");
        yaml::parse(&source.file, &source.text).unwrap()
    };
    let mut rules = import.rules.clone();
    for (id, tests) in &trials {
        let line = format!("  - id: {id}\n");
        assert!(rules.contains(&line), "{id} is not among:\n{}", import.rules);
        rules = rules.replace(&line, &format!("{line}    tests: {tests}\n"));
    }
    let rules = loaded(&rules);
    let all = rules.try_all();
    let failed: Vec<String> = all
        .iter()
        .filter(|trial| !trial.passed())
        .map(Trial::to_string)
        .collect();
    assert_eq!(failed, [""; 0], "{}", import.rules);
    for rule in rules.rules() {
        let fires = |trial: &&Trial| trial.rule == rule.id && trial.expected == "alert";
        assert!(all.iter().any(|trial| fires(&trial)), "{} never fires", rule.id);
    }
}

#[test]
fn each_rule_has_its_verdict() {
    let import = import_of(&["rules.yaml"]);
    let verdicts: Vec<(&str, &str)> = import
        .reports
        .iter()
        .map(|report| (report.rule.as_str(), report.verdict.name()))
        .collect();
    let expected = [
        ("Shell below a server", "partly"),
        ("Shadow read long after start", "translated"),
        ("Log emptied", "translated"),
        ("Metadata contacted", "translated"),
        ("Link to a secret", "translated"),
        ("Process injected", "translated"),
        ("Debuggers kept away", "translated"),
        ("Socket as standard input", "partly"),
        ("Raw frames", "translated"),
        ("Module loaded", "partly"),
        ("Key searched", "translated"),
        ("Brought along", "translated"),
        ("Session with a terminal", "partly"),
        ("Any contact", "translated"),
        ("User of the system", "not"),
        ("Path with dots", "not"),
        ("Bytes written", "not"),
        ("Everything", "not"),
        ("Of another source", "not"),
        ("Switched off", "not"),
        ("Half known", "not"),
    ];
    assert_eq!(verdicts, expected, "{:#?}", import.reports);
    assert_eq!(
        import.ignored,
        ["rules.yaml: `required_engine_version` has no meaning here"]
    );
}

#[test]
fn reports_say_what_differs_and_why_not() {
    let import = import_of(&["rules.yaml"]);
    let shifts = |rule: &str| -> Vec<Shift> {
        let notes = report(&import, rule).notes.iter();
        notes.map(|note| note.shift).collect()
    };
    assert_eq!(shifts("Shell below a server"), [Shift::Broader]);
    assert_eq!(shifts("Socket as standard input"), [Shift::Narrower]);
    assert_eq!(shifts("Module loaded"), [Shift::Broader]);
    assert_eq!(shifts("Session with a terminal"), [Shift::Other]);
    for (rule, reason) in [
        ("User of the system", "it asks for `user.name`"),
        ("Path with dots", "it asks for `fd.nameraw`"),
        ("Bytes written", "no event is made of the calls `write`"),
        ("Everything", "it asks for no calls by `evt.type`"),
        ("Of another source", "its events are of the source `k8s_audit`"),
        ("Switched off", "it is not enabled"),
        ("Half known", "no file defines the macro `macro_of_another_file`"),
    ] {
        let told = report(&import, rule).reason.clone().unwrap_or_default();
        assert!(told.starts_with(reason), "{rule}: {told}");
    }
    let links = &report(&import, "Link to a secret").ids;
    assert_eq!(
        links[..],
        ["user.link_to_a_secret_link", "user.link_to_a_secret_symlink"]
    );
}

#[test]
fn words_go_where_rules_of_users_have_them() {
    let import = import_of(&["rules.yaml"]);
    let rules = loaded(&import.rules);
    let of = |id: &str| rules.rules().find(|rule| rule.id == id).unwrap();
    let log = of("user.log_emptied");
    assert_eq!((log.class.name(), log.severity.name()), ("tampering", "high"));
    assert_eq!((log.title, log.attack), ("Log emptied", &["T1070"][..]));
    assert!(
        log.why.contains("Logs are not emptied.") && log.why.contains("of Falco"),
        "{}",
        log.why
    );
    assert!(
        import
            .rules
            .contains("summary: \"Log emptied (file={{event.path}})\"")
    );
    assert!(import.rules.contains("    on: [connect, unix_connect]\n"));
    let terminal = "  # other: `proc.tty`";
    assert!(import.rules.contains(terminal), "{}", import.rules);
}

#[test]
fn later_files_append_and_override() {
    let import = import_of(&["rules.yaml", "local.yaml"]);
    let block = |id: &str| {
        let (_, behind) = import.rules.split_once(&format!("  - id: {id}\n")).unwrap();
        behind.split("  - id: ").next().unwrap().to_owned()
    };
    let shell = block("user.shell_below_a_server");
    for part in ["\"fish\"", "process.parent.name != \"supervisor\""] {
        assert!(shell.contains(part), "{shell}");
    }
    assert!(block("user.log_emptied").contains("process.name != \"logrotate\""));
    let link = report(&import, "Link to a secret");
    assert_eq!((link.verdict, link.ids.len()), (Verdict::Not, 0));
    let alone = import_of(&["local.yaml"]);
    let reason = report(&alone, "Log emptied").reason.as_deref();
    assert_eq!(reason, Some("its condition is in a file that was not given"));
}

#[test]
fn an_unknown_exception_is_lost_and_an_unknown_demand_is_no_rule() {
    let verdict = |condition: &str| {
        let import = import_text(&rule(condition)).unwrap();
        import.reports[0].verdict
    };
    let shell = "evt.type = execve and proc.name = sh";
    assert_eq!(verdict(shell), Verdict::Translated);
    assert_eq!(verdict(&format!("{shell} and proc.env contains X")), Verdict::Not);
    assert_eq!(
        verdict(&format!("{shell} and not proc.env contains X")),
        Verdict::Not
    );
    assert_eq!(
        verdict(&format!(
            "{shell} and not (proc.env contains X and proc.pname = y)"
        )),
        Verdict::Partly
    );
    assert_eq!(
        verdict("evt.type = execve and (proc.name = sh or proc.env contains X)"),
        Verdict::Partly
    );
}

/// Names of a hundred programs are in any file of Falco's: what is excepted may be longer than a condition.
#[test]
fn long_exceptions_stand_beside_the_condition() {
    let names: Vec<String> = (0..400).map(|number| format!("program-{number}")).collect();
    let condition = format!(
        "evt.type = execve and proc.name != sh and not proc.name in ({})",
        names.join(", ")
    );
    let import = import_text(&rule(&condition)).unwrap();
    assert_eq!(
        import.reports[0].verdict,
        Verdict::Translated,
        "{:?}",
        import.reports
    );
    assert_eq!(
        import.rules.matches("      - condition: |-\n").count(),
        4,
        "{}",
        import.rules
    );
    let demanded = format!("evt.type = execve and proc.name in ({})", names.join(", "));
    let import = import_text(&rule(&demanded)).unwrap();
    let reason = import.reports[0].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("more than 2000"), "{reason}");
}

#[test]
fn what_is_malformed_is_told_with_its_place() {
    for (text, expected) in [
        (
            rule("evt.type in (open"),
            "rules.yaml:4:5: the condition has the end where",
        ),
        (
            "- macro: a\n".to_owned(),
            "rules.yaml:1:10: the macro `a` has no condition",
        ),
        ("- rool: a\n".to_owned(), "rules.yaml:1:"),
        (
            format!(
                "- {{macro: a, condition: b}}\n- {{macro: b, condition: a}}\n{}",
                rule("a")
            ),
            "rules.yaml:3:9: macros or lists contain themselves: a → b → a",
        ),
        (
            format!(
                "{}  exceptions: [{{name: x, fields: [a.b], values: [[c, d]]}}]\n",
                rule("a.b = c")
            ),
            "rules.yaml:1:9: the exception `x` has 1 fields, and a line of 2 values",
        ),
    ] {
        let error = import_text(&text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert!(error.contains("\n  help: "), "{error}");
    }
    let nothing = import_text("# nothing\n").unwrap();
    assert!(nothing.reports.is_empty() && loaded(&nothing.rules).is_empty());
}

/// What the rules say of an event as the sensor reports it, beside what is shipped.
fn said(rules: &Arc<UserRuleSet>, scene: &mut Scene, payload: Payload) -> Vec<String> {
    let mut detectors = Detectors::default();
    detectors.set_user_rules(Box::new(UserRules::new(Arc::clone(rules))));
    scene.detectors = detectors;
    let findings = scene.inspect(payload).into_iter();
    findings
        .filter(|finding| finding.rule.id.starts_with("user."))
        .map(|finding| finding.summary)
        .collect()
}

#[test]
fn translated_rules_fire_on_events_of_the_sensor() {
    let rules = Arc::new(loaded(&import_of(&["rules.yaml"]).rules));
    let mut shell = scene("acme/app:1", "/usr/bin/dash").below(&["/usr/sbin/nginx"]);
    let mut exec = shell.exec();
    exec.filename = "/bin/sh".into();
    assert_eq!(
        said(&rules, &mut shell, Payload::Exec(exec)),
        ["Shell below a server | shell=sh parent=nginx user=0"]
    );
    let mut server = scene("acme/app:1", "/usr/sbin/nginx");
    assert_eq!(
        said(&rules, &mut server, connect("192.0.2.1", 443)),
        ["Contact of 192.0.2.1:443"]
    );
    assert_eq!(said(&rules, &mut server, connect("10.0.0.1", 443)), [""; 0]);
    let attach = Payload::Ptrace(Ptrace {
        op: PtraceOp::PTRACE,
        request: 16,
        target_tgid: 9,
        target_slot: 1,
        target: ExecId(0),
    });
    assert_eq!(said(&rules, &mut server, attach), ["ptrace by nginx"]);
}
