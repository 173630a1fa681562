//! Events of a slot whose container nobody knows any more.

use super::*;

#[test]
fn universal_rules_go_on_without_the_container() {
    let mut run = Run::new();
    run.feed(opens_core_pattern(2)).feed(opens_core_pattern(3));
    assert_eq!(run.rules(), [("escape.core_pattern", 0)], "folded");
    let alert = &run.alerts[0];
    assert!(alert.container.is_none() && alert.profile.is_none());
    assert_eq!(alert.metadata, "unavailable");
    assert!(
        alert.summary.contains("an unknown container"),
        "{}",
        alert.summary
    );
    assert_eq!(run.engine.stats().unattributed, 2);
    run.feed(Input::Tick(BootTime(63 * SECOND)));
    assert_eq!(run.rules().last(), Some(&("escape.core_pattern", 1)));
}

#[test]
fn rules_of_the_image_have_nothing_to_go_by() {
    let mut run = Run::new();
    run.feed(listens(9999, 2)).feed(connects_to("10.0.0.5", 2375, 2));
    run.feed(Input::Tick(BootTime(10 * SECOND)));
    assert_eq!(run.rules(), []);
}

#[test]
fn the_host_is_no_unknown_container() {
    let mut event = FileOpenEvent::new_zeroed();
    event.header = header(EventKind::FILE_OPEN, 2);
    (event.header.slot, event.header.generation) = (0, 0);
    event.file.magic = PROC_SUPER_MAGIC;
    event.f_mode = 2;
    let path = b"/proc/sys/kernel/core_pattern";
    event.path = string::<FileOpenEvent>(path.len());
    let mut run = Run::new();
    run.feed(with_strings(event, |event| &mut event.header, path));
    assert_eq!((run.rules(), run.engine.stats().unattributed), (vec![], 0));
}

#[test]
fn the_agent_does_not_accuse_itself() {
    let mut run = Run::new();
    let facts = |agent| {
        Input::Host(Box::new(HostFacts {
            agent: Some(agent),
            ..HostFacts::default()
        }))
    };
    run.feed(facts(4242)).feed(opens_core_pattern(2));
    assert_eq!((run.rules(), run.engine.stats().handled_total()), (vec![], 1));
    run.feed(facts(4243)).feed(opens_core_pattern(3));
    assert_eq!(run.rules(), [("escape.core_pattern", 0)], "another process");
}
