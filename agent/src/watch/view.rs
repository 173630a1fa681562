//! One published line, as a person reads it.

use crate::control::protocol::MISSED_SCHEMA;
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value};
use std::fmt::Write;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// As they came.
    Json,
    Plain,
    Coloured,
}

/// How much a person is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Without reads of what is in the image: libraries, locales, configuration that was built in.
    Relevant,
    Everything,
}

/// Ends of connections in evidence, best first: `remote_address`, `remote_port`.
const ENDS: [&str; 2] = ["remote", "local"];
/// Evidence that says what an event was about, best first.
const OBJECTS: [&str; 9] = [
    "path",
    "new_path",
    "source",
    "target",
    "module",
    "operation",
    "target_host_pid",
    "host_namespaces",
    "gained_namespaces",
];
/// Longest object that is shown, characters.
const MAX_OBJECT: usize = 160;

/// The line for `view`; `None` when it is not worth a person's look. What is no JSON is shown as it is, without
/// control characters. JSON leaves nothing out.
#[must_use]
pub fn render(line: &str, view: View, detail: Detail) -> Option<String> {
    if view == View::Json {
        return Some(line.to_owned());
    }
    let Ok(value) = serde_json::from_str::<Value>(line) else {
        return Some(clean(line, usize::MAX));
    };
    let paint = Paint {
        coloured: view == View::Coloured,
    };
    match text(&value, "/schema") {
        MISSED_SCHEMA => Some(missed(&value, paint)),
        crate::alert::SCHEMA => Some(alert(&value, paint)),
        _ if detail == Detail::Relevant && reads_image(&value) => None,
        _ => Some(activity(&value, paint)),
    }
}

fn reads_image(value: &Value) -> bool {
    let in_image = value.pointer("/evidence/in_image").and_then(Value::as_bool);
    text(value, "/kind") == "file_open" && text(value, "/evidence/access") == "read" && in_image == Some(true)
}

#[derive(Debug, Clone, Copy)]
struct Paint {
    coloured: bool,
}

