//! Repeats are folded, counted and told when their window closes; windows are bounded.

use super::*;
use crate::event::{FileObject, Module, ModuleOp};

#[test]
fn the_last_occurrence_is_the_one_that_the_kernel_saw() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise(&mut builder, &mut scene, core_pattern()).unwrap();
    let last = BootTime(scene.now_ns + 30 * SECOND);
    let closed = builder
        .drain()
        .remove(0)
        .close(Occurrences { count: 9, last }, CLOCK);
    let repeat = closed.unwrap().repeat;
    assert_eq!((repeat.count, repeat.last.since(repeat.first).as_secs()), (9, 30));
}

#[test]
fn repeats_are_folded_and_counted_until_the_window_closes() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    let first = raise(&mut builder, &mut scene, core_pattern()).unwrap();
    for _ in 0..4 {
        scene.now_ns += SECOND;
        assert_eq!(raise(&mut builder, &mut scene, core_pattern()), None);
    }
    assert!(builder.due(BootTime(scene.now_ns)).is_empty());
    let mut due = builder.due(BootTime(100 * SECOND + 60 * SECOND));
    assert_eq!((due.len(), builder.open()), (1, 0));
    let open = due.remove(0);
    assert_eq!(open.behaviours().len(), 1);
    let last = open.close(counted(1_000_000), CLOCK).unwrap();
    assert_eq!(
        (last.id, last.revision, last.repeat.count),
        (first.id, 1, 1_000_000)
    );
    assert_eq!(last.repeat.last.since(last.repeat.first).as_secs(), 4);
    let again = raise(&mut builder, &mut scene, core_pattern()).unwrap();
    assert_ne!(again.id, first.id, "a new window is a new alert");
    assert!(
        builder.ended(&id()).remove(0).close(counted(1), CLOCK).is_none(),
        "nothing came after it"
    );
    assert!(builder.drain().is_empty());
}

#[test]
fn what_differs_in_container_rule_or_object_is_not_folded() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    assert!(raise(&mut builder, &mut scene, listen("0.0.0.0", 4444)).is_some());
    assert!(
        raise(&mut builder, &mut scene, listen("::", 4444)).is_none(),
        "IPv6 and IPv4 of one listener"
    );
    assert!(raise(&mut builder, &mut scene, listen("0.0.0.0", 4445)).is_some());
    assert_eq!(builder.ended(&ContainerId::from("other")).len(), 0);
    assert_eq!(builder.ended(&id()).len(), 2);
}

#[test]
fn a_repeat_that_is_worse_leaves_at_once() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/sbin/insmod"));
    let module = || {
        Payload::Module(Module {
            op: ModuleOp::FINIT,
            file: FileObject::default(),
            path: "/x.ko".into(),
        })
    };
    scene.ret = -1;
    let tried = raise(&mut builder, &mut scene, module()).unwrap();
    scene.ret = 0;
    let loaded = raise(&mut builder, &mut scene, module()).unwrap();
    assert_eq!(
        (tried.severity, loaded.severity),
        (Severity::High, Severity::Critical)
    );
    assert_eq!(
        (loaded.id, loaded.revision, loaded.repeat.count),
        (tried.id, 1, 2)
    );
    assert_eq!(
        builder
            .drain()
            .remove(0)
            .close(counted(0), CLOCK)
            .unwrap()
            .revision,
        2
    );
}

#[test]
fn a_first_contact_is_told_once() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/curl"));
    let known = ContainerMetadata {
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..ContainerMetadata::default()
    };
    scene.others = vec![container(2, "db", known)];
    let contact = || connect("172.17.0.3", 5432);
    assert!(raise(&mut builder, &mut scene, contact()).is_some());
    assert_eq!(raise(&mut builder, &mut scene, contact()), None, "counted");
    let closed = builder.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!((closed.revision, closed.repeat.count), (1, 2));
    assert_eq!(raise(&mut builder, &mut scene, contact()), None);
    assert_eq!((builder.open(), builder.pairs()), (0, 1), "no window of its own");
    // The other rules of the same record are not silenced.
    let docker = raise(&mut builder, &mut scene, connect("172.17.0.3", 2375)).unwrap();
    assert_eq!(docker.rule, "lateral.docker_api");
    assert!(builder.ended(&scene.others[0].id).is_empty());
    assert!(raise(&mut builder, &mut scene, contact()).is_some());
}

