//! Variables that orchestrators put into every container when a service or a linked container is named like the agent.
//!
//! A Kubernetes Service `vigia` gives `VIGIA_SERVICE_HOST`, `VIGIA_SERVICE_PORT`, `VIGIA_SERVICE_PORT_METRICS`,
//! `VIGIA_PORT=tcp://10.96.7.1:9478`, `VIGIA_PORT_9478_TCP` and `VIGIA_PORT_9478_TCP_{PROTO,PORT,ADDR}`; a Docker link
//! also `VIGIA_NAME=/web/vigia` and `VIGIA_ENV_*`. None of them is meant for the agent.

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// True when an orchestrator made the variable. A name that people may mistype must have the orchestrator's kind of value.
pub(super) fn is_injected(variable: &str, value: &str) -> bool {
    let is_url = value.contains("://");
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_SERVICE_PORT")
        || variable.contains("_SERVICE_PORT_")
        || (variable.ends_with("_PORT") && is_url)
        || names_port_and_protocol(variable)
        || (variable.ends_with("_NAME") && value.starts_with('/'))
        || variable.contains("_ENV_")
}

/// `…_PORT_9478_TCP` and what follows it.
fn names_port_and_protocol(variable: &str) -> bool {
    variable.match_indices("_PORT_").any(|(at, separator)| {
        let mut parts = variable[at + separator.len()..].split('_');
        let is_port = parts.next().is_some_and(|port| port.parse::<u16>().is_ok());
        is_port && parts.next().is_some_and(|protocol| PROTOCOLS.contains(&protocol))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RawConfig;
    use serde_json::Value;

    #[test]
    fn services_and_links_are_told_from_mistyped_keys() {
        for (variable, value) in [
            ("VIGIA_SERVICE_HOST", "10.96.7.1"),
            ("VIGIA_AGENT_SERVICE_HOST", "fd00::1"),
            ("VIGIA_SERVICE_PORT", "9478"),
            ("VIGIA_SERVICE_PORT_METRICS", "9478"),
            ("VIGIA_PORT", "tcp://10.96.7.1:9478"),
            ("VIGIA__X_PORT", "udp://10.96.7.1:53"),
            ("VIGIA_PORT_9478_TCP", "tcp://10.96.7.1:9478"),
            ("VIGIA_PORT_9478_TCP_ADDR", "10.96.7.1"),
            ("VIGIA_PORT_53_UDP_PROTO", "udp"),
            ("VIGIA_NAME", "/web/vigia"),
            ("VIGIA_ENV_PATH", "/bin"),
        ] {
            assert!(is_injected(variable, value), "{variable}");
        }
        for (variable, value) in [
            ("VIGIA_METRICS__PORT", "9478"),
            ("VIGIA_NAME", "x"),
            ("VIGIA_PORT_X_TCP", "1"),
            ("VIGIA_PORT_80_HTTP", "1"),
            ("VIGIA_PORT_70000_TCP", "1"),
            ("VIGIA_METRIC__LISTEN", "tcp://x"),
            ("VIGIA_SERVICEHOST", "x"),
        ] {
            assert!(!is_injected(variable, value), "{variable}");
        }
    }

    #[test]
    fn no_key_looks_injected() {
        fn check(value: &Value, name: &str) {
            assert!(!is_injected(name, "tcp:///"), "{name}");
            for (key, value) in value.as_object().into_iter().flatten() {
                check(value, &format!("{name}__{}", key.to_uppercase()));
            }
        }
        let keys = serde_json::to_value(RawConfig::default()).unwrap();
        for (key, value) in keys.as_object().unwrap() {
            check(value, &format!("VIGIA_{}", key.to_uppercase()));
        }
    }
}
