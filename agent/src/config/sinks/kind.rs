//! What a sink writes to, by its type: which keys it may have, which it must have.

use super::RawSink;
use super::entry::Entry;
use crate::config::validate::{Problem, absolute, word_problem};
use crate::config::{
    FileSink, HttpApi, KafkaSink, NatsSink, OtlpGrpcSink, SinkKind, SyslogSink, SyslogTransport,
};
use crate::format::Format;

/// A type with the keys that belong to it, beside those that all have.
struct Type {
    name: &'static str,
    keys: &'static [&'static str],
    formats: &'static [Format],
    read: fn(&Entry<'_>) -> Result<SinkKind, Problem>,
}

/// Everything but CEF is JSON.
const JSON: &[Format] = &[Format::Native, Format::Ocsf, Format::Ecs, Format::Falco];

const TYPES: [Type; 11] = [
    Type {
        name: "stdout",
        keys: &[],
        formats: &Format::ALL,
        read: |_| Ok(SinkKind::Stdout),
    },
    Type {
        name: "file",
        keys: &["path", "max_size_mib", "max_files"],
        formats: &Format::ALL,
        read: file,
    },
    Type {
        name: "syslog",
        keys: &["transport", "address", "facility", "tls", "timeout_secs"],
        formats: &Format::ALL,
        read: syslog,
    },
    Type {
        name: "webhook",
        keys: &[
            "url",
            "headers",
            "token_file",
            "username",
            "password_file",
            "secret_file",
            "tls",
            "timeout_secs",
        ],
        formats: JSON,
        read: |entry| {
            let secret_file = entry.raw.secret_file.clone();
            entry.http(HttpApi::Webhook { secret_file }, "Bearer")
        },
    },
    Type {
        name: "otlp",
        keys: &[
            "url",
            "transport",
            "headers",
            "token_file",
            "username",
            "password_file",
            "tls",
            "timeout_secs",
        ],
        formats: &Format::ALL,
        read: otlp,
    },
    Type {
        name: "alertmanager",
        keys: &[
            "url",
            "headers",
            "token_file",
            "username",
            "password_file",
            "tls",
            "timeout_secs",
        ],
        formats: &[Format::Native],
        read: |entry| entry.http(HttpApi::Alertmanager, "Bearer"),
    },
    Type {
        name: "splunk_hec",
        keys: &["url", "headers", "token_file", "index", "tls", "timeout_secs"],
        formats: &Format::ALL,
        read: splunk,
    },
    Type {
        name: "elasticsearch",
        keys: &[
            "url",
            "headers",
            "token_file",
            "username",
            "password_file",
            "index",
            "tls",
            "timeout_secs",
        ],
        formats: JSON,
        read: |entry| {
            let index = entry
                .raw
                .index
                .clone()
                .unwrap_or_else(|| "vigia-alerts".to_owned());
            entry.http(HttpApi::Elasticsearch { index }, "ApiKey")
        },
    },
    Type {
        name: "loki",
        keys: &[
            "url",
            "headers",
            "token_file",
            "username",
            "password_file",
            "tenant",
            "tls",
            "timeout_secs",
        ],
        formats: &Format::ALL,
        read: |entry| {
            let tenant = entry.raw.tenant.clone();
            entry.http(HttpApi::Loki { tenant }, "Bearer")
        },
    },
    Type {
        name: "nats",
        keys: &[
            "servers",
            "subject",
            "credentials_file",
            "token_file",
            "tls",
            "timeout_secs",
        ],
        formats: &Format::ALL,
        read: nats,
    },
    Type {
        name: "kafka",
        keys: &[
            "servers",
            "topic",
            "username",
            "password_file",
            "tls",
            "timeout_secs",
        ],
        formats: &Format::ALL,
        read: kafka,
    },
];

/// Keys of every type.
const COMMON: [&str; 6] = ["name", "type", "format", "min_severity", "classes", "namespaces"];

/// Reads what the type needs.
///
/// # Errors
/// When the type is unknown, a key belongs to another, or a value is missing or cannot be used.
pub(super) fn kind(index: usize, raw: &RawSink) -> Result<SinkKind, Problem> {
    let entry = Entry { index, raw };
    let Some(found) = TYPES.iter().find(|known| known.name == raw.kind) else {
        let names: Vec<_> = TYPES.iter().map(|known| known.name).collect();
        return Err(word_problem(&entry.at("type"), "sink type", &raw.kind, &names));
    };
    if let Some(key) = entry.keys().into_iter().find(|key| !found.has(key)) {
        return Err(Problem::new(
            &entry.at(&key),
            format!("`{key}` is not for sinks of type `{}`", found.name),
            match found.keys {
                [] => "remove it".to_owned(),
                keys => format!("this type knows: {}", keys.join(", ")),
            },
        ));
    }
    if !found.formats.contains(&raw.format) {
        let known: Vec<_> = found.formats.iter().map(|format| format.name()).collect();
        return Err(Problem::new(
            &entry.at("format"),
            format!(
                "`{}` takes no alerts in the format `{}`",
                found.name,
                raw.format.name()
            ),
            format!("use one of: {}", known.join(", ")),
        ));
    }
    (found.read)(&entry)
}

