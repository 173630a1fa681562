mod matching;
mod tables;

use super::store::{Presence, load_file, load_folder};
use super::*;
use crate::detect::Class;
use crate::event::{DomainName, Script};
use crate::host::PortRange;
use std::fs;
use std::path::Path;
use std::time::Duration;

const GOOD: &str = r#"apiVersion: vigia.dev/v1alpha1
kind: BehaviorProfile
metadata: { name: nginx }
match:
  images: ["nginx:1.25*"]
state: complete
mode: { lateral: learn }
exec:
  - { path: /usr/sbin/nginx }
listen:
  - { port: 80, exe: /usr/sbin/nginx, provenance: { source: image } }
  - { proto: udp, port: ephemeral, address: loopback }
connect:
  - { image: postgres, port: 5432 }
  - { cidr: 10.0.0.0/8, port: 53, proto: udp }
files:
  write: [{ path: /var/cache/nginx/ }]
capabilities: [{ name: CAP_NET_BIND_SERVICE }]
"#;

fn error(text: &str) -> String {
    parse(text, Path::new("p.yaml")).unwrap_err().to_string()
}

fn listen(profile: &CompiledProfile, port: u16, exe: &str) -> ListenVerdict {
    profile.listen(&ListenQuery {
        proto: Protocol::Tcp,
        port,
        address: [0, 0, 0, 0].into(),
        exe: exe.as_bytes(),
        ephemeral: PortRange::default(),
    })
}

#[test]
fn a_profile_survives_being_written_and_read() {
    let profile = parse(GOOD, Path::new("p.yaml")).unwrap();
    let written = serde_saphyr::to_string(&profile).unwrap();
    assert_eq!(parse(&written, Path::new("q.yaml")).unwrap(), profile);
}

#[test]
fn each_mistake_has_a_place_a_reason_and_a_remedy() {
    let replaced = |from: &str, to: &str| error(&GOOD.replace(from, to));
    let cases = [
        (
            replaced("listen:", "lisen:"),
            "p.yaml:10:1: unknown key `lisen`; did you mean `listen`?",
        ),
        (
            replaced("port: 80", "port: 70000"),
            "p.yaml:11:13: port 70000 is not between 1 and 65535; write one, `ephemeral` or `any`",
        ),
        (
            replaced("port: 80", "port: http"),
            "p.yaml:11:13: `http` is no port; write 1 to 65535, `ephemeral` or `any`",
        ),
        (
            replaced("10.0.0.0/8", "10.0.0.0/99"),
            "p.yaml:15:13: `10.0.0.0/99` is no network; write one as 10.0.0.0/8 or fd00::/8",
        ),
        (
            replaced("10.0.0.0/8", "10.1.0.0/8"),
            "p.yaml:15:13: `10.1.0.0/8` has bits set beyond its prefix; write 10.0.0.0/8",
        ),
        (
            replaced("path: /usr/sbin/nginx", "path: \"/usr/[\""),
            "p.yaml:9:13: `/usr/[` is no pattern: unclosed character class; missing ']'; escape special characters with `\\`",
        ),
        (
            replaced("path: /usr/sbin/nginx", "path: nginx"),
            "p.yaml:9:13: `nginx` is no absolute path; begin it with `/` or `**/`",
        ),
        (
            replaced("kind: BehaviorProfile", "kind: Pod"),
            "p.yaml:2:7: `Pod` is not allowed here; write one of `BehaviorProfile`",
        ),
        (
            replaced("state: complete", "state: complete\nstate: partial"),
            "p.yaml:7:1: `state` stands here twice; keep one",
        ),
        (
            replaced("metadata: { name: nginx }", "metadata: {}"),
            "p.yaml:3:11: `name` is missing; add it",
        ),
    ];
    assert_messages(&cases);
    assert!(
        replaced("exec:\n", "exec: yes\n#").starts_with("p.yaml:8:7: "),
        "{}",
        replaced("exec:\n", "exec: yes\n#")
    );
    assert!(error("a: [").starts_with("p.yaml:"), "{}", error("a: ["));
}

/// Processor time of this thread: what other tests and other programs use does not count.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap()
}

/// The message of a refusal, which must not take longer than was promised.
fn refused_soon(refuse: impl FnOnce() -> String) -> String {
    let begun = cpu_time();
    let message = refuse();
    let took = cpu_time() - begun;
    assert!(took < Duration::from_secs(1), "{took:?} for: {message}");
    message
}

