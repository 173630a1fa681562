//! What an operator reads when a receiver does not take the alerts: the address, the reason, and no secret.

use crate::certificate;
use crate::courier_process::Courier;
use crate::receivers::{free_port, refusing};
use agent_tests::command::wait_until;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// The first warning of a courier with this sink.
fn warning(folder: &Path, sink: &str) -> Result<String> {
    let mut courier = Courier::new(folder, sink, 3)?;
    courier.start()?;
    wait_until("the sink fails", Duration::from_secs(30), || {
        let said = courier.said();
        let line = said
            .lines()
            .find(|line| line.contains("sink failed") || line.contains("cannot"))?;
        Some(line.to_owned())
    })
}

#[test]
fn nobody_listens() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    for sink in [
        format!("type: syslog\naddress: 127.0.0.1:{port}"),
        format!("type: webhook\nurl: http://127.0.0.1:{port}"),
        format!("type: otlp\ntransport: grpc\nurl: http://127.0.0.1:{port}"),
        format!("type: nats\nservers: [\"nats://127.0.0.1:{port}\"]\ntimeout_secs: 2"),
        format!("type: kafka\nservers: [\"127.0.0.1:{port}\"]\ntopic: t\ntimeout_secs: 2"),
    ] {
        std::fs::remove_file(dir.path().join("courier.log")).ok();
        let said = warning(dir.path(), &sink).unwrap();
        assert!(said.contains(&port.to_string()), "{sink}: {said}");
        assert!(
            said.contains("refused") || said.contains("timed out"),
            "{sink}: {said}"
        );
    }
}

#[test]
fn wrong_credentials_are_named_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t0p-s3cret").unwrap();
    let port = refusing("401 Unauthorized", "unknown token").unwrap();
    let sink = format!(
        "type: loki\nurl: http://127.0.0.1:{port}\ntoken_file: {}/token",
        dir.path().display()
    );
    let said = warning(dir.path(), &sink).unwrap();
    assert!(
        said.contains("401 Unauthorized: unknown token (are the credentials right?)"),
        "{said}"
    );
    assert!(!said.contains("t0p-s3cret"), "{said}");
}

#[test]
fn a_missing_secret_names_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let sink = format!(
        "type: loki\nurl: http://127.0.0.1:1\ntoken_file: {}/none",
        dir.path().display()
    );
    let said = warning(dir.path(), &sink).unwrap();
    assert!(said.contains("/none: No such file"), "{said}");
}

#[test]
fn an_unknown_authority_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let served = certificate::make(dir.path()).unwrap();
    let trusted = certificate::make(other.path()).unwrap();
    let port = crate::receivers::tls_endpoint(&served).unwrap();
    for sink in [
        format!(
            "type: syslog\ntransport: tls\naddress: localhost:{port}\ntls: {{ca_file: {}}}",
            trusted.ca.display()
        ),
        format!(
            "type: webhook\nurl: https://localhost:{port}\ntls: {{ca_file: {}}}",
            trusted.ca.display()
        ),
    ] {
        std::fs::remove_file(dir.path().join("courier.log")).ok();
        let said = warning(dir.path(), &sink).unwrap();
        assert!(said.contains("invalid peer certificate"), "{sink}: {said}");
    }
}