impl Type {
    fn has(&self, key: &str) -> bool {
        COMMON.contains(&key) || self.keys.contains(&key)
    }
}

fn file(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    let path = entry.needs("path", entry.raw.path.clone(), "/…")?;
    absolute(&entry.at("path"), &path)?;
    let mib = entry.raw.max_size_mib.unwrap_or(10);
    if !(1..=1 << 20).contains(&mib) {
        return Err(Problem::new(
            &entry.at("max_size_mib"),
            format!("{mib} MiB is out of range"),
            "write a number from 1 to 1048576",
        ));
    }
    let max_files = entry.raw.max_files.unwrap_or(5);
    if max_files > 1000 {
        return Err(Problem::new(
            &entry.at("max_files"),
            "too many files",
            "write a number from 0 to 1000",
        ));
    }
    Ok(SinkKind::File(FileSink {
        path,
        max_bytes: mib << 20,
        max_files,
    }))
}

fn syslog(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    let address = entry.needs("address", entry.raw.address.clone(), "receiver.example:514")?;
    entry.host_and_port("address", &address)?;
    let transport = match entry.raw.transport.as_deref() {
        Some("udp") => SyslogTransport::Udp,
        Some("tcp") | None => SyslogTransport::Tcp,
        Some("tls") => SyslogTransport::Tls,
        Some(other) => {
            let known = &["udp", "tcp", "tls"];
            return Err(word_problem(&entry.at("transport"), "transport", other, known));
        }
    };
    let facility = entry.raw.facility.unwrap_or(10);
    if facility > 23 {
        return Err(Problem::new(
            &entry.at("facility"),
            format!("there is no facility {facility}"),
            "write a number from 0 to 23",
        ));
    }
    Ok(SinkKind::Syslog(SyslogSink {
        transport,
        address,
        facility,
        tls: entry.tls()?,
        timeout: entry.timeout()?,
    }))
}

fn otlp(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    match entry.raw.transport.as_deref() {
        Some("http") | None => entry.http(HttpApi::Otlp, "Bearer"),
        Some("grpc") => Ok(SinkKind::OtlpGrpc(otlp_grpc(entry)?)),
        Some(other) => Err(word_problem(
            &entry.at("transport"),
            "transport",
            other,
            &["http", "grpc"],
        )),
    }
}

fn otlp_grpc(entry: &Entry<'_>) -> Result<OtlpGrpcSink, Problem> {
    let http_only = ["headers", "username", "password_file"];
    if let Some(key) = entry.keys().iter().find(|key| http_only.contains(&key.as_str())) {
        return Err(Problem::new(
            &entry.at(key),
            format!("`{key}` is not for the transport `grpc`"),
            "use `token_file`, or `transport: http`",
        ));
    }
    Ok(OtlpGrpcSink {
        url: entry.url("http://collector.example:4317")?,
        token_file: entry.file("token_file", entry.raw.token_file.as_ref())?,
        tls: entry.tls()?,
        timeout: entry.timeout()?,
    })
}

fn splunk(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    entry.needs("token_file", entry.raw.token_file.as_ref(), "/…")?;
    let index = entry.raw.index.clone();
    entry.http(HttpApi::SplunkHec { index }, "Splunk")
}

fn nats(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    Ok(SinkKind::Nats(NatsSink {
        servers: entry.servers("nats://nats.example:4222")?,
        subject: entry.raw.subject.clone().unwrap_or_else(|| "vigia".to_owned()),
        credentials_file: entry.file("credentials_file", entry.raw.credentials_file.as_ref())?,
        token_file: entry.file("token_file", entry.raw.token_file.as_ref())?,
        tls: entry.tls()?,
        timeout: entry.timeout()?,
    }))
}

fn kafka(entry: &Entry<'_>) -> Result<SinkKind, Problem> {
    Ok(SinkKind::Kafka(KafkaSink {
        brokers: entry.servers("kafka.example:9092")?,
        topic: entry.needs("topic", entry.raw.topic.clone(), "vigia-alerts")?,
        tls: entry.raw.tls.is_some().then(|| entry.tls()).transpose()?,
        login: entry.login()?,
        timeout: entry.timeout()?,
    }))
}
