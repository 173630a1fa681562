use super::*;
use std::time::{Duration, Instant};

fn check(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, text).unwrap();
    message(&file).replace(&dir.path().display().to_string(), "")
}

fn message(file: &std::path::Path) -> String {
    let started = Instant::now();
    let sources = Sources {
        file: Some(file.to_owned()),
        ..Sources::default()
    };
    let error = load(&sources).unwrap_err().to_string();
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "took {:?}",
        started.elapsed()
    );
    error
}

fn load_with(environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "").unwrap();
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    load(&Sources {
        file: Some(file),
        environment,
        flags: Flags::default(),
    })
    .map(|loaded| loaded.config)
}

#[test]
fn printed_defaults_are_the_defaults() {
    let printed: RawConfig = yaml::parse("default.yaml".as_ref(), DEFAULT_YAML).unwrap();
    assert_eq!(printed, RawConfig::default());
    let uncommented: String = DEFAULT_YAML
        .lines()
        .map(|line| line.strip_prefix("# sinks:").map_or(line, |_| "sinks:"))
        .map(|line| {
            line.strip_prefix("#   ")
                .map_or_else(|| line.to_owned(), |rest| format!("  {rest}"))
                + "\n"
        })
        .collect();
    let printed: RawConfig = yaml::parse("default.yaml".as_ref(), &uncommented).unwrap();
    assert_eq!(
        validate(&printed, &DockerVariables::default())
            .unwrap()
            .sinks
            .len(),
        4
    );
}

#[test]
fn documented_file_is_the_printed_one() {
    let docs = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/config.example.yaml"
    ))
    .unwrap();
    assert_eq!(
        docs, DEFAULT_YAML,
        "update with: agent config default > docs/config.example.yaml"
    );
}

#[test]
fn unknown_key_names_its_place_and_a_suggestion() {
    let error = check("state_dir: /x\nmetrics:\n  lisen: 127.0.0.1:1\n");
    assert_eq!(
        error,
        "/config.yaml:3:3: unknown key `lisen`\n  help: did you mean `listen`?"
    );
}

#[test]
fn port_70000_is_out_of_range() {
    let error = check("metrics:\n  listen: 127.0.0.1:70000\n");
    assert!(
        error.starts_with("/config.yaml:2:11: metrics.listen: port 70000 is out of range\n  help: "),
        "{error}"
    );
}

#[test]
fn duplicate_sink_names_point_at_the_second() {
    let error = check("sinks:\n- {name: a, type: stdout}\n- name: a\n  type: file\n  path: /tmp/a\n");
    assert!(
        error.starts_with("/config.yaml:3:9: sinks[1].name: the name `a` is used twice"),
        "{error}"
    );
}

#[test]
fn wrong_type_duplicate_key_and_syntax_have_places() {
    assert!(check("metrics: 5\n").starts_with("/config.yaml:1:10: "));
    assert!(check("state_dir: /a\nstate_dir: /b\n").contains(":2:1: the key `state_dir` appears twice"));
    assert!(check("state_dir: [\n").starts_with("/config.yaml:"));
    assert!(check("sinks:\n- {name: a, type: kafka}\n").contains("needs `servers`"));
    assert!(check("on_exit: kep\n").contains("did you mean `keep`?"));
}

#[test]
fn directory_missing_and_large_files_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    assert!(message(dir.path()).contains("is a directory"));
    assert!(message(&dir.path().join("none")).contains("cannot be read"));
    let large = dir.path().join("large.yaml");
    std::fs::write(&large, "a: b\n".repeat(10 << 20)).unwrap();
    assert!(message(&large).contains("52428800 bytes"));
}

#[test]
fn alias_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(",");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    bomb.push_str("sinks: *a9\n");
    let error = check(&bomb);
    assert!(error.starts_with("/config.yaml:"), "{error}");
    let error = check(&bomb.replace("a0: &a0", "sinks: &a0"));
    assert!(error.starts_with("/config.yaml:"), "{error}");
}

#[test]
fn deep_nesting_and_a_full_size_file_are_refused_at_once() {
    assert!(check(&format!("sinks: {}", "[".repeat(100_000))).starts_with("/config.yaml:"));
    assert!(check(&"- a\n".repeat(250_000)).starts_with("/config.yaml:"));
}

