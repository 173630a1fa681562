//! What a container does outside its profile is one alert, and what it does worse has a name.

use super::*;
use crate::detect::testing::{image_file, process};

const PROFILE: &str = "state: complete\nexec: [{path: /app/server}]\nfiles: {write: [{path: /app/data}]}\nconnect: [{port: 5432}]";
const WRITE: u32 = 2;

/// An intruder in a service, whose image has a complete profile.
fn stage() -> (AlertBuilder, Scene) {
    let scene = scene("acme/app", "/bin/sh").with_profile(PROFILE);
    (builder(), scene.below(&["/app/server"]))
}

type Stage = (AlertBuilder, Scene);

/// `exe`, of the image, is executed.
fn executes((builder, scene): &mut Stage, exe: &str) -> Option<Alert> {
    scene.exe = process(exe);
    scene.now_ns += SECOND;
    let exec = scene.exec();
    raise(builder, scene, Payload::Exec(exec))
}

/// The same of a file that came after the image.
fn executes_dropped((builder, scene): &mut Stage, exe: &str) -> Option<Alert> {
    scene.exe = process(exe);
    scene.exe.file.flags |= FileFlags::UPPER;
    let exec = scene.exec();
    raise(builder, scene, Payload::Exec(exec))
}

fn writes((builder, scene): &mut Stage, path: &str) -> Option<Alert> {
    raise(builder, scene, open(image_file(), path, "", WRITE))
}

fn objects(alert: &Alert) -> Vec<&str> {
    let steps = alert.evidence["steps"].as_array().unwrap().iter();
    steps.map(|step| step["object"].as_str().unwrap()).collect()
}

#[test]
fn what_several_programs_do_outside_the_profile_is_one_alert() {
    let mut stage = stage();
    let first = executes(&mut stage, "/usr/bin/id").unwrap();
    assert!(!first.evidence.contains_key("steps"), "one step is no list");
    executes(&mut stage, "/usr/bin/cp").unwrap();
    writes(&mut stage, "/etc/motd").unwrap();
    let last = executes(&mut stage, "/usr/bin/rm").unwrap();
    assert_eq!((last.id, last.revision), (first.id, 3));
    assert_eq!(
        (last.rule.as_str(), last.severity),
        ("drift.exec_outside_profile", Severity::Medium)
    );
    assert_eq!(last.also, ["drift.write_outside_profile"]);
    assert_eq!(
        objects(&last),
        ["/usr/bin/id", "/usr/bin/cp", "/etc/motd", "/usr/bin/rm"]
    );
    assert_eq!(stage.0.open(), 1);
}

#[test]
fn the_first_that_says_what_was_done_names_it_and_others_are_their_own() {
    let mut stage = stage();
    let first = executes(&mut stage, "/usr/bin/cp").unwrap();
    writes(&mut stage, "/opt/x").unwrap();
    let named = executes_dropped(&mut stage, "/opt/x").unwrap();
    assert_eq!((named.id, named.revision), (first.id, 2));
    assert_eq!(
        (named.rule.as_str(), named.severity),
        ("drift.exec_from_upper", Severity::Critical)
    );
    assert_eq!(objects(&named), ["/usr/bin/cp", "/opt/x", "/opt/x"]);
    assert_eq!(
        stage.0.take_named(),
        [("drift.exec_from_upper".to_owned(), Severity::Critical)]
    );
    let (builder, scene) = &mut stage;
    let escape = raise(builder, scene, core_pattern()).unwrap();
    assert_ne!(escape.id, first.id);
    assert_eq!(
        (escape.rule.as_str(), escape.revision),
        ("escape.core_pattern", 0)
    );
    let later = executes(&mut stage, "/usr/bin/id").unwrap();
    assert_eq!((later.id, later.revision), (first.id, 3), "a step of the former");
    assert_eq!(
        (later.rule.as_str(), objects(&later).last()),
        ("drift.exec_from_upper", Some(&"/usr/bin/id"))
    );
    assert!(stage.0.take_named().is_empty(), "told once");
}

