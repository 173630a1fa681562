//! An alert in plain words.

use crate::alert::{Alert, AlertContainer, AlertProcess, Ancestor};
use crate::watch::clean;
use serde_json::Value;
use std::fmt::{Result, Write};

/// Longest text that is shown, characters.
const MAX_TEXT: usize = 400;

/// What happened, who did it, what was seen, how often.
pub(super) fn tell(alert: &Alert) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _written = head(&mut out, alert)
        .and_then(|()| who(&mut out, alert))
        .and_then(|()| evidence(&mut out, alert))
        .and_then(|()| repeat(&mut out, alert));
    out
}

fn shown(text: &str) -> String {
    clean(text, MAX_TEXT)
}

fn line(out: &mut String, label: &str, text: &str) -> Result {
    if text.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {label:<14} {}", shown(text))
}

fn head(out: &mut String, alert: &Alert) -> Result {
    let (severity, revision) = (alert.severity.name().to_uppercase(), alert.revision);
    writeln!(out, "{severity} {}", shown(&alert.rule))?;
    writeln!(out, "{}", shown(&alert.summary))?;
    writeln!(out)?;
    line(out, "alert", &format!("{}, revision {revision}", alert.id))?;
    line(out, "time", &alert.time.to_rfc3339())?;
    line(out, "node", &alert.node)?;
    line(out, "also", &alert.also.join(", "))?;
    line(out, "ATT&CK", &alert.attack.join(", "))?;
    if alert.lossy {
        line(
            out,
            "lossy",
            "events of the container were lost around it: there may be more",
        )?;
    }
    Ok(())
}

fn who(out: &mut String, alert: &Alert) -> Result {
    writeln!(out, "\nWHO")?;
    match &alert.container {
        Some(container) => self::container(out, container, &alert.metadata)?,
        None => line(out, "container", "none: it is about the host or the agent")?,
    }
    if let Some(profile) = &alert.profile {
        let name = profile.name.as_deref().unwrap_or("none");
        line(
            out,
            "profile",
            &format!("{name} ({}, {})", profile.state, profile.mode),
        )?;
    }
    match &alert.process {
        Some(process) => self::process(out, process),
        None => Ok(()),
    }
}

fn container(out: &mut String, container: &AlertContainer, metadata: &str) -> Result {
    let id = container.id.get(..12).unwrap_or(&container.id);
    let name = container.name.as_deref().unwrap_or(id);
    let runtime = container.runtime.as_deref().unwrap_or("runtime not known");
    let privileged = if container.privileged { ", privileged" } else { "" };
    line(
        out,
        "container",
        &format!("{name} ({id}, {runtime}{privileged}), metadata {metadata}"),
    )?;
    let image = &container.image;
    line(out, "image", image.reference.as_deref().unwrap_or_default())?;
    line(out, "image id", image.id.as_deref().unwrap_or_default())?;
    line(out, "image digest", image.digest.as_deref().unwrap_or_default())?;
    if let Some(pod) = &container.pod {
        line(out, "pod", &format!("{}/{}", pod.namespace, pod.name))?;
    }
    Ok(())
}

fn process(out: &mut String, process: &AlertProcess) -> Result {
    let AlertProcess {
        pid, host_pid, uid, ..
    } = process;
    line(out, "process", &process.exe)?;
    line(out, "arguments", &process.args.join(" "))?;
    line(
        out,
        "",
        &format!(
            "pid {pid} (on the host {host_pid}), uid {uid}, in {}, since {}",
            process.cwd,
            process.start.to_rfc3339()
        ),
    )?;
    match process.in_image {
        Some(true) => line(out, "", "its executable is in the image")?,
        Some(false) => line(out, "", "its executable is NOT in the image")?,
        None => {}
    }
    for (number, ancestor) in process.ancestors.iter().enumerate() {
        let label = if number == 0 { "started by" } else { "" };
        line(out, label, &self::ancestor(ancestor))?;
    }
    if process.ancestors_truncated {
        line(out, "", "(more, which are not known)")?;
    }
    Ok(())
}