#[test]
fn environment_overrides_the_file_and_errors_name_the_variable() {
    let config = load_with(&[
        ("VIGIA_METRICS__LISTEN", "0.0.0.0:1"),
        ("VIGIA_METRICS__ENABLED", "true"),
    ])
    .unwrap();
    assert_eq!(config.metrics.listen, Some("0.0.0.0:1".parse().unwrap()));
    let error = load_with(&[("VIGIA_METRIC__LISTEN", "x")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("VIGIA_METRIC__LISTEN") && error.contains("`METRICS`"),
        "{error}"
    );
    assert!(load_with(&[("VIGIA_METRICS__LISTEN", "x")]).is_err());
}

#[test]
fn only_whole_names_are_reserved() {
    let config = load_with(&[
        ("VIGIA_LOG__LEVEL", "debug"),
        ("VIGIA_LOG__FORMAT", "json"),
        ("VIGIA_LOG", "agent::spool=trace"),
        ("VIGIA_CONFIG", "/x"),
        ("VIGIA_TEST_AGENT", "/x"),
    ])
    .unwrap();
    assert_eq!(
        config.log,
        RawLog {
            level: LogLevel::Debug,
            format: LogFormat::Json
        }
    );
    for unknown in [
        "VIGIA_LOGS",
        "VIGIA_LOG_LEVEL",
        "VIGIA_CONFIGURATION",
        "VIGIA_TEST",
    ] {
        let error = load_with(&[(unknown, "x")]).unwrap_err().to_string();
        assert!(error.contains(unknown), "{error}");
    }
}

#[test]
fn a_kubernetes_service_named_like_the_agent_does_not_stop_it() {
    let config = load_with(&[
        ("VIGIA_SERVICE_HOST", "10.96.7.1"),
        ("VIGIA_SERVICE_PORT_METRICS", "9478"),
        ("VIGIA_PORT", "tcp://10.96.7.1:9478"),
        ("VIGIA_PORT_9478_TCP_ADDR", "10.96.7.1"),
        ("VIGIA_METRICS__LISTEN", "0.0.0.0:1"),
    ])
    .unwrap();
    assert_eq!(config.metrics.listen, Some("0.0.0.0:1".parse().unwrap()));
    assert!(load_with(&[("VIGIA_METRICS__PORT", "9478")]).is_err());
}

#[test]
fn a_pod_is_told_the_name_of_its_node() {
    let node = |name| load_with(&[("VIGIA_NODE", name)]).map(|config| config.node);
    assert_eq!(
        node("worker-1.example").unwrap().as_deref(),
        Some("worker-1.example")
    );
    assert_eq!(node("4711").unwrap().as_deref(), Some("4711"));
    for wrong in ["", "two words", "worker\n", &"n".repeat(254)] {
        let error = node(wrong).unwrap_err().to_string();
        assert!(error.contains("VIGIA_NODE") && error.contains("host"), "{error}");
    }
}

#[test]
fn docker_host_is_honoured() {
    let address = |host| load_with(&[("DOCKER_HOST", host)]).map(|config| config.docker.address);
    assert_eq!(
        address("unix:///run/d.sock").unwrap(),
        DockerAddress::Unix("/run/d.sock".into())
    );
    assert_eq!(
        address("tcp://127.0.0.1:2375").unwrap(),
        DockerAddress::Tcp("127.0.0.1:2375".to_owned())
    );
    assert_eq!(
        address("").unwrap(),
        DockerAddress::Unix("/var/run/docker.sock".into())
    );
    assert!(
        address("ssh://h")
            .unwrap_err()
            .to_string()
            .contains("DOCKER_HOST")
    );
    let off = ("VIGIA_RUNTIMES__DOCKER__ENABLED", "false");
    let config = load_with(&[("DOCKER_HOST", "ssh://h"), off]).unwrap();
    assert!(!config.docker.enabled);
}

#[test]
fn commands_that_never_ask_docker_do_not_read_its_variables() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    std::fs::write(&file, "").unwrap();
    let sources = Sources {
        file: Some(file),
        environment: vec![("DOCKER_HOST".to_owned(), "ssh://h".to_owned())],
        flags: Flags::default(),
    };
    assert!(load(&sources).is_err());
    assert!(load(&sources.without_docker()).is_ok());
}

#[test]
fn a_sink_s_format_and_filters_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.yaml");
    let text = "sinks:\n- name: a\n  type: stdout\n  format: ocsf\n  min_severity: high\n  classes: [escape, sensor]\n  \
                namespaces: [shop]\n";
    std::fs::write(&file, text).unwrap();
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    let [sink] = &load(&sources).unwrap().config.sinks[..] else {
        panic!("one sink")
    };
    assert_eq!(sink.format, Format::Ocsf);
    let expected = SinkFilter {
        min_severity: Severity::High,
        classes: Some(vec![Class::Escape, Class::Sensor]),
        namespaces: Some(vec!["shop".to_owned()]),
    };
    assert_eq!(sink.filter, expected);
}

#[test]
fn a_format_or_filter_that_cannot_be_used_has_a_place_and_a_reason() {
    let sink = |line: &str| check(&format!("sinks:\n- name: a\n  type: stdout\n  {line}\n"));
    let cases = [
        ("format: falcon", "/config.yaml:4:11: ", "did you mean `falco`?"),
        (
            "classes: [escape, drft]",
            "/config.yaml:4:21: ",
            "did you mean `drift`?",
        ),
        (
            "classes: []",
            "/config.yaml:4:12: sinks[0].classes: an empty list",
            "leave `classes` out",
        ),
        (
            "namespaces: []",
            "/config.yaml:4:15: sinks[0].namespaces: an empty list",
            "leave `namespaces` out",
        ),
        (
            "namespaces: [shop, 'prod-*']",
            "/config.yaml:4:22: sinks[0].namespaces[1]: `prod-*` is no name",
            "no pattern",
        ),
    ];
    for (line, begin, help) in cases {
        let error = sink(line);
        assert!(
            error.starts_with(begin) && error.contains(help),
            "{line}: {error}"
        );
    }
}
