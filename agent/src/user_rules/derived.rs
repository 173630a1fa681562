//! Short names for what is often asked of processes, made of what events show.

use crate::event::EventKind;
use serde_json::{Map, Value};

/// Programs that are many: what they were called says which.
const MULTI_CALL: [&str; 4] = ["busybox", "toybox", "coreutils", "dropbearmulti"];

/// Fills in the names and command lines of a process and its ancestors, and its parent. What is given stays.
pub(super) fn complete(kind: EventKind, event: &Map<String, Value>, process: &mut Map<String, Value>) {
    let executed = event.get("filename").filter(|_| kind == EventKind::EXEC);
    let called = executed.and_then(Value::as_str).and_then(called_by);
    describe(process, called);
    let arguments = arguments(process);
    keep(process, "arguments", arguments.into());
    if let Some(Value::Array(ancestors)) = process.get_mut("ancestors") {
        for ancestor in ancestors.iter_mut().filter_map(Value::as_object_mut) {
            describe(ancestor, None);
        }
    }
    let first = process.get("ancestors").and_then(|ancestors| ancestors.get(0));
    if let Some(first) = first.cloned() {
        keep(process, "parent", first);
    }
    if let Some(Value::Object(parent)) = process.get_mut("parent") {
        describe(parent, None);
    }
}

fn describe(process: &mut Map<String, Value>, called: Option<String>) {
    let name = called.unwrap_or_else(|| name(process));
    keep(process, "name", name.into());
    let name = process.get("name").and_then(Value::as_str).unwrap_or_default();
    let command_line = match arguments(process) {
        arguments if arguments.is_empty() => name.to_owned(),
        arguments => format!("{name} {arguments}"),
    };
    keep(process, "command_line", command_line.into());
}

fn keep(map: &mut Map<String, Value>, key: &str, value: Value) {
    if !map.contains_key(key) {
        map.insert(key.to_owned(), value);
    }
}

/// The name that an exec asked for. Of an open file it asks by number, which says nothing.
fn called_by(filename: &str) -> Option<String> {
    let name = file_name(filename);
    (!name.is_empty() && !filename.starts_with("/dev/fd/")).then(|| name.to_owned())
}

fn name(process: &Map<String, Value>) -> String {
    let name = file_name(process.get("exe").and_then(Value::as_str).unwrap_or_default());
    let first = process.get("args").and_then(|args| args.get(0));
    // Shells of a login are called `-sh`.
    let called = first
        .and_then(Value::as_str)
        .map(|first| file_name(first).trim_start_matches('-'));
    match called {
        Some(called) if MULTI_CALL.contains(&name) && !called.is_empty() => called.to_owned(),
        _ => name.to_owned(),
    }
}

fn arguments(process: &Map<String, Value>) -> String {
    let args = process.get("args").and_then(Value::as_array);
    let rest: Vec<&str> = args
        .into_iter()
        .flatten()
        .skip(1)
        .filter_map(Value::as_str)
        .collect();
    rest.join(" ")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn completed(kind: EventKind, event: Value, process: Value) -> Map<String, Value> {
        let (Value::Object(event), Value::Object(mut process)) = (event, process) else {
            panic!("objects")
        };
        complete(kind, &event, &mut process);
        process
    }

    #[test]
    fn an_exec_has_the_name_that_it_asked_for() {
        let exec = |filename: &str, exe: &str| {
            let event = json!({"filename": filename});
            completed(
                EventKind::EXEC,
                event,
                json!({"exe": exe, "args": ["x", "-e", "sh"]}),
            )
        };
        assert_eq!(exec("/usr/bin/nc", "/bin/busybox")["name"], "nc");
        assert_eq!(exec("./backup.sh", "/bin/sh")["command_line"], "backup.sh -e sh");
        assert_eq!(exec("/dev/fd/3", "memfd:x")["name"], "memfd:x");
        let opened = completed(
            EventKind::FILE_OPEN,
            json!({"filename": "/a/b"}),
            json!({"exe": "/bin/cat"}),
        );
        assert_eq!(
            (&opened["name"], &opened["arguments"]),
            (&json!("cat"), &json!(""))
        );
    }

    #[test]
    fn many_programs_in_one_have_the_name_that_they_were_called_by() {
        let of = |args: Value| {
            completed(
                EventKind::CONNECT,
                json!({}),
                json!({"exe": "/bin/busybox", "args": args}),
            )
        };
        assert_eq!(of(json!(["-sh", "-l"]))["command_line"], "sh -l");
        assert_eq!(of(json!(["/bin/wget"]))["name"], "wget");
        assert_eq!(of(json!([]))["name"], "busybox");
    }

    #[test]
    fn the_parent_is_the_first_ancestor_and_what_is_given_stays() {
        let ancestors =
            json!([{"exe": "/usr/sbin/nginx", "args": ["nginx", "-g", "x"]}, {"exe": "/sbin/init"}]);
        let process = completed(EventKind::EXEC, json!({}), json!({"ancestors": ancestors}));
        assert_eq!(process["parent"]["command_line"], "nginx -g x");
        assert_eq!(process["ancestors"][1]["name"], "init");
        let given = json!({"name": "a", "parent": {"exe": "/bin/b"}, "ancestors": [{"exe": "/bin/c"}]});
        let process = completed(EventKind::EXEC, json!({"filename": "/bin/d"}), given);
        assert_eq!(
            (&process["name"], &process["parent"]["name"]),
            (&json!("a"), &json!("b"))
        );
    }
}
