//! The Grafana dashboard asks for metrics that exist, in queries that Prometheus understands.

use super::{folder, read};
use crate::shell;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

/// What Grafana puts in for its variables, by example.
const VARIABLES: [(&str, &str); 4] = [
    ("$__rate_interval", "5m"),
    ("$__range", "6h"),
    ("$instance", ".*"),
    ("$job", ".*"),
];
/// Series that a histogram is made of.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// # Errors
/// The first query that names a metric that there is not, or that is no PromQL.
pub(super) fn check() -> Result<()> {
    let panels = panels()?;
    let mut queries = Vec::new();
    collect(&panels, &mut queries);
    if queries.is_empty() {
        bail!("the dashboard asks for nothing");
    }
    check_names(&queries)?;
    check_syntax(&queries)
}

fn panels() -> Result<Value> {
    let file = folder().join("grafana/dashboard.json");
    let mut dashboard: Value =
        serde_json::from_str(&read(&file)?).with_context(|| format!("{} is no JSON", file.display()))?;
    Ok(dashboard["panels"].take())
}

fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(query) if key == "expr" => queries.push(filled_in(query)),
                    value => collect(value, queries),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, queries)),
        _ => {}
    }
}

fn filled_in(query: &str) -> String {
    VARIABLES.iter().fold(query.to_owned(), |query, (name, value)| {
        query.replace(name, value)
    })
}

fn check_names(queries: &[String]) -> Result<()> {
    let catalogue = read(&shell::workspace().join("docs/metrics.md"))?;
    let known: BTreeSet<&str> = catalogue
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    for query in queries {
        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("vigia_")) {
            let whole = PARTS.iter().find_map(|part| name.strip_suffix(part));
            if !known.contains(name) && !whole.is_some_and(|name| known.contains(name)) {
                bail!("the dashboard asks for {name}, which docs/metrics.md does not have: {query}");
            }
        }
    }
    Ok(())
}

/// As recording rules, which promtool reads.
fn check_syntax(queries: &[String]) -> Result<()> {
    let rules: Vec<Value> = (1..)
        .zip(queries)
        .map(|(number, query)| json!({"record": format!("panel:{number}"), "expr": query}))
        .collect();
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("dashboard.yaml");
    fs::write(
        &file,
        json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string(),
    )?;
    shell::run(Command::new("promtool").args(["check", "rules"]).arg(&file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_there_is_not_is_found() {
        let query = |text: &str| [text.to_owned()];
        assert!(check_names(&query("sum(vigia_alerts_total)")).is_ok());
        assert!(check_names(&query("rate(vigia_decision_seconds_bucket[5m])")).is_ok());
        let error = check_names(&query("sum(vigia_alert_total)")).unwrap_err();
        assert!(error.to_string().contains("vigia_alert_total"), "{error}");
    }

    /// Every cell that a panel covers.
    fn cells(panel: &Value) -> Vec<(u64, u64)> {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let (x, y) = (side("x"), side("y"));
        let columns = (x..x + side("w")).flat_map(|x| (y..y + side("h")).map(move |y| (x, y)));
        columns.collect()
    }

    #[test]
    fn each_panel_has_a_number_and_a_place_of_its_own() {
        let panels = panels().unwrap();
        let (mut numbers, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in panels.as_array().unwrap() {
            assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{panel}");
            for cell in cells(panel) {
                assert!(cell.0 < 24 && taken.insert(cell), "{cell:?}: {panel}");
            }
        }
    }
}
