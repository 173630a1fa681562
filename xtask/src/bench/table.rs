//! A report as tables, as they stand in docs/performance.md.

use super::figures::Spread;
use super::kernel_time::Spent;
use super::report::{Beside, Report, Row};
use std::fmt::{self, Formatter};

pub(super) fn write(f: &mut Formatter<'_>, report: &Report<'_>) -> fmt::Result {
    if !report.rounds.with.is_empty() {
        ratios(f, &report.rows)?;
        latencies(f, &report.rows)?;
        usage(f, report)?;
    }
    kernel_time(f, report)?;
    programs(f, &report.rows)?;
    let bytes = report.times.map_bytes;
    writeln!(f, "\nmaps: {:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn ratios(f: &mut Formatter<'_>, rows: &[Row<'_>]) -> fmt::Result {
    let Some(first) = rows.first() else { return Ok(()) };
    let names: String = first
        .beside
        .iter()
        .map(|beside| format!(" {} |", beside.subject.name()))
        .collect();
    writeln!(f, "| processor time | alone, µs | target | A/A |{names}")?;
    writeln!(f, "|---|--:|--:|--:|{}", "--:|".repeat(first.beside.len()))?;
    for row in rows {
        let base = row.base_ns.map_or_else(dash, micros);
        let target = row.workload.target.ratio.map_or_else(dash, short);
        let control = row.control.map_or_else(dash, |control| short(control.median));
        let beside: String = row
            .beside
            .iter()
            .map(|beside| format!(" {} |", ratio(beside.ratio)))
            .collect();
        writeln!(
            f,
            "| {} | {base} | {target} | {control} |{beside}",
            row.workload.operation
        )?;
    }
    writeln!(f)
}

fn ratio(ratio: Option<Spread>) -> String {
    ratio.map_or_else(dash, |spread| {
        format!(
            "{:.2} ({:.2}-{:.2})",
            spread.median, spread.smallest, spread.largest
        )
    })
}

fn latencies(f: &mut Formatter<'_>, rows: &[Row<'_>]) -> fmt::Result {
    writeln!(f, "p50 and p99 in µs, alone:")?;
    for row in rows {
        let Some(alone) = row.latency else { continue };
        let beside = row.beside.iter().filter_map(|beside: &Beside| {
            Some(format!("{} {}", beside.subject.name(), pair(beside.latency?)))
        });
        let beside: Vec<_> = beside.collect();
        writeln!(f, "{} {}; {}", row.workload.name, pair(alone), beside.join(", "))?;
    }
    writeln!(f)
}

fn pair([p50, p99]: [f64; 2]) -> String {
    format!("{} {}", micros(p50), micros(p99))
}

fn usage(f: &mut Formatter<'_>, report: &Report<'_>) -> fmt::Result {
    for round in &report.rounds.with {
        let usage = round.usage;
        let lost = usage
            .lost
            .map_or_else(String::new, |lost| format!(", {lost} lost"));
        let mib = usage.resident_bytes >> 20;
        writeln!(
            f,
            "{}: {:.2} % of a core, {mib} MiB{lost}",
            round.subject.name(),
            usage.percent
        )?;
    }
    writeln!(f)
}

fn kernel_time(f: &mut Formatter<'_>, report: &Report<'_>) -> fmt::Result {
    let floor = report.times.floor;
    writeln!(f, "A run of an empty program: {floor:.0} ns\n")?;
    writeln!(
        f,
        "| kernel ns | container | runs | of them empty | wanted | host | runs | of them empty | wanted |"
    )?;
    writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for row in &report.rows {
        let target = row.workload.target;
        let limit = |limit: Option<f64>| limit.map_or_else(String::new, short);
        let columns =
            |spent: &Spent| format!("{:.0} | {:.1} | {:.0}", spent.ns, spent.runs, spent.runs * floor);
        writeln!(
            f,
            "| {} | {} | {} | {} | {} |",
            row.workload.operation,
            columns(&row.kernel_time.container),
            limit(target.container_ns),
            columns(&row.kernel_time.host),
            limit(target.host_ns),
        )?;
    }
    Ok(())
}

/// What makes all but a hundredth of it.
fn programs(f: &mut Formatter<'_>, rows: &[Row<'_>]) -> fmt::Result {
    writeln!(f, "\nBy program, with its runs:")?;
    for row in rows {
        for (place, spent) in [
            ("container", &row.kernel_time.container),
            ("host", &row.kernel_time.host),
        ] {
            let programs = spent.programs.iter().filter(|(_, run)| run.ns > spent.ns / 100.0);
            let words = programs.map(|(name, run)| format!("{name} {:.0} ({:.1})", run.ns, run.runs));
            writeln!(
                f,
                "{}, {place}: {}",
                row.workload.name,
                words.collect::<Vec<_>>().join(", ")
            )?;
        }
    }
    Ok(())
}

fn micros(ns: f64) -> String {
    format!("{:.2}", ns / 1e3)
}

fn dash() -> String {
    "-".to_owned()
}

/// Ratios with two digits, nanoseconds with none.
pub(super) fn short(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}
