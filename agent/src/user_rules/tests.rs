mod evidence;
mod exceptions;
mod mistakes;

use super::*;
use crate::alert::{AlertBuilder, AlertIds, Said};
use crate::detect::testing::{Scene, connect, image_file, open, scene};
use crate::detect::{Detectors, Finding, Scope, Severity};
use crate::event::Payload;
use std::path::Path;
use std::sync::Arc;

const HEAD: &str = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: shop}\nrules:\n";

fn source(text: &str) -> RuleSource {
    RuleSource {
        file: "shop.yaml".into(),
        text: text.to_owned(),
    }
}

fn compile(rules: &str) -> Result<UserRuleSet, UserRuleError> {
    UserRuleSet::compile(vec![source(&format!("{HEAD}{rules}"))])
}

/// A rule called `user.r` with this condition, on these kinds, and what else is given.
fn rule(on: &str, condition: &str, more: &str) -> String {
    format!(
        "- id: user.r\n  on: [{on}]\n  condition: >-\n    {condition}\n  class: drift\n  severity: high\n  title: Something\n{more}"
    )
}

fn set(on: &str, condition: &str, more: &str) -> Arc<UserRuleSet> {
    Arc::new(compile(&rule(on, condition, more)).unwrap())
}

/// What the rules say beside what is shipped.
fn said(rules: &Arc<UserRuleSet>, scene: &mut Scene, payload: Payload) -> Vec<Finding> {
    let mut detectors = Detectors::default();
    detectors.set_user_rules(Box::new(UserRules::new(Arc::clone(rules))));
    scene.detectors = detectors;
    let findings = scene.inspect(payload).into_iter();
    findings
        .filter(|finding| finding.rule.id.starts_with("user."))
        .collect()
}

fn exec(rules: &Arc<UserRuleSet>, scene: &mut Scene) -> usize {
    let payload = Payload::Exec(scene.exec());
    said(rules, scene, payload).len()
}

fn shop(exe: &str) -> Scene {
    let mut scene = scene("acme/shop:1", exe);
    scene.known.pod = Some(crate::container::Pod {
        name: "shop-7".to_owned(),
        namespace: "shop".to_owned(),
        uid: "u".to_owned(),
    });
    scene
}

const CURL: &str = r#"event.exe.endsWith("/curl") && container.namespace == "shop""#;

#[test]
fn a_rule_of_a_user_raises_an_alert_like_any_other() {
    let more = "  attack: [T1105]\n  summary: \"{{process.exe}} was started in {{container.name}} of {{container.pod.namespace}}\"\n";
    let rules = set("exec", CURL, more);
    let mut scene = shop("/usr/bin/curl");
    let payload = Payload::Exec(scene.exec());
    let findings = said(&rules, &mut scene, payload.clone());
    let event = scene.event(payload);
    let mut builder = AlertBuilder::new(AlertIds::new(7));
    let alert = scene
        .with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        })
        .unwrap();
    assert_eq!(
        (alert.rule.as_str(), alert.class.name(), alert.severity),
        ("user.r", "drift", Severity::High)
    );
    assert_eq!(alert.summary, "/usr/bin/curl was started in web of shop");
    assert_eq!(alert.attack, ["T1105"]);
    assert_eq!(alert.evidence["path"], "/usr/bin/curl");
    scene.known.pod = None;
    assert_eq!(exec(&rules, &mut scene), 0);
    assert_eq!(exec(&rules, &mut shop("/usr/bin/wget")), 0);
}

#[test]
fn only_kinds_that_it_names_are_put_to_a_rule() {
    // On any other event this would hold.
    let rules = set("exec", "event.ret == 0", "");
    let mut scene = shop("/usr/bin/curl");
    assert_eq!(exec(&rules, &mut scene), 1);
    assert!(said(&rules, &mut scene, connect("192.0.2.1", 443)).is_empty());
}

