//! Files upon files, environment and flags: who wins, and who is named.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(folder.path("conf.d")).unwrap();
        for (name, text) in files {
            std::fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sources(&self) -> Sources {
        Sources {
            file: Some(self.path("config.yaml")),
            ..Sources::default()
        }
    }

    fn load(&self) -> Result<Loaded, String> {
        load(&self.sources()).map_err(|error| self.short(&error.to_string()))
    }

    /// Without the folder's own path.
    fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    fn origin(&self, loaded: &Loaded, path: &[&str]) -> String {
        let path: Vec<yaml::Segment> = path
            .iter()
            .map(|part| {
                part.parse()
                    .map_or_else(|_| yaml::Segment::Key((*part).to_owned()), yaml::Segment::Index)
            })
            .collect();
        self.short(&loaded.origins.of(&path).to_string())
    }
}

#[test]
fn fragments_lie_upon_the_file_in_the_order_of_their_names() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "log: {level: warn, format: json}\nprofiles_dir: /a\n",
        ),
        ("conf.d/20-b.yaml", "profiles_dir: /c\n"),
        ("conf.d/10-a.yml", "log:\n  level: debug\nprofiles_dir: /b\n"),
        ("conf.d/.hidden.yaml", "profiles_dir: /d\n"),
        ("conf.d/30.yaml.dpkg-old", "profiles_dir: /e\n"),
    ]);
    let loaded = folder.load().unwrap();
    let log = RawLog {
        level: LogLevel::Debug,
        format: LogFormat::Json,
    };
    assert_eq!(loaded.config.log, log, "maps merge key by key");
    assert_eq!(loaded.config.profiles_dir, Path::new("/c"));
    let files = ["config.yaml", "conf.d/10-a.yml", "conf.d/20-b.yaml"];
    assert_eq!(loaded.files, files.map(|file| folder.path(file)));
    for (path, origin) in [
        (&["log", "level"][..], "conf.d/10-a.yml:2"),
        (&["log", "format"], "config.yaml:1"),
        (&["profiles_dir"], "conf.d/20-b.yaml:1"),
        (&["state_dir"], "default"),
        (&["spool", "max_size_mib"], "default"),
    ] {
        assert_eq!(folder.origin(&loaded, path), origin, "{path:?}");
    }
}