fn assert_messages(cases: &[(String, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(message, expected)| message != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_a_type_cannot_refuse_has_a_place_too() {
    let replaced = |from: &str, to: &str| error(&GOOD.replace(from, to));
    let cases = [
        (
            replaced("CAP_NET_BIND_SERVICE", "CAP_FLY"),
            "p.yaml:18:24: capability `CAP_FLY` is not known; write it as CAP_NET_BIND_SERVICE",
        ),
        (
            replaced("  images: [\"nginx:1.25*\"]", "  digest: abc"),
            "p.yaml:5:11: `abc` is no digest; write sha256: and 64 hexadecimal digits",
        ),
        (
            replaced("  images: [\"nginx:1.25*\"]", "  images: []"),
            "p.yaml:5:3: `match` matches nothing; give `digest`, `image_id`, `images` or `cgroups`",
        ),
        (
            replaced("name: nginx", "name: \"a b\""),
            "p.yaml:3:19: metadata.name `a b` must have 1 to 253 characters without spaces",
        ),
        (
            replaced("lateral: learn", "escape: enforce"),
            "p.yaml:7:7: profiles do not say what may be done of class `escape`, so it cannot be enforced; `drift`, `listener`, `lateral` and `credential` can",
        ),
        (
            error(
                &GOOD
                    .replace("lateral: learn", "lateral: enforce")
                    .replace("complete", "partial"),
            ),
            "p.yaml:7:18: a profile that is `partial` cannot be enforced: what it does not know yet would be denied; write `monitor`, or \
             make it `state: complete`",
        ),
        (
            replaced("{ image: postgres, port: 5432 }", "{}"),
            "p.yaml:14:5: this entry allows every contact; give `cidr`, `image`, `dns`, `port` or `exe`",
        ),
        (
            replaced("{ image: postgres, port: 5432 }", "{ proto: udp }"),
            "p.yaml:14:5: this entry allows every contact; give `cidr`, `image`, `dns`, `port` or `exe`",
        ),
        (
            replaced("image: postgres", "dns: \"a b\""),
            "p.yaml:14:12: `a b` is no host name; write one as db.example.org or *.example.org",
        ),
        (
            replaced("path: /usr/sbin/nginx", "path: /x, args: [\"[\"]"),
            "p.yaml:9:23: `[` is no pattern: unclosed character class; missing ']'; escape special characters with `\\`",
        ),
    ];
    assert_messages(&cases);
}

#[test]
fn bombs_are_refused_in_less_than_a_second() {
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (previous, name) in ('a'..'i').zip('b'..'j') {
        bomb.push_str(&format!(
            "{name}: &{name} [{}]\n",
            vec![format!("*{previous}"); 9].join(",")
        ));
    }
    let bomb = format!("{GOOD}labels: *i\n").replace("apiVersion", &format!("{bomb}apiVersion"));
    let message = refused_soon(|| error(&bomb));
    assert!(message.starts_with("p.yaml"), "{message}");
    let nested = format!("match: {}", "[".repeat(100_000));
    assert!(refused_soon(|| error(&nested)).starts_with("p.yaml"));
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.yaml");
    fs::write(&large, vec![b'a'; 50 << 20]).unwrap();
    let message = refused_soon(|| load_file(&large).unwrap_err().to_string());
    assert!(
        message.contains("52428800 bytes are more than the 1048576"),
        "{message}"
    );
    let many = format!("{GOOD}#\nx:\n{}", "- a\n".repeat(200_000));
    assert!(refused_soon(|| error(&many)).starts_with("p.yaml"));
}

#[test]
fn folders_are_read_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    assert!(load_folder(&absent, Presence::Optional).unwrap().is_empty());
    assert!(matches!(
        load_folder(&absent, Presence::Required),
        Err(ProfileError::Missing(_))
    ));
    fs::write(folder.path().join("a.yaml"), GOOD).unwrap();
    fs::write(folder.path().join("notes.txt"), "no profile").unwrap();
    assert_eq!(load_folder(folder.path(), Presence::Required).unwrap().len(), 1);
    assert!(matches!(
        load_folder(&folder.path().join("a.yaml"), Presence::Required),
        Err(ProfileError::NotAFolder(_))
    ));
    assert!(matches!(load_file(folder.path()), Err(ProfileError::Folder(_))));
    assert!(matches!(
        load_file(Path::new("/dev/null")),
        Err(ProfileError::NotAFile(_))
    ));
    assert!(matches!(load_file(&absent), Err(ProfileError::MissingFile(_))));
    let binary = folder.path().join("binary");
    fs::write(&binary, b"a: \xff").unwrap();
    assert!(matches!(load_file(&binary), Err(ProfileError::NotText(_))));
    fs::write(folder.path().join("b.yaml"), GOOD).unwrap();
    let message = load_folder(folder.path(), Presence::Required)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("b.yaml:3:19: metadata.name `nginx` is already that of the profile in")
            && message.contains("a.yaml:3:19"),
        "{message}"
    );
    fs::remove_file(folder.path().join("b.yaml")).unwrap();
    fs::create_dir(folder.path().join("c.yaml")).unwrap();
    assert!(matches!(
        load_folder(folder.path(), Presence::Required),
        Err(ProfileError::Folder(_))
    ));
}

#[test]
fn an_address_is_allowed_by_what_was_asked_for() {
    let text = GOOD.replace("image: postgres", "dns: \"*.Example.org\"");
    let profile = parse(&text, Path::new("p")).unwrap();
    let written = serde_saphyr::to_string(&profile).unwrap();
    assert_eq!(parse(&written, Path::new("q")).unwrap(), profile);
    let profile = compile(profile);
    let query = |port| ConnectQuery {
        proto: Protocol::Tcp,
        address: [192, 0, 2, 1].into(),
        port,
        exe: b"/x",
        peer: None,
        ephemeral: PortRange::default(),
    };
    let allowed = |port: u16, names: &[&str]| {
        let names: Vec<DomainName> = names.iter().map(|name| (*name).into()).collect();
        profile.connect_named(&query(port), &names)
    };
    assert!(allowed(5432, &["db.example.org"]) && allowed(5432, &["a.db.example.org"]));
    assert!(
        allowed(5432, &["elsewhere.example.net", "db.example.org"]),
        "by any of its names"
    );
    assert!(!allowed(5432, &["example.org"]) && !allowed(5432, &["db.example.org.example.net"]));
    assert!(!allowed(443, &["db.example.org"]), "another port");
    assert!(!allowed(5432, &[]) && !profile.connect(&query(5432)));
    assert!(profile.names(&"db.example.org".into()) && !profile.names(&"example.net".into()));
}

#[test]
fn who_enforces_contacts_is_told_that_names_are_not_denied() {
    let named = GOOD.replace("image: postgres", "dns: \"*.Example.org\"");
    let warned = |text: &str| warnings(&parse(text, Path::new("p")).unwrap());
    assert!(warned(&named).is_empty(), "nothing is to be denied");
    let enforced = named.replace("lateral: learn", "lateral: enforce");
    assert_eq!(
        warned(&enforced),
        [
            "`connect` to *.example.org: the kernel knows no names, so no contact of this profile is denied, each is judged \
             afterwards; write `cidr` or `image` in place of `dns` to have contacts denied",
        ]
    );
    let more = enforced.replace("connect:\n", "connect:\n  - { dns: db.example.net }\n");
    assert!(warned(&more)[0].starts_with("`connect` to db.example.net and 1 more: "));
    assert!(warned(&GOOD.replace("lateral: learn", "lateral: enforce")).is_empty());
}

#[test]
fn programs_are_allowed_with_their_arguments_and_scripts_by_their_name() {
    let entries =
        r#"exec: [{path: /bin/sh, args: ["-c", "exec nginx *"]}, {path: /entrypoint.sh, args: ["**"]}]"#;
    let text = GOOD.replace("exec:\n  - { path: /usr/sbin/nginx }", entries);
    let profile = parse(&text, Path::new("p")).unwrap();
    let written = serde_saphyr::to_string(&profile).unwrap();
    assert_eq!(parse(&written, Path::new("q")).unwrap(), profile, "{written}");
    let profile = compile(profile);
    let exec = |script: Option<&Script>, arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(|word| (*word).into()).collect();
        profile.exec(&ExecQuery {
            path: b"/bin/sh",
            arguments: &arguments,
            script,
            parent: None,
        })
    };
    let script = |path: &str| Script {
        path: path.into(),
        arguments: vec!["nginx".into()],
    };
    assert!(exec(None, &["-c", "exec nginx -g x"]));
    assert!(!exec(None, &["-c", "curl x"]) && !exec(None, &[]));
    assert!(exec(
        Some(&script("/entrypoint.sh")),
        &["/entrypoint.sh", "nginx"]
    ));
    assert!(!exec(Some(&script("/tmp/x.sh")), &["/tmp/x.sh", "nginx"]));
}

#[test]
fn the_verdict_names_what_is_wrong() {
    let profile = compile(parse(GOOD, Path::new("p")).unwrap());
    assert_eq!(
        listen(&profile, 80, "/usr/sbin/nginx"),
        ListenVerdict::Expected(Source::Image)
    );
    assert_eq!(listen(&profile, 81, "/usr/sbin/nginx"), ListenVerdict::WrongPort);
    assert_eq!(
        listen(&profile, 80, "/usr/bin/nc"),
        ListenVerdict::WrongExecutable
    );
    assert_eq!(listen(&profile, 81, "/usr/bin/nc"), ListenVerdict::Unknown);
    assert!(profile.judges(Class::Listener) && !profile.judges(Class::Lateral));
    let image = ImageName::parse("postgres:16").unwrap();
    let connect = |peer, port, proto| {
        profile.connect(&ConnectQuery {
            proto,
            address: [10, 1, 1, 1].into(),
            port,
            exe: b"/x",
            peer,
            ephemeral: PortRange::default(),
        })
    };
    assert!(connect(Some(&image), 5432, Protocol::Tcp));
    assert!(!connect(None, 5432, Protocol::Tcp));
    assert!(connect(None, 53, Protocol::Udp));
}
