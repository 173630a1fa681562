//! A sink's keys, read one by one: each problem says where and what to do.

use super::RawSink;
use crate::config::validate::{Problem, absolute};
use crate::config::{Credentials, HttpApi, HttpSink, SinkKind, TlsFiles};
use std::path::PathBuf;
use std::time::Duration;

/// A sink with its place in the file.
pub(super) struct Entry<'a> {
    pub(super) index: usize,
    pub(super) raw: &'a RawSink,
}

impl Entry<'_> {
    pub(super) fn at(&self, field: &str) -> String {
        format!("sinks.{}.{field}", self.index)
    }

    /// What was written.
    pub(super) fn keys(&self) -> Vec<String> {
        let written = serde_json::to_value(self.raw).unwrap_or_default();
        written
            .as_object()
            .map_or_else(Vec::new, |keys| keys.keys().cloned().collect())
    }

    pub(super) fn needs<T>(&self, key: &str, value: Option<T>, example: &str) -> Result<T, Problem> {
        value.ok_or_else(|| {
            Problem::new(
                &format!("sinks.{}", self.index),
                format!("a sink of type `{}` needs `{key}`", self.raw.kind),
                format!("add `{key}: {example}`"),
            )
        })
    }

    pub(super) fn timeout(&self) -> Result<Duration, Problem> {
        let seconds = self.raw.timeout_secs.unwrap_or(10);
        if !(1..=300).contains(&seconds) {
            return Err(Problem::new(
                &self.at("timeout_secs"),
                format!("{seconds} s is out of range"),
                "write a number from 1 to 300",
            ));
        }
        Ok(Duration::from_secs(seconds))
    }

    pub(super) fn tls(&self) -> Result<TlsFiles, Problem> {
        let Some(raw) = &self.raw.tls else {
            return Ok(TlsFiles::default());
        };
        for (name, file) in [
            ("ca_file", &raw.ca_file),
            ("cert_file", &raw.cert_file),
            ("key_file", &raw.key_file),
        ] {
            self.file(&format!("tls.{name}"), file.as_ref())?;
        }
        let identity = match (&raw.cert_file, &raw.key_file) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => {
                return Err(Problem::new(
                    &self.at("tls"),
                    "a certificate needs its key, and a key its certificate",
                    "write both `cert_file` and `key_file`",
                ));
            }
        };
        Ok(TlsFiles {
            ca: raw.ca_file.clone(),
            identity,
            server_name: raw.server_name.clone(),
        })
    }

    pub(super) fn file(&self, key: &str, path: Option<&PathBuf>) -> Result<Option<PathBuf>, Problem> {
        if let Some(path) = path {
            absolute(&self.at(key), path)?;
        }
        Ok(path.cloned())
    }

    pub(super) fn url(&self, example: &str) -> Result<String, Problem> {
        let url = self.needs("url", self.raw.url.clone(), example)?;
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        let problem = match rest {
            None => Some("begins with neither `http://` nor `https://`"),
            Some(rest) if rest.is_empty() || rest.starts_with('/') => Some("names no host"),
            Some(rest) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
                Some("holds credentials: write `username` and `password_file`")
            }
            Some(_) => None,
        };
        match problem {
            Some(reason) => Err(Problem::new(
                &self.at("url"),
                format!("`{}` {reason}", url.escape_debug()),
                format!("write it such as `{example}`"),
            )),
            None => Ok(url),
        }
    }

    pub(super) fn login(&self) -> Result<Option<(String, PathBuf)>, Problem> {
        let file = self.file("password_file", self.raw.password_file.as_ref())?;
        match (&self.raw.username, file) {
            (Some(username), Some(file)) => Ok(Some((username.clone(), file))),
            (None, None) => Ok(None),
            _ => Err(Problem::new(
                &format!("sinks.{}", self.index),
                "a login needs a name and a password",
                "write both `username` and `password_file`",
            )),
        }
    }

    pub(super) fn credentials(&self, scheme: &'static str) -> Result<Credentials, Problem> {
        let token = self.file("token_file", self.raw.token_file.as_ref())?;
        match (token, self.login()?) {
            (Some(_), Some(_)) => Err(Problem::new(
                &self.at("token_file"),
                "a token and a login exclude each other",
                "keep one of `token_file` and `username`",
            )),
            (Some(file), None) => Ok(Credentials::Token { scheme, file }),
            (None, Some((username, password_file))) => Ok(Credentials::Basic {
                username,
                password_file,
            }),
            (None, None) => Ok(Credentials::None),
        }
    }

    pub(super) fn http(&self, api: HttpApi, scheme: &'static str) -> Result<SinkKind, Problem> {
        self.file("secret_file", self.raw.secret_file.as_ref())?;
        if self.raw.tls.as_ref().is_some_and(|tls| tls.server_name.is_some()) {
            return Err(Problem::new(
                &self.at("tls.server_name"),
                "over HTTP the name in the certificate is the host's in `url`",
                "write that name into `url`",
            ));
        }
        Ok(SinkKind::Http(HttpSink {
            api,
            url: self.url("https://receiver.example:443")?,
            headers: self.raw.headers.clone().unwrap_or_default().into_iter().collect(),
            credentials: self.credentials(scheme)?,
            tls: self.tls()?,
            timeout: self.timeout()?,
        }))
    }

    /// `host:port`, both there.
    pub(super) fn host_and_port(&self, key: &str, text: &str) -> Result<(), Problem> {
        let valid = text
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0));
        if valid {
            return Ok(());
        }
        Err(Problem::new(
            &self.at(key),
            format!("`{}` is not a host and a port", text.escape_debug()),
            "write it such as `receiver.example:514`, an IPv6 address in brackets",
        ))
    }

    pub(super) fn servers(&self, example: &str) -> Result<Vec<String>, Problem> {
        let servers = self.needs("servers", self.raw.servers.clone(), &format!("[\"{example}\"]"))?;
        if servers.is_empty() {
            return Err(Problem::new(
                &self.at("servers"),
                "no server is named",
                format!("write [\"{example}\"]"),
            ));
        }
        for (number, server) in servers.iter().enumerate() {
            let address = server
                .split_once("://")
                .map_or(server.as_str(), |(_, address)| address);
            self.host_and_port(&format!("servers.{number}"), address)?;
        }
        Ok(servers)
    }
}