fn ancestor(ancestor: &Ancestor) -> String {
    let place = if ancestor.host {
        ", outside the container"
    } else {
        ""
    };
    let arguments = ancestor.args.get(1..).unwrap_or_default().join(" ");
    let space = if arguments.is_empty() { "" } else { " " };
    format!(
        "{}{space}{arguments} (on the host {}{place})",
        ancestor.exe, ancestor.host_pid
    )
}

fn evidence(out: &mut String, alert: &Alert) -> Result {
    writeln!(out, "\nEVIDENCE")?;
    for (key, value) in &alert.evidence {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        line(out, &shown(key).replace('_', " "), &text)?;
    }
    Ok(())
}

fn repeat(out: &mut String, alert: &Alert) -> Result {
    let repeat = &alert.repeat;
    writeln!(out, "\nREPEAT")?;
    if repeat.count <= 1 {
        return line(out, "count", "once, as far as this revision tells");
    }
    line(out, "count", &format!("{} times", repeat.count))?;
    line(out, "first", &repeat.first.to_rfc3339())?;
    line(out, "last", &repeat.last.to_rfc3339())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What happened in a container called `web`.
    pub(in crate::cli) fn alert() -> Alert {
        let text = r#"{"schema":"vigia.alert/v1","id":"00000000-0000-0000-0000-000000000001",
            "time":"2026-01-02T03:04:05.678901234Z","class":"escape","rule":"escape.core_pattern","severity":"critical",
            "action":"alerted","revision":0,"also":["drift.upper_exec"],"summary":"sh wrote core_pattern\u001b[2J",
            "attack":["T1611"],"lossy":true,"metadata":"resolved",
            "container":{"id":"0123456789abcdef","name":"web","runtime":"docker","image":{"ref":"nginx:1.25",
            "id":"sha256:aa","digest":null},"pod":null,"labels":{},"privileged":true},
            "profile":{"name":null,"state":"none","mode":"monitor"},
            "process":{"pid":7,"host_pid":9,"start":"2026-01-02T03:04:04Z","exe":"/bin/sh","args":["sh","-c","x"],"cwd":"/",
            "uid":0,"ancestors":[{"host_pid":8,"exe":"/sbin/init","args":["init","-v"],"host":false},
            {"host_pid":2,"exe":"/usr/bin/shim","args":[],"host":true}],"ancestors_truncated":true,"in_image":false,
            "truncated":false},"evidence":{"kind":"file_open","path":"/proc/sys/kernel/core_pattern","in_image":true},
            "repeat":{"count":3,"first":"2026-01-02T03:04:05Z","last":"2026-01-02T03:05:05Z"},"node":"host-1"}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_who_evidence_and_repeat_are_told() {
        let text = tell(&alert());
        for part in [
            "CRITICAL escape.core_pattern\nsh wrote core_pattern\\u{1b}[2J\n",
            "2026-01-02T03:04:05.678901234Z",
            "host-1",
            "drift.upper_exec",
            "T1611",
            "events of the container were lost",
            "web (0123456789ab, docker, privileged), metadata resolved",
            "nginx:1.25",
            "none (none, monitor)",
            "/bin/sh\n",
            "sh -c x",
            "pid 7 (on the host 9), uid 0, in /",
            "NOT in the image",
            "started by     /sbin/init -v (on the host 8)",
            "/usr/bin/shim (on the host 2, outside the container)",
            "(more, which are not known)",
            "path           /proc/sys/kernel/core_pattern",
            "3 times",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn an_alert_about_the_agent_has_nobody() {
        let alert = Alert {
            container: None,
            process: None,
            profile: None,
            lossy: false,
            ..alert()
        };
        let text = tell(&alert);
        assert!(text.contains("none: it is about the host or the agent"), "{text}");
        assert!(!text.contains("process"), "{text}");
    }
}