#[test]
fn sinks_merge_by_name_and_other_lists_replace() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "sinks:\n- {name: out, type: stdout}\n- name: siem\n  type: webhook\n  url: http://h\n  headers: {A: '1', B: '2'}\n  classes: [escape, drift]\n",
        ),
        (
            "conf.d/a.yaml",
            "sinks:\n- name: siem\n  min_severity: high\n  headers: {B: '3'}\n  classes: [sensor]\n- {name: disk, type: file, path: /a}\n",
        ),
    ]);
    let loaded = folder.load().unwrap();
    let sinks = &loaded.config.sinks;
    let names: Vec<_> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["out", "siem", "disk"]);
    assert_eq!(sinks[1].filter.min_severity, Severity::High);
    assert_eq!(sinks[1].filter.classes, Some(vec![Class::Sensor]));
    let SinkKind::Http(http) = &sinks[1].kind else {
        panic!()
    };
    let headers = [("A", "1"), ("B", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!((http.url.as_str(), &http.headers[..]), ("http://h", &headers[..]));
    for (path, origin) in [
        (&["sinks", "1", "url"][..], "config.yaml:5"),
        (&["sinks", "1", "headers", "B"], "conf.d/a.yaml:4"),
        (&["sinks", "1", "headers", "A"], "config.yaml:6"),
        (&["sinks", "1", "classes", "0"], "conf.d/a.yaml:5"),
        (&["sinks", "2", "path"], "conf.d/a.yaml:6"),
    ] {
        assert_eq!(folder.origin(&loaded, path), origin, "{path:?}");
    }
}

#[test]
fn errors_name_the_fragment_and_its_line() {
    let main = ("config.yaml", "sinks:\n- {name: disk, type: file, path: /a}\n");
    for (fragment, expected) in [
        (
            "log:\n  loudness: info\n",
            "conf.d/a.yaml:2:3: unknown key `loudness`",
        ),
        ("\nmetrics: 5\n", "conf.d/a.yaml:2:10: "),
        (
            "metrics:\n  listen: '127.0.0.1:70000'\n",
            "conf.d/a.yaml:2:11: metrics.listen: port 70000",
        ),
        (
            "sinks:\n- {name: dsk, min_severity: high}\n",
            "conf.d/a.yaml:2:3: sinks[1]: the sink `dsk` has no `type`",
        ),
        (
            "sinks:\n- {name: disk}\n- {name: disk}\n",
            "conf.d/a.yaml:3:10: sinks[1].name: the name `disk` is used twice",
        ),
        (
            "sinks:\n- name: disk\n  url: http://h\n",
            "conf.d/a.yaml:3:8: sinks[0].url: `url` is not for sinks of type `file`",
        ),
        (
            "sinks:\n- name: disk\n  type: stdout\n",
            "config.yaml:2:34: sinks[0].path: `path` is not for",
        ),
        ("- 1\n", "conf.d/a.yaml:1:1: "),
    ] {
        let error = Folder::new(&[main, ("conf.d/a.yaml", fragment)])
            .load()
            .unwrap_err();
        assert!(error.starts_with(expected), "{fragment}: {error}");
    }
}

#[test]
fn a_folder_that_is_none_and_files_that_are_none_are_told() {
    let folder = Folder::new(&[("config.yaml", "")]);
    std::fs::create_dir(folder.path("conf.d/a.yaml")).unwrap();
    assert!(
        folder
            .load()
            .unwrap_err()
            .starts_with("conf.d/a.yaml: is a directory")
    );
    std::fs::remove_dir_all(folder.path("conf.d")).unwrap();
    assert_eq!(folder.load().unwrap().files, [folder.path("config.yaml")]);
    std::fs::write(folder.path("conf.d"), "").unwrap();
    assert!(folder.load().unwrap_err().starts_with("conf.d: is no folder"));
}

#[test]
fn the_daemon_is_found_as_long_as_the_mistakes_are_elsewhere() {
    let folder = Folder::new(&[
        ("config.yaml", "run_dir: /a\nlog: {level: loud}\n"),
        ("conf.d/a.yaml", "sinks: [{name: x, type: none}]\nstatedir: /b\n"),
    ]);
    let mut sources = folder.sources();
    assert!(load(&sources).is_err());
    let found = |sources: &Sources| find_socket(sources).map_err(|error| folder.short(&error.to_string()));
    assert_eq!(found(&sources).unwrap(), Path::new("/a/agent.sock"));
    std::fs::write(folder.path("conf.d/a.yaml"), "run_dir: [\n").unwrap();
    assert!(found(&sources).is_err());
    sources.flags.run_dir = Some("/c".into());
    assert_eq!(found(&sources).unwrap(), Path::new("/c/agent.sock"));
    sources.flags.run_dir = None;
    sources.file = Some(folder.path("none.yaml"));
    assert!(
        found(&sources).is_err(),
        "another agent must not be asked instead"
    );
}

#[test]
fn a_key_without_a_value_says_nothing() {
    let folder = Folder::new(&[
        ("config.yaml", "sinks:\n- {name: disk, type: file, path: /a}\n"),
        (
            "conf.d/a.yaml",
            "sinks:\n# - all commented out\nlog:\nmetrics:\n  listen:\n",
        ),
    ]);
    // A null where text belongs is refused as before.
    assert!(folder.load().is_err());
    std::fs::write(folder.path("conf.d/a.yaml"), "sinks:\n# - all commented out\n").unwrap();
    assert_eq!(folder.load().unwrap().config.sinks[0].name, "disk");
}

#[test]
fn environment_and_flags_are_named_as_the_origin_and_in_errors() {
    let folder = Folder::new(&[("config.yaml", "log: {level: warn}\nstate_dir: /a\n")]);
    let mut sources = folder.sources();
    sources.environment = vec![("VIGIA_LOG__LEVEL".to_owned(), "debug".to_owned())];
    sources.flags = Flags {
        state_dir: Some("/b".into()),
        alerts: Some("/c/alerts".into()),
        ..Flags::default()
    };
    let loaded = load(&sources).unwrap();
    assert_eq!(folder.origin(&loaded, &["log", "level"]), "VIGIA_LOG__LEVEL");
    assert_eq!(folder.origin(&loaded, &["state_dir"]), "--state-dir");
    assert_eq!(folder.origin(&loaded, &["sinks", "0", "type"]), "default");
    assert_eq!(folder.origin(&loaded, &["sinks", "1", "path"]), "--alerts");
    assert_eq!(loaded.config.sinks[0], SinkConfig::stdout());
    let file = SinkKind::File(FileSink::new("/c/alerts".into()));
    assert_eq!(loaded.config.sinks[1].kind, file);
    sources.environment = vec![("VIGIA_SPOOL__MAX_SIZE_MIB".to_owned(), "1".to_owned())];
    let error = load(&sources).unwrap_err().to_string();
    assert!(
        error.starts_with("environment variable VIGIA_SPOOL__MAX_SIZE_MIB: 1 MiB is out of range"),
        "{error}"
    );
    sources.environment.clear();
    sources.flags.metrics_listen = Some("x".to_owned());
    let error = load(&sources).unwrap_err().to_string();
    assert!(
        error.starts_with("--metrics-listen: `x` is not an address"),
        "{error}"
    );
}

#[test]
fn what_is_printed_is_what_is_in_force_with_its_origins() {
    let folder = Folder::new(&[
        (
            "config.yaml",
            "sinks:\n- name: siem\n  type: webhook\n  url: http://h\n  headers: {X-A: \"a: b # c\", X-Long: 'word word word word word word word word word word word word word word word word word word word word'}\n  namespaces: [shop, bank]\n",
        ),
        ("conf.d/a.yaml", "sinks:\n- name: siem\n  min_severity: high\n"),
    ]);
    let loaded = folder.load().unwrap();
    let text = loaded.to_yaml_with_origins().unwrap();
    for printed in [&text, &loaded.to_yaml().unwrap()] {
        let again: RawConfig = yaml::parse(Path::new("printed"), printed).unwrap();
        assert_eq!(again, loaded.raw, "{printed}");
    }
    let text = folder.short(&text);
    for line in [
        "state_dir: /var/lib/vigia  # default",
        "url: http://h  # config.yaml:4",
        "min_severity: high  # conf.d/a.yaml:3",
        "- bank  # config.yaml:6",
        "level: info  # default",
    ] {
        assert!(
            text.lines().any(|printed| printed.trim() == line),
            "{line} is missing in {text}"
        );
    }
}

/// Keys that a file may say: plain ones, nested ones, those of named sinks.
const KEYS: [(&str, &str); 8] = [
    ("", "profiles_dir: /"),
    ("spool:", "  max_size_mib: "),
    ("runtimes:", "  docker: {socket: /D"),
    ("runtimes:", "  crio: {socket: /C"),
    ("sinks:\n- name: a", "  path: /"),
    ("sinks:\n- name: a", "  max_files: "),
    ("sinks:\n- name: b", "  path: /"),
    ("sinks:\n- name: c", "  path: /"),
];

/// What one file says, by the number of the key.
fn statements() -> impl Strategy<Value = BTreeMap<usize, u8>> {
    proptest::collection::btree_map(0..KEYS.len(), 16_u8..99, 0..6)
}

fn to_text(statements: &BTreeMap<usize, u8>) -> String {
    let mut text = String::new();
    let mut last = Vec::new();
    for (key, value) in statements {
        let (heads, line) = KEYS[*key];
        let heads: Vec<&str> = heads.lines().collect();
        let same = heads
            .iter()
            .zip(&last)
            .take_while(|(head, last)| head == last)
            .count();
        for head in &heads[same..] {
            text.push_str(&format!("{head}\n"));
        }
        let end = if line.contains('{') { "}" } else { "" };
        text.push_str(&format!("{line}{value}{end}\n"));
        last = heads;
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fragments_say_together_what_one_file_with_the_last_word_on_each_key_says(
        fragments in proptest::collection::vec(statements(), 0..5)
    ) {
        let base = "sinks:\n- {name: a, type: file, path: /0}\n- {name: b, type: file, path: /0}\n- {name: c, type: file, path: /0}\n";
        let apart = Folder::new(&[("config.yaml", base)]);
        let mut union = BTreeMap::new();
        for (number, fragment) in fragments.iter().enumerate() {
            std::fs::write(apart.path(&format!("conf.d/{number}.yaml")), to_text(fragment)).unwrap();
            union.extend(fragment);
        }
        let together = Folder::new(&[("config.yaml", base), ("conf.d/0.yaml", &to_text(&union))]);
        let (apart, together) = (apart.load().unwrap(), together.load().unwrap());
        prop_assert_eq!(apart.raw, together.raw);
        prop_assert_eq!(apart.config, together.config);
    }
}
