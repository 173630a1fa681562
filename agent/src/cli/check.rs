//! `agent check`: what this kernel and host allow. Loads the sensor, says what became of each capability, and
//! detaches it again.

use super::output::say_json;
use super::permission::Need;
use super::{Exit, Failure, Output, missing_capabilities, require_capabilities, say};
use crate::kernel::{
    Capability, CapabilityReport, Coverage, EnforcementReport, Features, KernelError, ProgramStats, Sensor,
    SensorConfig, Sight, coverage,
};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;

/// How to show it.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What was found. The JSON form.
#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    architecture: &'static str,
    /// `None`: the kernel does not tell.
    security_modules: Option<Vec<String>>,
    cgroups: Cgroups,
    /// Capabilities of this process that would be of use.
    missing_capabilities: Vec<&'static str>,
    programs: Vec<Program>,
    capabilities: Vec<Row>,
    /// How profiles can be enforced.
    enforcement: Vec<Enforceable>,
    /// What the attached capabilities show of each behaviour.
    coverage: Vec<Coverage>,
}

/// Where the hierarchies that name containers are mounted.
#[derive(Debug, Serialize)]
struct Cgroups {
    view: &'static str,
    v2: Option<PathBuf>,
    v1: Option<PathBuf>,
}

/// A loaded program and what it takes.
#[derive(Debug, Serialize)]
struct Program {
    name: String,
    /// `None`: the kernel is older than 5.16.
    verified_instructions: Option<u32>,
    /// 0: it is interpreted.
    machine_code_bytes: u32,
    memory_bytes: u64,
}

/// What becomes of what an enforced profile does not name, and of an escape where those are denied.
#[derive(Debug, Serialize)]
struct Enforceable {
    /// `exec`, `write`, `read`, `listen`, `connect`, `capabilities`; `escape.…`.
    section: &'static str,
    /// `lsm`, `cgroup`, `signal`.
    means: Option<&'static str>,
    /// `denied`, `killed`; `None`: nothing.
    action: Option<&'static str>,
    /// What it cannot keep anybody from.
    gap: Option<&'static str>,
    /// Why no better backend is used, or none.
    reason: Option<String>,
}

/// One capability of the sensor.
#[derive(Debug, Serialize)]
struct Row {
    capability: &'static str,
    /// `None`: not attached, the sensor is blind here.
    backend: Option<&'static str>,
    trust: Option<&'static str>,
    programs: Vec<&'static str>,
    /// Why no better backend is used.
    reason: Option<String>,
}

pub(super) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    require_capabilities()?;
    let features = Features::read()?;
    let mut sensor = Sensor::load(SensorConfig {
        watches: true,
        ..SensorConfig::default()
    })?;
    let enforcement = sensor.enforceable().into_iter().map(Enforceable::from).collect();
    let report = gather(&features, &sensor, enforcement)?;
    drop(sensor);
    match args.output {
        Output::Json => say_json(&report)?,
        Output::Text => say(&render(&report))?,
    };
    let blind = report.capabilities.iter().any(|row| row.backend.is_none());
    Ok(if blind { Exit::Findings } else { Exit::Ok })
}

/// What became of the capabilities. A view that hides cgroups is no matter of the programs, but of what they can tell.
fn rows(sensor: &Sensor) -> Vec<Row> {
    let mut rows: Vec<Row> = sensor.reports().iter().map(Row::from).collect();
    for row in &mut rows {
        if row.capability == Capability::Identity.name() {
            row.reason = row.reason.take().or_else(|| sensor.slots.obstacle());
        }
    }
    rows
}

fn gather(features: &Features, sensor: &Sensor, enforcement: Vec<Enforceable>) -> Result<Report, Failure> {
    let mounts = &features.cgroups;
    let view = match (&mounts.v2, &mounts.v1) {
        (Some(_), Some(_)) => "hybrid",
        (Some(_), None) => "v2",
        (None, Some(_)) => "v1",
        (None, None) => "none",
    };
    Ok(Report {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        architecture: std::env::consts::ARCH,
        security_modules: features.security_modules.clone(),
        cgroups: Cgroups {
            view,
            v2: mounts.v2.clone(),
            v1: mounts.v1.clone(),
        },
        // The required ones are there, or we would not be.
        missing_capabilities: missing_capabilities()?
            .iter()
            .filter(|missing| missing.need == Need::Optional)
            .map(|missing| missing.name)
            .collect(),
        programs: sensor.program_stats().into_iter().map(Program::from).collect(),
        capabilities: rows(sensor),
        enforcement,
        coverage: coverage(sensor.reports()),
    })
}

impl From<ProgramStats> for Program {
    fn from(stats: ProgramStats) -> Self {
        Self {
            name: stats.program,
            verified_instructions: stats.verified_instructions,
            machine_code_bytes: stats.machine_code_bytes,
            memory_bytes: stats.memory_bytes,
        }
    }
}

