use super::task_tests::{Fake, ID, Journal, KEY, books, start_with};
use super::tests::links;
use crate::container::{ContainerMetadata, ImageRef, RuntimeEvent};
use crate::control::ControlRequest;
use crate::event::ContainerId;
use crate::profile::ProfileSet;
use crate::user_rules::{RuleSource, UserRuleSet};
use std::sync::Arc;
use std::time::Duration;

fn profile() -> Arc<ProfileSet> {
    let text = "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {name: web}\nmatch: {images: [nginx]}";
    let file = std::path::Path::new("web.yaml");
    let profile = crate::profile::parse(text, file).unwrap();
    Arc::new(ProfileSet::new(vec![(file.to_owned(), profile)]).unwrap())
}

#[tokio::test]
async fn a_new_profile_has_what_its_containers_do_judged_again() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let mut running = start_with(links, requests, |_| {});
    running.runtimes.try_send(described("nginx:1.25")).unwrap();
    running
        .during(tokio::time::sleep(Duration::from_millis(20)))
        .await;
    for _ in 0..2 {
        let adopt = |reply| ControlRequest::Adopt {
            profiles: profile(),
            rules: Arc::default(),
            sockets: Vec::new(),
            reply,
        };
        running.ask(adopt).await;
    }
    assert_eq!(
        running.journal(),
        ["1 no profile", "1 web", "1 renewed"],
        "the second profile is the same"
    );
}

fn rules() -> Arc<UserRuleSet> {
    let text = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: a}\nrules:\n- {id: user.adopted, on: [exec], \
                condition: event.ret == 0, class: drift, severity: low, title: A}\n";
    let source = RuleSource {
        file: "a.yaml".into(),
        text: text.to_owned(),
    };
    Arc::new(UserRuleSet::compile(vec![source]).unwrap())
}

#[tokio::test]
async fn new_rules_have_what_containers_did_judged_again_and_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let metrics = Arc::clone(&links.metrics);
    let mut running = start_with(links, requests, |_| {});
    running.runtimes.try_send(described("nginx:1.25")).unwrap();
    assert_eq!(running.noted(1).await, ["1 no profile"]);
    for _ in 0..2 {
        let adopt = |reply| ControlRequest::Adopt {
            profiles: Arc::default(),
            rules: rules(),
            sockets: Vec::new(),
            reply,
        };
        running.ask(adopt).await;
    }
    assert_eq!(running.journal(), ["1 no profile", "1 renewed"], "once");
    let report = running.ask(|reply| ControlRequest::Status { reply }).await;
    assert_eq!((report.user_rules.rules, report.user_rules.failing.len()), (1, 0));
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    let text = metrics.render().unwrap();
    for line in [
        "vigia_user_rules 1",
        "vigia_user_rule_errors_total{rule=\"user.adopted\"} 0",
    ] {
        assert!(text.contains(line), "{line} is missing");
    }
}

#[tokio::test]
async fn rules_that_are_removed_leave_the_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let metrics = Arc::clone(&links.metrics);
    let mut running = start_with(links, requests, |_| {});
    for rules in [rules(), Arc::default()] {
        let errors = metrics.user_rule_errors.with_label_values(&["user.adopted"]);
        errors.inc();
        let adopt = |reply| ControlRequest::Adopt {
            profiles: Arc::default(),
            rules,
            sockets: Vec::new(),
            reply,
        };
        running.ask(adopt).await;
    }
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    let text = metrics.render().unwrap();
    assert!(!text.contains("user.adopted"), "{text}");
}

#[tokio::test]
async fn a_container_is_excepted_when_its_image_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let mut running = start_with(links, requests, |task| {
        task.exceptions.images = vec!["acme/cni".parse().unwrap()];
    });
    running.runtimes.try_send(described("nginx:1.25")).unwrap();
    assert_eq!(running.noted(1).await, ["1 no profile"], "it is another's");
    running.runtimes.try_send(described("acme/cni:2")).unwrap();
    assert_eq!(running.noted(3).await[1..], ["1 excepted", "1 no profile"]);
}

fn described(image: &str) -> RuntimeEvent {
    let image = ImageRef {
        reference: image.to_owned(),
        ..ImageRef::default()
    };
    let metadata = Arc::new(ContainerMetadata {
        image,
        ..ContainerMetadata::default()
    });
    RuntimeEvent::Described {
        id: ContainerId::from(ID),
        metadata,
    }
}

#[tokio::test]
async fn a_container_whose_end_was_lost_ends_and_its_slot_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let (links, requests) = links(dir.path());
    let metrics = Arc::clone(&links.metrics);
    let journal = Journal::default();
    let fake = Fake(Arc::clone(&journal), books(), vec![KEY]);
    let mut running = start_with(links, requests, |task| task.kernel = Box::new(fake));
    running
        .during(tokio::time::sleep(Duration::from_millis(120)))
        .await;
    let report = running.ask(|reply| ControlRequest::Status { reply }).await;
    assert_eq!(report.containers.len(), 0);
    assert_eq!(*journal.lock().unwrap(), ["1 released"]);
    running.stop.cancel();
    running.task.as_mut().await.unwrap();
    assert_eq!(metrics.ends_lost.get(), 1);
}
