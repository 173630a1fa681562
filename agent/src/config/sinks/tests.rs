use super::*;
use crate::config::{Credentials, HttpApi, RawConfig, yaml};
use std::path::Path;

fn read(text: &str) -> Result<Vec<SinkConfig>, Problem> {
    let raw: RawConfig = yaml::parse(Path::new("config.yaml"), text).unwrap();
    sinks(raw.sinks.as_deref())
}

fn problem(keys: &str) -> String {
    let problem = read(&format!("sinks:\n  - name: x\n{keys}")).unwrap_err();
    format!("{} ({})", problem.reason, problem.help)
}

#[test]
fn every_type_is_read_with_what_it_needs() {
    let text = "sinks:
  - {name: a, type: stdout}
  - {name: b, type: file, path: /a}
  - {name: c, type: syslog, transport: tls, address: 'h:6514', tls: {ca_file: /ca}}
  - {name: d, type: webhook, url: 'http://h/x', secret_file: /s}
  - {name: e, type: otlp, url: 'http://h:4318'}
  - {name: f, type: otlp, url: 'http://h:4317', transport: grpc}
  - {name: g, type: alertmanager, url: 'http://h:9093', username: u, password_file: /p}
  - {name: h, type: splunk_hec, url: 'https://h:8088', token_file: /t}
  - {name: i, type: elasticsearch, url: 'http://h:9200', token_file: /k}
  - {name: j, type: loki, url: 'http://h:3100', tenant: t}
  - {name: k, type: nats, servers: ['nats://h:4222']}
  - {name: l, type: kafka, servers: ['h:9092'], topic: t}
";
    let sinks = read(text).unwrap();
    assert_eq!(sinks.len(), 12);
    let SinkKind::Http(elasticsearch) = &sinks[8].kind else {
        panic!("{:?}", sinks[8]);
    };
    assert_eq!(
        elasticsearch.api,
        HttpApi::Elasticsearch {
            index: "vigia-alerts".to_owned()
        }
    );
    assert_eq!(
        elasticsearch.credentials,
        Credentials::Token {
            scheme: "ApiKey",
            file: "/k".into()
        }
    );
}

#[test]
fn a_key_of_another_type_is_an_error() {
    assert_eq!(
        problem("    type: nats\n    servers: ['h:1']\n    path: /x\n"),
        "`path` is not for sinks of type `nats` (this type knows: servers, subject, credentials_file, token_file, tls, timeout_secs)"
    );
    assert_eq!(
        problem("    type: stdout\n    url: http://h\n"),
        "`url` is not for sinks of type `stdout` (remove it)"
    );
}

#[test]
fn what_is_missing_or_makes_no_sense_is_said() {
    let cases = [
        (
            "type: file",
            "a sink of type `file` needs `path` (add `path: /…`)",
        ),
        ("type: webhook", "needs `url`"),
        (
            "type: webhook\n    url: ftp://h",
            "begins with neither `http://` nor `https://`",
        ),
        ("type: webhook\n    url: http://u:p@h/x", "holds credentials"),
        ("type: webhook\n    url: http:///x", "names no host"),
        ("type: syslog\n    address: h", "is not a host and a port"),
        (
            "type: syslog\n    address: h:1\n    transport: tpc",
            "use one of: udp, tcp, tls",
        ),
        (
            "type: syslog\n    address: h:1\n    facility: 24",
            "there is no facility 24",
        ),
        (
            "type: syslog\n    address: h:1\n    tls: {cert_file: /c}",
            "a certificate needs its key",
        ),
        (
            "type: syslog\n    address: h:1\n    tls: {ca_file: c}",
            "`c` is not an absolute path",
        ),
        ("type: nats\n    servers: []", "no server is named"),
        ("type: kafka\n    servers: ['h:1']", "needs `topic`"),
        (
            "type: kafka\n    servers: ['h:1']\n    topic: t\n    username: u",
            "a login needs a name and a password",
        ),
        (
            "type: loki\n    url: http://h\n    timeout_secs: 0",
            "0 s is out of range",
        ),
        ("type: splunk_hec\n    url: http://h", "needs `token_file`"),
        (
            "type: otlp\n    url: http://h\n    transport: grpc\n    username: u\n    password_file: /p",
            "is not for the transport `grpc`",
        ),
        (
            "type: loki\n    url: https://h\n    tls: {server_name: x}",
            "the name in the certificate is the host's",
        ),
        (
            "type: loki\n    url: http://h\n    token_file: /t\n    username: u\n    password_file: /p",
            "exclude each other",
        ),
        ("type: web-hook", "did you mean `webhook`?"),
    ];
    for (keys, expected) in cases {
        let said = problem(&format!("    {keys}\n"));
        assert!(said.contains(expected), "{keys}: {said}");
    }
}
