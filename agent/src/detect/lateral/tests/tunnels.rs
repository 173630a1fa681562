//! Data in questions for names.

use super::*;
use crate::detect::testing::{answer, question};
use crate::detect::{Class, Finding};
use crate::event::{Dns, DomainName, QuestionType, RecordFlags};

const BASE32: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
const HEX: &[u8] = b"0123456789abcdef";
const RULE: &str = "lateral.dns_tunnelling";

/// What data look like when they are encoded: the same for the same number.
fn encoded(number: u64, length: usize, alphabet: &[u8]) -> String {
    let mut state = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = usize::try_from(state % alphabet.len() as u64).unwrap();
        char::from(alphabet[at])
    };
    (0..length).map(letter).collect()
}

/// How many of these messages, one each second, were handled when the rule told of them.
fn told(scene: Scene, messages: impl Iterator<Item = Dns>) -> Option<(usize, Finding)> {
    told_at(scene, 1, messages)
}

/// The same of so many in a second.
fn told_at(mut scene: Scene, rate: u64, messages: impl Iterator<Item = Dns>) -> Option<(usize, Finding)> {
    messages.enumerate().find_map(|(number, message)| {
        scene.now_ns += SECOND / rate;
        let findings = scene.inspect(Payload::Dns(message));
        let found = findings.into_iter().find(|finding| finding.rule.id == RULE);
        found.map(|finding| (number + 1, finding))
    })
}

/// The attack of the corpus: 48 letters of base32 below t.test, for TXT.
fn attack() -> impl Iterator<Item = Dns> {
    (0..20).map(|number| {
        let name = format!("{}.t.test", encoded(number, 48, BASE32));
        question(&name, QuestionType::TXT)
    })
}

#[test]
fn a_tunnel_is_told_with_its_domain_and_is_a_step_of_its_program_s_deed() {
    let (count, finding) = told(app(), attack()).unwrap();
    assert_eq!(count, 16);
    assert_eq!(
        (finding.object.as_str(), finding.severity),
        ("t.test", Severity::High)
    );
    assert_eq!(finding.deed.as_deref(), Some("/usr/bin/python3"));
    assert_eq!(finding.evidence["bytes"], 16 * 48);
    let summary = "/usr/bin/python3 in web passes data through names below t.test: 768 bytes in 16 messages within 600 s";
    assert_eq!(finding.summary, summary);
}

#[test]
fn data_is_found_however_it_is_put_into_names() {
    let seams = |number: u64, labels: usize, length: usize| {
        let text = encoded(number, labels * length, BASE32);
        let label = |label: &[u8]| -> String {
            let parts: Vec<_> = label.chunks(11).map(String::from_utf8_lossy).collect();
            parts.join("-")
        };
        let labels: Vec<String> = text.as_bytes().chunks(length).map(label).collect();
        format!("{}.evil.example", labels.join("."))
    };
    let hex = |number: u64| {
        let text = encoded(number, 120, HEX);
        format!("{}.{}.t.evil.example", &text[..60], &text[60..])
    };
    let asked = |name: String| question(&name, QuestionType::A);
    let kinds: [&dyn Fn(u64) -> Dns; 5] = [
        &|number| asked(hex(number)),
        &|number| asked(format!("{}.evil.example", encoded(number, 50, BASE32))),
        &|number| asked(seams(number, 1, 55)),
        &|number| asked(seams(number, 4, 30)),
        &|number| {
            // As iodine does it: any byte.
            let label: Vec<u8> = encoded(number, 60, BASE32)
                .bytes()
                .map(|byte| byte ^ 0x80)
                .collect();
            let mut dns = question("x", QuestionType(65_399));
            let labels = [label.as_slice(), b"evil", b"example"];
            dns.question.as_mut().unwrap().name = DomainName::of_labels(labels.into_iter());
            dns
        },
    ];
    for (number, kind) in kinds.iter().enumerate() {
        let found = told(app(), (0..100).map(kind)).map(|(count, finding)| (count < 64, finding.object));
        assert_eq!(found, Some((true, "evil.example".to_owned())), "kind {number}");
    }
}

#[test]
fn answers_bring_data_back() {
    let staged = (0..20).map(|number| Dns {
        opaque_bytes: 255,
        ..answer(&format!("{number}.stage.evil.example"), QuestionType::TXT, &[])
    });
    assert_eq!(told(app(), staged).unwrap().0, 13);
    let keys = (0..60).map(|number| Dns {
        opaque_bytes: 410,
        ..answer(
            &format!("mail._domainkey.sender{number}.example"),
            QuestionType::TXT,
            &[],
        )
    });
    assert!(told(app(), keys).is_none(), "of different domains");
    let policies = (0..60).map(|number| Dns {
        opaque_bytes: 120,
        ..answer(&format!("spf{number}.example.org"), QuestionType::TXT, &[])
    });
    assert!(told(app(), policies).is_none(), "short ones");
}