impl Paint {
    fn text(self, style: Style, text: &str) -> String {
        if self.coloured {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

fn activity(value: &Value, paint: Paint) -> String {
    if text(value, "/kind") == "container" {
        return lifecycle(value, paint);
    }
    let dim = Style::new().dimmed();
    let kind = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    format!(
        "{} {} {} {} {}",
        paint.text(dim, clock(value)),
        who(value, paint),
        paint.text(kind, &format!("{:<12}", clean(text(value, "/kind"), 12))),
        clean(text(value, "/process/exe"), MAX_OBJECT),
        object(value),
    )
}

/// A container comes or goes. Who made the cgroup is the runtime's business.
fn lifecycle(value: &Value, paint: Paint) -> String {
    let what = match text(value, "/evidence/operation") {
        "created" => "container created",
        "live" => "container live",
        "gone" => "container gone",
        "left" => "a process left its container's cgroup",
        _ => "container",
    };
    format!(
        "{} {} {}",
        paint.text(Style::new().dimmed(), clock(value)),
        who(value, paint),
        paint.text(Style::new().fg_color(Some(AnsiColor::Green.into())), what),
    )
}

/// Two lines: what happened, and who did it.
fn alert(value: &Value, paint: Paint) -> String {
    let severity = text(value, "/severity");
    let badge = format!(" {} ", severity.to_uppercase());
    let repeat = value
        .pointer("/repeat/count")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    let repeated = if repeat > 1 {
        format!(" ({repeat} times)")
    } else {
        String::new()
    };
    let mut out = format!(
        "{} {} {} {} {}{repeated}",
        clock(value),
        who(value, paint),
        paint.text(severity_style(severity), &badge),
        paint.text(Style::new().bold(), &clean(text(value, "/rule"), 80)),
        clean(text(value, "/summary"), 400),
    );
    let chain: Vec<String> = value
        .pointer("/process/ancestors")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(8)
        .map(|ancestor| clean(text(ancestor, "/exe"), 80))
        .collect();
    let exe = text(value, "/process/exe");
    if !exe.is_empty() {
        let pid = value
            .pointer("/process/host_pid")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        // Writing to a String cannot fail.
        let _written = write!(out, "\n             by {} (pid {pid})", clean(exe, MAX_OBJECT));
    }
    if !chain.is_empty() {
        let _written = write!(out, " < {}", chain.join(" < "));
    }
    out
}

fn missed(value: &Value, paint: Paint) -> String {
    let count = value.get("missed").and_then(Value::as_u64).unwrap_or(0);
    let style = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    paint.text(
        style,
        &format!("... {count} lines missed: this terminal is slower than the events"),
    )
}

fn who(value: &Value, paint: Paint) -> String {
    let id = text(value, "/container/id");
    let name = match text(value, "/container/name") {
        "" => id.get(..12).unwrap_or(id),
        name => name,
    };
    let name = if name.is_empty() { "(host)" } else { name };
    let image = text(value, "/container/image/ref");
    let bold = Style::new().bold();
    let dim = Style::new().dimmed();
    let name = paint.text(bold, &format!("{:<16}", clean(name, 40)));
    format!("{name} {}", paint.text(dim, &format!("{:<20}", clean(image, 60))))
}

fn object(value: &Value) -> String {
    let Some(evidence) = value.get("evidence").and_then(Value::as_object) else {
        return String::new();
    };
    if text(value, "/kind") == "exec" {
        let args = value
            .pointer("/process/args")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let args: Vec<&str> = args.skip(1).filter_map(Value::as_str).collect();
        return clean(&args.join(" "), MAX_OBJECT);
    }
    let shown = match ENDS.iter().find_map(|side| end(evidence, side)) {
        Some(end) if text(value, "/kind") == "dns" => vec![asked(evidence), end],
        Some(end) => vec![end],
        None => named(evidence),
    };
    clean(&shown.join(" "), MAX_OBJECT)
}

/// `AAAA api.example.org`, and of an answer what it says: `A api.example.org: 203.0.113.9 from`, `A api.example.org: NXDOMAIN from`.
fn asked(evidence: &Map<String, Value>) -> String {
    let shown = |key: &str| evidence.get(key).and_then(scalar).unwrap_or_default();
    let question = format!("{} {}", shown("type"), shown("name"));
    let answer = ["addresses", "code"]
        .map(shown)
        .into_iter()
        .find(|text| !text.is_empty());
    answer.map_or_else(
        || format!("{question} of"),
        |answer| format!("{question}: {answer} from"),
    )
}

/// `tcp 10.0.0.1:80 (db)`; the container at the other end is named when it is known, else what was asked for.
fn end(evidence: &Map<String, Value>, side: &str) -> Option<String> {
    let address = evidence.get(&format!("{side}_address"))?.as_str()?;
    let port = evidence.get(&format!("{side}_port"))?.as_u64()?;
    let protocol = evidence.get("protocol").and_then(Value::as_str).unwrap_or("");
    let container = evidence.get("peer").and_then(|peer| peer.get("name")?.as_str());
    let peer = container.or_else(|| evidence.get("peer_name")?.as_str());
    let brackets = if address.contains(':') {
        ("[", "]")
    } else {
        ("", "")
    };
    let end = format!("{protocol} {}{address}{}:{port}", brackets.0, brackets.1);
    Some(peer.map_or_else(|| end.clone(), |peer| format!("{end} ({peer})")))
}

/// The two best of [`OBJECTS`], else whatever is there.
fn named(evidence: &Map<String, Value>) -> Vec<String> {
    let found: Vec<String> = OBJECTS
        .iter()
        .filter_map(|key| scalar(evidence.get(*key)?))
        .take(2)
        .collect();
    if !found.is_empty() {
        return found;
    }
    let rest = evidence.iter().filter(|(key, _)| *key != "kind");
    rest.filter_map(|(key, value)| Some(format!("{key}={}", scalar(value)?)))
        .take(4)
        .collect()
}

/// A string, a number, or a list of them.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(scalar).collect();
            Some(items?.join(","))
        }
        _ => None,
    }
}

/// Hours to milliseconds, UTC.
fn clock(value: &Value) -> &str {
    let time = text(value, "/time");
    time.get(11..23).unwrap_or(time)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn severity_style(severity: &str) -> Style {
    let colour = |colour: AnsiColor| Style::new().bold().fg_color(Some(colour.into()));
    match severity {
        "critical" => colour(AnsiColor::BrightWhite).bg_color(Some(AnsiColor::Red.into())),
        "high" => colour(AnsiColor::Red),
        "medium" => colour(AnsiColor::Yellow),
        "low" => colour(AnsiColor::Cyan),
        _ => Style::new().dimmed(),
    }
}

/// At most `max` characters of `text` for a terminal. Names come from strangers: nothing of them may move the cursor.
#[must_use]
pub fn clean(text: &str, max: usize) -> String {
    let mut out = String::new();
    for character in text.chars().take(max) {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    if text.chars().nth(max).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests;