impl From<(&'static str, Result<EnforcementReport, KernelError>)> for Enforceable {
    fn from((section, tried): (&'static str, Result<EnforcementReport, KernelError>)) -> Self {
        match tried {
            Ok(report) => Self {
                section,
                means: Some(report.means.name()),
                action: Some(report.means.action()),
                gap: report.gap,
                reason: report.reason,
            },
            Err(error) => Self {
                section,
                means: None,
                action: None,
                gap: None,
                reason: Some(error.to_string()),
            },
        }
    }
}

impl From<&CapabilityReport> for Row {
    fn from(report: &CapabilityReport) -> Self {
        Self {
            capability: report.capability.name(),
            backend: report.backend.map(|backend| backend.name()),
            trust: report.backend.map(|_| report.trust.name()),
            programs: report.programs.clone(),
            reason: report.reason_not_better.clone(),
        }
    }
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _written = head(&mut text, report)
        .and_then(|()| table(&mut text, &report.capabilities))
        .and_then(|()| enforcement(&mut text, &report.enforcement))
        .and_then(|()| blind_spots(&mut text, &report.coverage));
    text
}

fn head(text: &mut String, report: &Report) -> std::fmt::Result {
    let modules = match &report.security_modules {
        Some(modules) => modules.join(","),
        None => "not told by the kernel".to_owned(),
    };
    let at = |path: &Option<PathBuf>| {
        path.as_ref()
            .map_or("-".to_owned(), |path| path.display().to_string())
    };
    writeln!(
        text,
        "kernel            {} {}",
        report.kernel, report.architecture
    )?;
    writeln!(text, "type information  /sys/kernel/btf/vmlinux")?;
    writeln!(text, "security modules  {modules}")?;
    let Cgroups { view, v2, v1 } = &report.cgroups;
    writeln!(text, "control groups    {view} (v2 {}, v1 {})", at(v2), at(v1))?;
    if !report.missing_capabilities.is_empty() {
        writeln!(
            text,
            "not held          {}",
            report.missing_capabilities.join(", ")
        )?;
    }
    let memory: u64 = report.programs.iter().map(|program| program.memory_bytes).sum();
    writeln!(
        text,
        "programs          {} loaded and attached, {} KiB",
        report.programs.len(),
        memory >> 10
    )
}

fn table(text: &mut String, rows: &[Row]) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<13} {:<11} {:<10} WHY NOT BETTER",
        "CAPABILITY", "BACKEND", "TRUST"
    )?;
    let mut last = None;
    for row in rows {
        let backend = row.backend.unwrap_or("none");
        let trust = row.trust.unwrap_or("blind");
        // Mostly the same for all: said once.
        let reason = match &row.reason {
            Some(reason) if last == Some(reason) => "as above",
            Some(reason) => reason,
            None => "",
        };
        let line = format!("{:<13} {backend:<11} {trust:<10} {reason}", row.capability);
        writeln!(text, "{}", line.trim_end())?;
        last = row.reason.as_ref().or(last);
    }
    Ok(())
}

fn enforcement(text: &mut String, rows: &[Enforceable]) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<13} {:<11} {:<10} GAP",
        "ENFORCEMENT", "MEANS", "ACTION"
    )?;
    for row in rows {
        let (means, action) = (row.means.unwrap_or("none"), row.action.unwrap_or("none"));
        let gap = row.gap.or(row.reason.as_deref()).unwrap_or_default();
        let line = format!("{:<13} {means:<11} {action:<10} {gap}", row.section);
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn blind_spots(text: &mut String, coverage: &[Coverage]) -> std::fmt::Result {
    let blind: Vec<&str> = coverage
        .iter()
        .filter(|row| row.sight == Sight::Blind)
        .map(|row| row.behaviour)
        .collect();
    let blind = if blind.is_empty() {
        "none".to_owned()
    } else {
        blind.join(", ")
    };
    writeln!(text, "\nblind spots       {blind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(capability: &'static str, backend: Option<&'static str>, reason: Option<&str>) -> Row {
        Row {
            capability,
            backend,
            trust: backend.map(|_| "resolved"),
            programs: Vec::new(),
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_not_attached_is_called_blind_and_reasons_are_said_once() {
        let rows = [
            row("exec", Some("tracepoint"), None),
            row("bind", Some("tracepoint"), Some("lsm: refused")),
            row("listen", None, Some("lsm: refused")),
        ];
        let mut text = String::new();
        table(&mut text, &rows).unwrap();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines[0], "exec          tracepoint  resolved");
        assert!(lines[1].ends_with("lsm: refused"), "{text}");
        assert!(lines[2].starts_with("listen        none        blind"), "{text}");
        assert!(lines[2].ends_with("as above"), "{text}");
    }
}