#[test]
fn a_name_that_is_usually_harmless_makes_it_no_less_severe() {
    let mut stage = stage();
    executes(&mut stage, "/usr/bin/id").unwrap();
    let (builder, scene) = &mut stage;
    let asked = crate::detect::testing::called(crate::event::CallName::PTRACE, [0; 4]);
    let named = raise(builder, scene, asked).unwrap();
    assert_eq!(
        (named.rule.as_str(), named.severity, named.revision),
        ("drift.anti_debug", Severity::Medium, 1)
    );
    assert_eq!(objects(&named), ["/usr/bin/id", "/usr/bin/id"]);
}

#[test]
fn what_a_program_of_the_profile_does_is_an_alert_of_its_own() {
    let mut stage = stage();
    let outside = executes(&mut stage, "/usr/bin/id").unwrap();
    stage.1.exe = process("/app/server");
    let (builder, scene) = &mut stage;
    let contact = raise(builder, scene, connect("10.0.0.9", 6379)).unwrap();
    assert_eq!(contact.rule, "lateral.unexpected_connection");
    assert_ne!(contact.id, outside.id);
}

#[test]
fn what_was_denied_is_no_step_of_what_was_done() {
    let mut stage = stage();
    let done = executes(&mut stage, "/usr/bin/cp").unwrap();
    stage.1.flags = RecordFlags(RecordFlags::DENIED);
    let denied = writes(&mut stage, "/opt/x").unwrap();
    assert_ne!(denied.id, done.id);
    let more = writes(&mut stage, "/opt/y").unwrap();
    assert_eq!((more.id, more.revision), (denied.id, 1));
    assert_eq!((done.action, more.action), (Action::Alerted, Action::Denied));
}

#[test]
fn when_its_window_has_closed_what_is_outside_is_a_new_alert() {
    let mut stage = stage();
    let first = executes(&mut stage, "/usr/bin/id").unwrap();
    assert_eq!(stage.0.due(BootTime(stage.1.now_ns + 61 * SECOND)).len(), 1);
    stage.1.now_ns += 3600 * SECOND;
    let second = executes(&mut stage, "/usr/bin/curl").unwrap();
    assert_ne!(second.id, first.id);
    assert_eq!(second.revision, 0);
    let named = executes_dropped(&mut stage, "/opt/x").unwrap();
    assert_eq!((named.id, named.revision), (second.id, 1));
}

#[test]
fn who_fills_the_list_of_steps_keeps_no_other_program_out_of_it() {
    let mut stage = stage();
    executes(&mut stage, "/usr/bin/cp").unwrap();
    for number in 0..60 {
        writes(&mut stage, &format!("/opt/noise{number}"));
    }
    let other = executes(&mut stage, "/usr/bin/curl").unwrap();
    assert_eq!(objects(&other).last(), Some(&"/usr/bin/curl"));
    assert_eq!(other.evidence["step_count"], 62);
    for number in 0..60 {
        executes(&mut stage, &format!("/usr/bin/tool{number}"));
    }
    let last = stage.0.drain().remove(0).close(counted(0), CLOCK).unwrap();
    assert_eq!(objects(&last).len(), 48, "bounded");
    assert_eq!(last.evidence["step_count"], 122);
}

/// A record that is but a step of the alert says more when it is judged again.
#[test]
fn what_one_step_turns_out_to_be_is_not_what_the_others_are() {
    let mut stage = stage();
    executes_dropped(&mut stage, "/opt/x").unwrap();
    let (builder, scene) = &mut stage;
    let written = || open(image_file(), "/opt/y", "", WRITE);
    let event = scene.event(written());
    let (mut said, findings) = (Said::default(), scene.inspect(written()));
    let step = scene.with_context(&event, |context| {
        builder.raise(context, findings.clone(), &mut said)
    });
    assert_eq!(step.unwrap().rule, "drift.exec_from_upper");
    let rule = crate::detect::rule("escape.host_file_write").unwrap();
    let of_host = Finding::new(rule, "/etc/y", "wrote /etc/y of the host");
    let more: Vec<Finding> = findings.into_iter().chain([of_host]).collect();
    let again = scene.with_context(&event, |context| builder.raise(context, more, &mut said));
    let again = again.unwrap();
    assert_eq!(
        (again.rule.as_str(), again.revision),
        ("escape.host_file_write", 0)
    );
    assert_eq!(builder.open(), 2);
}