#[test]
fn a_rule_waits_for_the_names_of_its_container() {
    let rules = set("exec", "event.ret == 0", "");
    let scene = shop("/usr/bin/curl");
    let event = scene.event(Payload::Exec(scene.exec()));
    let mut detectors = Detectors::default();
    detectors.set_user_rules(Box::new(UserRules::new(rules)));
    let findings = |scope: Scope, detectors: &mut Detectors| {
        scene.with_context(&event, |context| {
            detectors.inspect(&crate::detect::DetectContext { scope, ..*context })
        })
    };
    assert!(findings(Scope::Universal, &mut detectors).is_empty());
    for scope in [Scope::All, Scope::Again] {
        assert_eq!(findings(scope, &mut detectors).len(), 1);
    }
}

#[test]
fn a_condition_that_fails_says_nothing_and_is_counted_across_reloads() {
    let guarded = "size(process.args) > 0 && process.args[1] == \"-o\"";
    let rules = set("exec", guarded, "");
    let mut scene = shop("/usr/bin/curl");
    assert_eq!(exec(&rules, &mut scene), 0);
    assert_eq!(exec(&rules, &mut scene), 0);
    let failures = |rules: &UserRuleSet| rules.iter().next().unwrap().failures();
    assert_eq!(failures(&rules), (2, "a list is shorter".to_owned()));
    scene.exe.args = "curl\0-o\0x\0".into();
    assert_eq!(exec(&rules, &mut scene), 1);
    let next = set(
        "exec",
        guarded,
        "  severity: low\n"
            .replace("severity: low", "attack: [T1105]")
            .as_str(),
    );
    next.inherit(&rules);
    assert_eq!(failures(&next).0, 2);
}

#[test]
fn what_an_event_does_not_have_is_empty_and_what_cannot_be_told_is_null() {
    let mut scene = shop("/usr/bin/curl");
    for (on, condition) in [
        (
            "exec",
            "container.name == \"web\" && container.image.digest == \"\" && !event.chrooted",
        ),
        (
            "exec",
            "event.in_image == true && process.in_image == true && event.peer_port == 0",
        ),
        (
            "exec",
            "size(process.args) == 1 && process.args[0] == event.exe && process.uid == 0",
        ),
        (
            "exec",
            "process.ancestors.exists(a, a.host && a.exe.contains(\"shim\"))",
        ),
        (
            "exec",
            "!(\"tier\" in container.labels) && event.kind == \"exec\"",
        ),
        (
            "exec",
            "event.path.matches(\"^/usr/(local/)?bin/\") && !event.path.matches(\"x$\")",
        ),
    ] {
        let rules = set(on, condition, "");
        let failures = |rules: &UserRuleSet| rules.iter().next().unwrap().failures();
        assert_eq!(exec(&rules, &mut scene), 1, "{condition}: {:?}", failures(&rules));
    }
    let rules = set(
        "connect",
        "event.peer.name == \"\" && event.remote_port == 443",
        "",
    );
    assert_eq!(said(&rules, &mut scene, connect("192.0.2.1", 443)).len(), 1);
}

#[test]
fn a_list_that_its_container_made_long_is_cut_and_says_so() {
    let condition = "process.truncated && size(process.args) == 256 && !process.args.exists(a, a == \"z\")";
    let rules = set("exec", condition, "");
    let mut scene = shop("/usr/bin/curl");
    scene.exe.args = format!("{}z\0", "a\0".repeat(256)).as_str().into();
    assert_eq!(exec(&rules, &mut scene), 1);
    scene.exe.args = "a\0".repeat(256).as_str().into();
    assert_eq!(exec(&rules, &mut scene), 0, "it is whole");
}

#[test]
fn equal_deeds_are_one_alert_and_others_are_not() {
    let rules = set("connect", "event.ret == 0", "");
    let mut scene = shop("/usr/bin/curl");
    let mut object = |address: &str, port| said(&rules, &mut scene, connect(address, port))[0].object.clone();
    assert_eq!(object("192.0.2.1", 443), "/usr/bin/curl 192.0.2.1 443");
    assert_ne!(object("192.0.2.1", 443), object("192.0.2.1", 444));
}

#[test]
fn an_alert_without_a_summary_says_the_title_and_who_and_where() {
    let rules = set("connect", "event.ret == 0", "");
    let findings = said(&rules, &mut shop("/usr/bin/curl"), connect("192.0.2.1", 443));
    assert_eq!(findings[0].summary, "Something: /usr/bin/curl in web");
}

