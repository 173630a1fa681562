//! The table of capabilities in `docs/kernel-support.md` is what the plans say.
//! `UPDATE_GENERATED=1 cargo test -p agent --lib kernel::support` writes it anew.

use super::backend::{Attach, Backend, Hook, Way};
use super::coverage::behaviours;
use super::plan::{CGROUPS, TASKS, plans};
use std::fmt::Write;
use std::path::Path;

const END: &str = "<!-- end of generated -->\n";

fn place(hook: &Hook) -> String {
    match hook.attach {
        Attach::Tracepoint(name) => format!("tp_btf `{name}`"),
        Attach::Syscalls(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!("return of {}", names.join(", "))
        }
        Attach::Lsm(name) => format!("lsm `{name}`"),
        Attach::Fentry(name) => format!("fentry `{name}`"),
        Attach::Fexit(name) => format!("fexit `{name}`"),
        Attach::CgroupRoot => format!("cgroup `{}`", hook.program),
        Attach::Shared => "the same as `listen`".to_owned(),
    }
}

fn row(text: &mut String, capability: &str, way: (&str, &str), hooks: &[Hook]) {
    let places: Vec<String> = hooks.iter().map(place).collect();
    writeln!(
        text,
        "| {capability} | {} | {} | {} |",
        way.0,
        way.1,
        places.join("; ")
    )
    .unwrap();
}

fn table() -> String {
    let mut text = "\n| capability | backend | trust | hooks |\n|---|---|---|---|\n".to_owned();
    row(
        &mut text,
        "identity",
        ("tracepoint", "resolved"),
        &[CGROUPS, TASKS].concat(),
    );
    row(&mut text, "exec", ("tracepoint", "resolved"), TASKS);
    for plan in plans() {
        for Way {
            backend,
            trust,
            hooks,
            natively,
        } in plan.ways
        {
            row(
                &mut text,
                plan.capability.name(),
                (
                    if *natively {
                        "tracepoint alone"
                    } else {
                        backend.name()
                    },
                    trust.name(),
                ),
                hooks,
            );
        }
    }
    text + "\n"
}

fn sights() -> String {
    let mut text = "\n| behaviour | what | lsm | fentry | tracepoint |\n|---|---|---|---|---|\n".to_owned();
    for behaviour in behaviours() {
        let [lsm, fentry, tracepoint] = [Backend::Lsm, Backend::Fentry, Backend::Tracepoint]
            .map(|backend| behaviour.sight(backend).name());
        let (name, what) = (behaviour.name, behaviour.what);
        let weakly = behaviour.weakly.map_or_else(String::new, |(program, sight)| {
            format!("; {} by `{program}`", sight.name())
        });
        writeln!(
            text,
            "| `{name}` | {what} | {lsm} | {fentry} | {tracepoint}{weakly} |"
        )
        .unwrap();
    }
    text + "\n"
}

/// Compares what stands between the marks of `section` with what must, or writes it.
fn is_current(section: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kernel-support.md");
    let begin = format!("<!-- generated: {section} -->\n");
    let stored = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = stored.split_once(&begin).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, format!("{before}{begin}{wanted}{END}{after}")).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/kernel-support.md is not current; see the head of this file"
    );
}

/// One test: each section is written to the same file.
#[test]
fn the_documented_tables_are_current() {
    is_current("capabilities", &table());
    is_current("behaviours", &sights());
}
