//! Rules that users write, from records to alerts.

use super::*;
use crate::user_rules::{RuleSource, UserRuleSet};

/// One rule: a listener on a high port, but in images of `acme/debug`.
fn rules(port: u16) -> Arc<UserRuleSet> {
    let text = format!(
        "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {{name: ports}}\nrules:\n- id: user.high_port\n  on: [listen]\n  \
         condition: event.local_port >= {port} && container.name == \"web\"\n  class: listener\n  severity: critical\n  title: A high \
         port\n  summary: \"{{{{process.exe}}}} listens on {{{{event.local_port}}}}\"\n  exceptions: [{{images: [\"acme/debug:*\"]}}]\n"
    );
    let source = RuleSource {
        file: "ports.yaml".into(),
        text,
    };
    Arc::new(UserRuleSet::compile(vec![source]).unwrap())
}

fn started(rules: Arc<UserRuleSet>) -> Run {
    let mut run = Run::new();
    run.feed(Input::Rules(rules))
        .feed(connected())
        .feed(lifecycle(ContainerOp::CREATED, 1))
        .feed(lifecycle(ContainerOp::LIVE, 1));
    run
}

#[test]
fn a_rule_of_a_user_raises_its_alert_when_the_container_has_its_name() {
    let mut run = started(rules(9000));
    run.feed(listens(9999, 1));
    assert_eq!(run.rules(), []);
    run.feed(described("nginx:1.25"));
    assert_eq!(run.rules(), [("user.high_port", 0)]);
    let alert = &run.alerts[0];
    assert_eq!(alert.summary, "/usr/bin/app listens on 9999");
    assert_eq!(alert.also, ["listener.unexpected"], "one record, one alert");
    assert_eq!(alert.evidence["local_port"], 9999);
    run.feed(listens(80, 2));
    assert_eq!(run.rules()[1..], [("listener.unexpected", 0)]);
}

#[test]
fn an_exception_by_image_is_respected() {
    let mut run = started(rules(9000));
    run.feed(listens(9999, 1)).feed(described("acme/debug:2"));
    assert_eq!(run.rules(), [("listener.unexpected", 0)]);
}

#[test]
fn rules_that_changed_judge_what_containers_did_before() {
    let mut run = started(rules(10_000));
    run.feed(described("nginx:1.25")).feed(listens(9999, 2));
    assert_eq!(run.rules(), [("listener.unexpected", 0)]);
    run.feed(Input::Rules(rules(10_000)));
    assert_eq!(run.renewed, [], "they are the same");
    run.feed(Input::Rules(rules(9000)));
    let container = SlotKey {
        slot: 3,
        generation: 1,
    };
    assert_eq!(run.renewed, [container]);
    run.feed(listens(9999, 3));
    let rules = run.rules();
    assert!(
        rules.iter().any(|(rule, _)| *rule == "user.high_port"),
        "{rules:?}"
    );
}