#[test]
fn tests_beside_rules_are_run() {
    let more = "  tests:\n  - {given: {kind: exec, event: {exe: /bin/curl}, container: {namespace: shop}}, expect: alert}\n  \
                - {name: wget, given: {kind: exec, event: {exe: /bin/wget}}, expect: alert}\n  \
                - {given: {kind: connect, event: {remote_port: 1}}, expect: nothing}\n";
    let trials = set("exec", CURL, more).try_all();
    let outcomes: Vec<_> = trials.iter().map(|trial| (trial.line, trial.passed())).collect();
    assert_eq!(outcomes, [(13, true), (14, false), (15, true)]);
    assert_eq!(trials[0].to_string(), "ok   shop.yaml:13: user.r, test 1: alert");
    assert_eq!(
        trials[1].to_string(),
        "FAIL shop.yaml:14: user.r, test wget: expected alert, got nothing"
    );
    let failing = "  tests: [{given: {kind: exec, process: {args: [a]}}, expect: alert}]\n";
    let trials = set(
        "exec",
        "size(process.args) > 0 && process.args[1] == \"b\"",
        failing,
    )
    .try_all();
    assert!(
        trials[0]
            .to_string()
            .ends_with("but the condition fails: a list is shorter"),
        "{}",
        trials[0]
    );
}

#[test]
fn rules_document_themselves() {
    let more = "  description: Nobody downloads here.\n  exceptions: [{images: [a], paths: [/x]}, {namespaces: [dev]}]\n";
    let rules = set("exec", CURL, more);
    let rule = rules.rules().next().unwrap();
    assert_eq!(rule.why, "Nobody downloads here.");
    assert_eq!(rule.look_alikes, "Excepted: image a and path /x; namespace dev.");
    assert!(
        rule.meaning.starts_with("On exec: event.exe.endsWith"),
        "{}",
        rule.meaning
    );
    let text = crate::detect::text(rule);
    assert!(
        text.contains("user.r: Something") && text.contains("Class:     drift"),
        "{text}"
    );
}

fn repository(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

#[test]
fn the_example_of_the_documentation_passes_its_tests() {
    let text = repository("tests/user-rules/shop.yaml");
    let rules = UserRuleSet::compile(vec![source(&text)]).unwrap();
    let trials = rules.try_all();
    assert!(
        trials.len() == 9 && trials.iter().all(Trial::passed),
        "{trials:#?}"
    );
    let document = repository("docs/user-rules.md");
    for line in text.lines().filter(|line| !line.is_empty()) {
        assert!(
            document.contains(&format!("\n    {line}\n")),
            "docs/user-rules.md lacks: {line}"
        );
    }
}

#[test]
fn the_documented_fields_are_current() {
    const MARK: &str = "<!-- fields -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/user-rules.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, fields) = document.split_once(MARK).unwrap();
    if std::env::var_os("VIGIA_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{MARK}{}", field_tables())).unwrap();
    } else {
        assert!(
            fields == field_tables(),
            "VIGIA_BLESS=1 cargo test -p agent writes docs/user-rules.md anew"
        );
    }
}

#[test]
fn a_folder_is_read_in_the_order_of_names_without_what_begins_with_a_dot() {
    let dir = tempfile::tempdir().unwrap();
    let text = |id: &str| {
        format!(
            "{HEAD}{}",
            rule("exec", "event.ret == 0", "").replace("user.r", id)
        )
    };
    for (file, id) in [
        ("b.yaml", "user.b"),
        ("a.yml", "user.a"),
        (".c.yaml", "user.c"),
        ("d.txt", "user.d"),
    ] {
        std::fs::write(dir.path().join(file), text(id)).unwrap();
    }
    let presence = crate::profile::store::Presence::Required;
    let rules = store::load_folder(dir.path(), presence).unwrap();
    let ids: Vec<_> = rules.rules().map(|rule| rule.id).collect();
    assert_eq!(ids, ["user.a", "user.b"]);
    let missing = store::load_folder(&dir.path().join("none"), presence).unwrap_err();
    assert!(missing.to_string().contains("cannot be listed"), "{missing}");
    let optional = crate::profile::store::Presence::Optional;
    assert!(
        store::load_folder(&dir.path().join("none"), optional)
            .unwrap()
            .is_empty()
    );
}