#[test]
fn names_of_ordinary_services_are_no_tunnel() {
    let hash = |number, length| encoded(number, length, HEX);
    let names: [&dyn Fn(u64) -> String; 11] = [
        // Content networks, and storage of clouds.
        &|number| format!("d{}.cloudfront.example", encoded(number, 13, BASE32)),
        &|number| format!("productionresultssa{number}.blob.core.example.net"),
        &|number| format!("my-company-prod-logs-eu-west-{number}.s3.example.com"),
        // Lists that mail servers ask: addresses of both kinds, domains, digests.
        &|number| format!("{}.{}.0.192.zen.example.org", number % 256, number / 256),
        &|number| {
            let digits: Vec<String> = hash(number, 32).chars().map(String::from).collect();
            format!("{}.zen.example.org", digits.join("."))
        },
        &|number| format!("www.some-shop-{number}.com.multi.uribl.example"),
        &|number| format!("{}.ebl.example.org", hash(number, 40)),
        &|number| {
            let uuid = hash(number, 32);
            let parts = [
                &uuid[..8],
                &uuid[8..12],
                &uuid[12..16],
                &uuid[16..20],
                &uuid[20..],
            ];
            format!("{}.westeurope.example.net", parts.join("-"))
        },
        // Pods and services, with what a resolver searches in.
        &|number| {
            format!(
                "web-{}-x2x4z.web.shop.svc.cluster.local",
                encoded(number, 10, BASE32)
            )
        },
        &|number| format!("{}.t.test.shop.svc.cluster.local", encoded(number, 48, BASE32)),
        &|number| format!("{}.ip6.arpa", hash(number, 32)),
    ];
    for (number, name) in names.iter().enumerate() {
        let asked = |number: u64| question(&name(number), QuestionType::A);
        let found = told(app(), (0..300).map(asked));
        assert!(found.is_none(), "sort {number}: {found:?}");
    }
}

#[test]
fn few_long_names_again_and_again_are_no_tunnel() {
    let search = |number: u64| {
        format!(
            "search-logs-{}.eu-west-1.example.com",
            encoded(number, 26, BASE32)
        )
    };
    let both = |number: u64| {
        let kinds = [QuestionType::A, QuestionType::AAAA];
        kinds.map(|kind| question(&search(number % 8), kind))
    };
    assert!(told(app(), (0..200).flat_map(both)).is_none());
    let mut slow = app();
    for message in attack() {
        slow.now_ns += 120 * SECOND;
        let rules = slow.rules_of(Class::Lateral, Payload::Dns(message));
        assert!(rules.is_empty(), "five in each window");
    }
    let mut watched = app();
    watched.flags = RecordFlags(RecordFlags::REPEAT);
    assert!(told(watched, attack()).is_none(), "it was counted before");
}

#[test]
fn noise_below_other_domains_hides_no_tunnel() {
    let noisy = attack().enumerate().flat_map(|(number, message)| {
        let noise = move |other: u64| {
            let label = encoded(number as u64 * 100 + other, 20, HEX);
            question(&format!("{label}.noise{number}x{other}.example"), QuestionType::A)
        };
        (0..20).map(noise).chain([message])
    });
    assert_eq!(told(app(), noisy).unwrap().1.object, "t.test");
}

#[test]
fn the_profile_may_name_such_a_domain_and_resolvers_ask_for_others() {
    let profile = |name: &str| {
        let connect = format!("state: complete\nconnect: [{{dns: \"{name}\", port: 443}}]");
        told(app().with_profile(&connect), attack()).is_some()
    };
    assert!(!profile("*.t.test") && profile("*.example.org"));
    let learning = "state: learning\nmode: {lateral: learn}\nconnect: [{port: 443}]";
    assert!(
        told(app().with_profile(learning), attack()).is_some(),
        "no attack is learned"
    );
    assert!(told(scene("coredns/coredns", "/coredns"), attack()).is_none());
}

#[test]
fn names_without_any_mark_are_a_tunnel_if_there_are_very_many_below_one_domain() {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
    let letters = (0..1000).map(|number| {
        let text = encoded(number, 45, LETTERS);
        let name = format!("{}.{}.{}.evil.example", &text[..15], &text[15..30], &text[30..]);
        question(&name, QuestionType::A)
    });
    let (count, finding) = told_at(app(), 10, letters).unwrap();
    assert_eq!((count, finding.object.as_str()), (1536 / 2, "evil.example"));
    let names: [&dyn Fn(u64) -> String; 3] = [
        &|number| format!("www.some-quite-long-name.of-a-shop.shop{number}.example"),
        &|number| format!("www.site{number}.com.corp.example.org"),
        &|number| format!("site{number}.com.shop.svc.cluster.local"),
    ];
    for (number, name) in names.iter().enumerate() {
        let asked = |number: u64| question(&name(number), QuestionType::A);
        let found = told_at(app(), 10, (0..3000).map(asked));
        assert!(found.is_none(), "sort {number}: {found:?}");
    }
}

#[test]
fn what_repeats_below_a_domain_and_digests_of_any_type_carry_nothing() {
    let key = encoded(7, 26, BASE32);
    let keyed = |number: u64| format!("{}.{}.0.192.{key}.zen.dq.example.net", number % 256, number / 256);
    let digest = |number: u64| format!("{}.{key}.hbl.dq.example.net", encoded(number, 52, BASE32));
    let sender = |number: u64| {
        let selector = encoded(number, 32, BASE32);
        format!("{selector}._domainkey.sender{number}.example")
    };
    let names: [&dyn Fn(u64) -> String; 3] = [&keyed, &digest, &sender];
    for (number, name) in names.iter().enumerate() {
        let asked = |number: u64| question(&name(number), QuestionType::TXT);
        let found = told(app(), (0..400).map(asked));
        assert!(found.is_none(), "sort {number}: {found:?}");
    }
}

#[test]
fn decoys_hide_no_tunnel() {
    let decoyed = attack().enumerate().flat_map(|(number, message)| {
        let decoy = move |other: u64| {
            let label = encoded(number as u64 * 100 + other, 60, BASE32);
            question(&format!("{label}.decoy{other}.example"), QuestionType::A)
        };
        (0..40).map(decoy).chain([message])
    });
    let (count, finding) = told(app(), decoyed).unwrap();
    assert!(count < 3 * 41, "{count}");
    assert!(finding.summary.contains(" and others: "), "{}", finding.summary);
}
