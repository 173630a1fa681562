use super::*;
use crate::alert::Activity;
use crate::detect::testing::{answer, connect, file, listen, open, question, scene};
use crate::event::{Payload, QuestionType, ResponseCode};

const ALERT: &str = r#"{"schema":"vigia.alert/v1","time":"2026-01-02T03:04:05.678901234Z","rule":"escape.core_pattern",
    "severity":"critical","summary":"sh wrote core_pattern","container":{"id":"0123456789abcdef","name":"web\u001b[2J",
    "image":{"ref":"nginx:1.25"}},"process":{"host_pid":9,"exe":"/bin/sh","ancestors":[{"exe":"/sbin/init"}]},
    "evidence":{"kind":"file_open"},"repeat":{"count":3}}"#;
const EVENT: &str = r#"{"schema":"vigia.event/v1","kind":"connect","evidence":{"kind":"connect"}}"#;

/// What the daemon publishes of an event.
fn published(payload: Payload) -> String {
    let scene = scene("nginx:1.25", "/bin/nc").answered("203.0.113.9", "api.example.org");
    let event = scene.event(payload);
    let activity = scene.with_context(&event, |context| {
        Activity::of(&event, context.host, context.neighbours)
    });
    serde_json::to_string(&activity).unwrap()
}

fn shown(line: &str, view: View) -> String {
    render(line, view, Detail::Relevant).unwrap()
}

#[test]
fn reads_of_the_image_are_left_out_unless_everything_is_wanted() {
    let open = |access: &str, in_image: &str| {
        format!(
            r#"{{"schema":"vigia.event/v1","kind":"file_open","evidence":{{"path":"/lib/libc.so.6","access":"{access}"{in_image}}}}}"#
        )
    };
    let library = open("read", r#","in_image":true"#);
    assert_eq!(render(&library, View::Plain, Detail::Relevant), None);
    assert!(render(&library, View::Plain, Detail::Everything).is_some());
    assert!(render(&library, View::Json, Detail::Relevant).is_some());
    for other in [
        open("write", r#","in_image":true"#),
        open("read", r#","in_image":false"#),
        open("read", ""),
    ] {
        assert!(shown(&other, View::Plain).contains("/lib/libc.so.6"), "{other}");
    }
}

#[test]
fn lifecycles_are_sentences() {
    let line = r#"{"schema":"vigia.event/v1","kind":"container","container":{"id":"0123456789abcdef"},
        "process":{"exe":"/usr/bin/runc"},"evidence":{"operation":"created","cgroup":"/x"}}"#;
    let text = shown(line, View::Plain);
    assert!(
        text.contains("0123456789ab ") && text.ends_with("container created"),
        "{text}"
    );
    let gone = line.replace("created", "gone");
    assert!(shown(&gone, View::Plain).ends_with("container gone"));
}

#[test]
fn alerts_show_what_who_and_how_often() {
    let text = shown(ALERT, View::Plain);
    for part in [
        "03:04:05.678",
        "web\\u{1b}[2J",
        "CRITICAL",
        "escape.core_pattern",
        "(3 times)",
        "/bin/sh (pid 9) < /sbin/init",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains('\x1b'));
    assert!(shown(ALERT, View::Coloured).contains("\x1b["));
}

#[test]
fn activity_shows_kind_executable_and_object() {
    for (payload, parts) in [
        (connect("10.0.0.1", 80), ["web ", "connect", "tcp 10.0.0.1:80"]),
        (
            connect("2001:db8::1", 443),
            ["web ", "connect", "tcp [2001:db8::1]:443"],
        ),
        (listen("0.0.0.0", 8080), ["web ", "listen", "tcp 0.0.0.0:8080"]),
        (
            open(file(0x9fa0), "/proc/kcore", "/kcore", 0),
            ["web ", "file_open", "/proc/kcore"],
        ),
    ] {
        let text = shown(&published(payload), View::Plain);
        assert!(text.contains("/bin/nc"), "{text}");
        for part in parts {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}

#[test]
fn names_that_are_asked_for_and_what_they_stand_for_are_shown() {
    let name = "api.example.org";
    let absent = crate::event::Dns {
        code: ResponseCode::NX_DOMAIN,
        ..answer(name, QuestionType::AAAA, &[])
    };
    for (payload, part) in [
        (
            Payload::Dns(question(name, QuestionType::AAAA)),
            "AAAA api.example.org of udp 10.96.0.10:53",
        ),
        (
            Payload::Dns(answer(name, QuestionType::A, &["203.0.113.9", "203.0.113.10"])),
            "A api.example.org: 203.0.113.9,203.0.113.10 from udp 10.96.0.10:53",
        ),
        (
            Payload::Dns(absent),
            "AAAA api.example.org: NXDOMAIN from udp 10.96.0.10:53",
        ),
        (
            connect("203.0.113.9", 443),
            "tcp 203.0.113.9:443 (api.example.org)",
        ),
    ] {
        let text = shown(&published(payload), View::Plain);
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[test]
fn json_is_left_alone_and_gaps_are_told() {
    assert_eq!(shown(EVENT, View::Json), EVENT);
    let missed = r#"{"schema":"vigia.missed/v1","missed":7}"#;
    assert!(shown(missed, View::Plain).contains("7 lines missed"));
    assert_eq!(shown("no\x07json", View::Plain), "no\\u{7}json");
}