#[test]
fn windows_are_bounded() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    for object in 0..5000 {
        let findings = vec![Finding {
            object: object.to_string(),
            ..finding.clone()
        }];
        assert!(
            scene
                .with_context(&event, |context| builder.raise(
                    context,
                    findings,
                    &mut Said::default()
                ))
                .is_some()
        );
    }
    assert_eq!((builder.open(), builder.overflowed()), (MAX_OPEN, 5000 - 2048));
}

/// Raises the same alert for behaviours that differ in what they did it to.
fn raise_each(builder: &mut AlertBuilder, scene: &mut Scene, details: std::ops::Range<u64>) {
    let findings = scene.inspect(core_pattern());
    for detail in details {
        let mut event = scene.event(core_pattern());
        event.raw.header.behaviour.detail = detail;
        let findings = findings.clone();
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        });
    }
}

/// The kernel has counted every behaviour `count` times; which were forgotten.
fn rearm(builder: &mut AlertBuilder, count: u64) -> Vec<u64> {
    let mut forgotten = Vec::new();
    builder.rearm(|behaviour| {
        forgotten.push(behaviour.detail);
        Some(counted(count))
    });
    forgotten
}

#[test]
fn behaviours_that_a_window_cannot_keep_are_forgotten_at_once_and_counted() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise_each(&mut builder, &mut scene, 0..64);
    assert!(rearm(&mut builder, 9).is_empty(), "they are at the window's end");
    raise_each(&mut builder, &mut scene, 62..67);
    assert_eq!(rearm(&mut builder, 3), [64, 65, 66]);
    assert!(rearm(&mut builder, 3).is_empty(), "once");
    raise_each(&mut builder, &mut scene, 66..67);
    assert_eq!(rearm(&mut builder, 1), [66], "it left the kernel again");
    assert_eq!(builder.rearmed(), 4);
    let open = builder.drain().remove(0);
    assert_eq!(open.behaviours().len(), 64);
    let last = open.close(counted(640), CLOCK).unwrap();
    assert_eq!(last.repeat.count, 640 + 3 * 3 + 1);
}

#[test]
fn records_are_the_count_where_the_kernel_forgot_its_own() {
    let (mut builder, mut scene) = (builder(), scene("nginx", "/usr/bin/python3"));
    raise_each(&mut builder, &mut scene, 0..70);
    builder.rearm(|_| None);
    let last = builder.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!(last.repeat.count, 70);
}

#[test]
fn alerts_without_a_window_do_not_stay_repeated_in_the_kernel() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    for object in 0..MAX_OPEN + 2 {
        let findings = vec![Finding {
            object: object.to_string(),
            ..finding.clone()
        }];
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        });
    }
    assert_eq!(rearm(&mut builder, 5).len(), 2);
    assert_eq!((builder.rearmed(), builder.overflowed()), (2, 2 + 2 * 4));
}

/// A container chooses its arguments, and each of its alerts shows them.
#[test]
fn windows_of_large_alerts_are_fewer() {
    let (mut builder, mut scene) = (builder(), scene("acme/app", "/usr/bin/nc"));
    scene.exe.args = "x".repeat(64 << 10).as_str().into();
    let event = scene.event(listen("0.0.0.0", 4444));
    let finding = scene.inspect(listen("0.0.0.0", 4444)).remove(0);
    let mut raise = |object: usize| {
        let object = object.to_string();
        let findings = vec![Finding {
            object,
            ..finding.clone()
        }];
        scene.with_context(&event, |context| {
            builder.raise(context, findings, &mut Said::default())
        })
    };
    assert!((0..1000).all(|object| raise(object).is_some()), "each leaves");
    let open = builder.open();
    assert!((10..1000).contains(&open), "{open} windows");
    assert_eq!(builder.drain().len(), open);
    let mut scene = crate::detect::testing::scene("nginx", "/usr/bin/python3");
    assert!(super::raise(&mut builder, &mut scene, core_pattern()).is_some());
    assert_eq!(builder.open(), 1, "there is room again");
}
