//! Where Docker's API answers: the configuration's word, else Docker's own variables, else the usual socket.

use super::raw::RawDocker;
use super::validate::Problem;
use super::{Docker, DockerAddress};
use std::path::Path;

const USUAL: &str = "/var/run/docker.sock";
/// Docker's own default for `tcp://` addresses.
const DEFAULT_PORT: u16 = 2375;
const HELP: &str = "write an absolute path, unix:///path or tcp://host:port; or switch Docker off with \
                    `runtimes.docker.enabled: false`";

/// What Docker's clients read from the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerVariables {
    /// `DOCKER_HOST`; empty: not set.
    pub host: String,
    /// `DOCKER_TLS_VERIFY`; any text means yes.
    pub tls_verify: String,
}

/// Understands the address. What is wrong with one that nobody will ask does not matter.
pub(super) fn docker(raw: &RawDocker, variables: &DockerVariables) -> Result<Docker, Problem> {
    let address = match &raw.socket {
        Some(written) => parse(written),
        None if variables.host.is_empty() => parse(USUAL),
        None => parse(&variables.host)
            .and_then(|address| plain(address, variables))
            .map_err(|reason| format!("DOCKER_HOST: {reason}")),
    };
    let address = match address {
        Ok(address) => address,
        Err(_) if !raw.enabled => DockerAddress::Unix(USUAL.into()),
        Err(reason) => return Err(Problem::new("runtimes.docker.socket", reason, HELP)),
    };
    Ok(Docker {
        enabled: raw.enabled,
        address,
    })
}

fn plain(address: DockerAddress, variables: &DockerVariables) -> Result<DockerAddress, String> {
    match address {
        DockerAddress::Tcp(host) if !variables.tls_verify.is_empty() => Err(format!(
            "TLS is not supported: `tcp://{host}` with DOCKER_TLS_VERIFY"
        )),
        address => Ok(address),
    }
}

fn parse(text: &str) -> Result<DockerAddress, String> {
    let wrong = || format!("`{text}` is no address of Docker's API");
    match text.split_once("://") {
        Some(("tcp" | "http", rest)) => host_and_port(rest).map(DockerAddress::Tcp).ok_or_else(wrong),
        Some(("https", _)) => Err(format!("TLS is not supported: `{text}`")),
        Some(("ssh", _)) => Err(format!("SSH is not supported: `{text}`")),
        Some(("unix", path)) => absolute(path).ok_or_else(wrong),
        Some(_) => Err(wrong()),
        None => absolute(text).ok_or_else(wrong),
    }
}

fn absolute(path: &str) -> Option<DockerAddress> {
    let path = Path::new(path);
    path.is_absolute().then(|| DockerAddress::Unix(path.to_owned()))
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`; a slash may follow.
fn host_and_port(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, DEFAULT_PORT),
    };
    (!host.is_empty()).then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(host: &str, tls_verify: &str) -> DockerVariables {
        DockerVariables {
            host: host.to_owned(),
            tls_verify: tls_verify.to_owned(),
        }
    }

    fn raw(enabled: bool, socket: Option<&str>) -> RawDocker {
        RawDocker {
            enabled,
            socket: socket.map(str::to_owned),
        }
    }

    fn address(host: &str, tls_verify: &str) -> Result<String, Problem> {
        docker(&raw(true, None), &variables(host, tls_verify)).map(|docker| docker.address.to_string())
    }

    #[test]
    fn addresses_are_read_as_dockers_clients_read_them() {
        for (host, expected) in [
            ("", "unix:///var/run/docker.sock"),
            ("unix:///run/d.sock", "unix:///run/d.sock"),
            ("/run/d.sock", "unix:///run/d.sock"),
            ("tcp://127.0.0.1:2376", "tcp://127.0.0.1:2376"),
            ("tcp://docker/", "tcp://docker:2375"),
            ("tcp://[::1]", "tcp://[::1]:2375"),
            ("http://[::1]:99", "tcp://[::1]:99"),
        ] {
            assert_eq!(address(host, "").unwrap(), expected, "{host}");
        }
        assert!(address("unix:///run/d.sock", "1").is_ok(), "a socket has no TLS");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        for (host, tls_verify, reason) in [
            (
                "ssh://user@host",
                "",
                "DOCKER_HOST: SSH is not supported: `ssh://user@host`",
            ),
            (
                "https://host:2376",
                "",
                "DOCKER_HOST: TLS is not supported: `https://host:2376`",
            ),
            (
                "tcp://host:2376",
                "1",
                "DOCKER_HOST: TLS is not supported: `tcp://host:2376` with DOCKER_TLS_VERIFY",
            ),
            (
                "tcp://",
                "",
                "DOCKER_HOST: `tcp://` is no address of Docker's API",
            ),
            (
                "tcp://h:x",
                "",
                "DOCKER_HOST: `tcp://h:x` is no address of Docker's API",
            ),
            (
                "npipe:////./x",
                "",
                "DOCKER_HOST: `npipe:////./x` is no address of Docker's API",
            ),
            (
                "run/d.sock",
                "",
                "DOCKER_HOST: `run/d.sock` is no address of Docker's API",
            ),
        ] {
            let problem = address(host, tls_verify).unwrap_err();
            assert_eq!(problem.reason, reason);
            assert!(problem.help.contains("enabled: false"));
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_that_nobody_asks_does_not_matter() {
        let off = docker(&raw(false, Some("ssh://x")), &variables("ssh://x", "1"));
        assert!(!off.unwrap().enabled);
        let written = docker(&raw(true, Some("/run/d.sock")), &variables("ssh://x", "1"));
        assert_eq!(
            written.unwrap().address,
            DockerAddress::Unix("/run/d.sock".into())
        );
    }
}
