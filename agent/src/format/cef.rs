//! `CEF:0|vendor|product|version|rule|title|severity|key=value …`, for SIEMs that read syslog.

use super::facts::{self, PRODUCT, VERSION};
use crate::alert::{Alert, AlertContainer, AlertProcess};
use crate::detect::Severity;

/// The alert as one CEF message.
pub(super) fn message(alert: &Alert) -> String {
    let severity = severity(alert.severity).to_string();
    let head = [PRODUCT, PRODUCT, VERSION, &alert.rule, alert.title(), &severity];
    let mut text = String::from("CEF:0");
    for field in head {
        text.push('|');
        escape(field, &['|'], &mut text);
    }
    text.push('|');
    let mut extension = Extension(text, "");
    extension.alert(alert);
    extension.object(alert);
    if let Some(process) = &alert.process {
        extension.process(process);
    }
    if let Some(container) = &alert.container {
        extension.container(container);
    }
    extension.0
}

/// In CEF's bands: up to 3 low, up to 6 medium, up to 8 high, then very high.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 1,
        Severity::Low => 3,
        Severity::Medium => 6,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

/// A backslash before itself and before `special`. What could end a line or steer a terminal is shown as `\n`, `\r` or,
/// as in paths, `\xNN`; the backslash of the latter is text and escaped as such.
fn escape(text: &str, special: &[char], out: &mut String) {
    for character in text.chars() {
        match character {
            '\n' if special.contains(&'=') => out.push_str("\\n"),
            '\r' if special.contains(&'=') => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            special_one if special.contains(&special_one) => out.extend(['\\', special_one]),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    out.push_str(&format!("\\\\x{byte:02x}"));
                }
            }
            plain => out.push(plain),
        }
    }
}

/// The message so far, and what separates the next key from it.
struct Extension(String, &'static str);

impl Extension {
    fn put(&mut self, key: &str, value: &str) {
        self.0.push_str(self.1);
        self.1 = " ";
        self.0.push_str(key);
        self.0.push('=');
        escape(value, &['='], &mut self.0);
    }

    fn maybe(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.put(key, value);
        }
    }

    /// A custom field: CEF has a few without a meaning of their own, each named by a label.
    fn custom(&mut self, key: &str, label: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.put(&format!("{key}Label"), label);
            self.put(key, value);
        }
    }

    fn alert(&mut self, alert: &Alert) {
        self.put("rt", &facts::unix_ms(alert.time).to_string());
        self.put("start", &facts::unix_ms(alert.repeat.first).to_string());
        self.put("end", &facts::unix_ms(alert.repeat.last).to_string());
        self.put("cnt", &alert.repeat.count.to_string());
        self.put("externalId", &alert.id.to_string());
        self.custom("cn1", "revision", Some(&alert.revision.to_string()));
        self.put("cat", facts::class_word(alert.class));
        self.put("act", alert.action_word());
        self.put("dvchost", &alert.node);
        self.put("msg", &alert.summary);
        self.custom("cs1", "attack", Some(&alert.attack.join(",")));
        self.custom("cs6", "also", Some(&alert.also.join(",")));
    }

    fn object(&mut self, alert: &Alert) {
        if let Some(object) = alert.object() {
            self.put("filePath", object.path);
            self.put("fname", facts::base_name(object.path));
        }
        if let Some(local) = alert.local() {
            self.put("src", local.address);
            self.put("spt", &local.port.to_string());
        }
        if let Some(remote) = alert.remote() {
            self.put("dst", remote.address);
            self.put("dpt", &remote.port.to_string());
        }
        self.maybe("dhost", alert.remote_name());
        self.maybe("proto", alert.protocol().map(str::to_uppercase).as_deref());
    }

    fn process(&mut self, process: &AlertProcess) {
        self.put("sproc", &process.exe);
        self.put("spid", &process.host_pid.to_string());
        self.put("suid", &process.uid.to_string());
        self.custom("cs2", "commandLine", Some(&process.args.join(" ")));
        let parent = process.ancestors.first();
        self.custom("cs3", "parent", parent.map(|parent| parent.exe.as_str()));
    }

    fn container(&mut self, container: &AlertContainer) {
        let name = container.name.as_deref().unwrap_or_default();
        let id = facts::short_id(&container.id);
        let shown = if name.is_empty() {
            id.to_owned()
        } else {
            format!("{name} ({id})")
        };
        self.custom("cs4", "container", Some(&shown));
        self.custom("cs5", "image", container.image.reference.as_deref());
        let pod = container
            .pod
            .as_ref()
            .map(|pod| format!("{}/{}", pod.namespace, pod.name));
        self.custom("flexString1", "pod", pod.as_deref());
        self.custom("flexString2", "containerId", Some(&container.id));
    }
}
