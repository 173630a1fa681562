//! How much the kernel's verifier goes through to accept each program, on each kernel: the committed table, and what
//! `cargo xtask verified` makes of new measurements. A program that grows costs load time first, and is refused at a
//! million instructions; one that shrinks has perhaps lost a branch.

use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Counts may differ by this much from the table: minor releases of one series do.
const TOLERANCE_PERCENT: u32 = 10;
/// What a measuring test prints before each measurement.
const MARK: &str = "verified-instructions: ";

const HEAD: &str = "# Verified instructions\n\n\
    What the kernel's verifier goes through to accept each program (`verified_insns`), by kernel series; it refuses more than a million. The\n\
    tests fail where a count differs by more than 10 %. `cargo xtask verified` measures here and on the kernels of the `vm` tier, and writes\n\
    this table anew; the last column is kept, and is the place to say why a count had to grow.\n\n";

/// The committed table.
#[must_use]
pub fn path() -> PathBuf {
    crate::paths::workspace().join("docs/verified-instructions.md")
}

/// One program on one kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurement {
    /// The kernel, as [`kernel`] names it.
    pub kernel: String,
    pub program: String,
    pub count: u32,
}

/// Name of a kernel in the table: its series, its machine unless that is the usual one, and whether it has a hierarchy of
/// cgroups version 1, for which the programs have branches.
#[must_use]
pub fn kernel(release: &str, has_cgroup1: bool) -> String {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let (major, minor) = (numbers.next().unwrap_or("?"), numbers.next().unwrap_or("?"));
    let machine = match std::env::consts::ARCH {
        "x86_64" => String::new(),
        other => format!(" {other}"),
    };
    let cgroup1 = if has_cgroup1 { " cgroup1" } else { "" };
    format!("{major}.{minor}{machine}{cgroup1}")
}

impl Measurement {
    /// The line by which a test hands it to `cargo xtask verified`.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            kernel,
            program,
            count,
        } = self;
        format!("{MARK}{program} {count} {kernel}")
    }

    /// From such a line.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.trim().strip_prefix(MARK)?.splitn(3, ' ');
        Some(Self {
            program: words.next()?.to_owned(),
            count: words.next()?.parse().ok()?,
            kernel: words.next()?.to_owned(),
        })
    }
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    kernels: BTreeSet<String>,
    programs: BTreeMap<String, Row>,
}

/// A program's counts by kernel, and what a person has noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    counts: BTreeMap<String, u32>,
    note: String,
}

impl Table {
    /// # Errors
    /// When it is no table of this form.
    pub fn parse(text: &str) -> Result<Self> {
        let mut rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
        let head = rows.next().context("no table")?;
        ensure!(
            head.first() == Some(&"program") && head.last() == Some(&"note"),
            "the table's head is {head:?}"
        );
        let kernels = &head[1..head.len() - 1];
        let mut table = Self {
            kernels: kernels.iter().map(|kernel| (*kernel).to_owned()).collect(),
            programs: BTreeMap::new(),
        };
        for row in rows.skip(1) {
            ensure!(row.len() == head.len(), "a row of {} cells: {row:?}", row.len());
            table
                .programs
                .insert(row[0].to_owned(), parse_row(kernels, &row)?);
        }
        Ok(table)
    }

    /// Whether the kernel is in the table.
    #[must_use]
    pub fn knows(&self, kernel: &str) -> bool {
        self.kernels.contains(kernel)
    }

    /// Why the measurement is not as the table says.
    #[must_use]
    pub fn objection(&self, measured: &Measurement) -> Option<String> {
        let Measurement {
            kernel,
            program,
            count,
        } = measured;
        let row = self.programs.get(program);
        let Some(expected) = row.and_then(|row| row.counts.get(kernel)) else {
            return Some(format!("{program}: {count}, and none is recorded for {kernel}"));
        };
        let difference = u64::from(count.abs_diff(*expected)) * 100;
        (difference > u64::from(*expected) * u64::from(TOLERANCE_PERCENT)).then(|| {
            let percent = (f64::from(*count) / f64::from(*expected) - 1.0) * 100.0;
            format!("{program}: {count} on {kernel}, recorded are {expected} ({percent:+.0} %)")
        })
    }

    /// The table after a complete measurement: programs that were not measured are gone; kernels that were not keep their
    /// counts, and programs their notes.
    #[must_use]
    pub fn renewed(mut self, measured: &[Measurement]) -> Self {
        let now: BTreeSet<&str> = measured.iter().map(|one| one.kernel.as_str()).collect();
        let mut renewed = Self {
            kernels: self.kernels.clone(),
            programs: BTreeMap::new(),
        };
        for Measurement {
            kernel,
            program,
            count,
        } in measured
        {
            renewed.kernels.insert(kernel.clone());
            let row = renewed.programs.entry(program.clone()).or_insert_with(|| {
                let mut old = self.programs.remove(program).unwrap_or_default();
                old.counts.retain(|kernel, _| !now.contains(kernel.as_str()));
                old
            });
            row.counts.insert(kernel.clone(), *count);
        }
        renewed
    }

    /// As it is committed.
    #[must_use]
    pub fn render(&self) -> String {
        let kernels: Vec<&str> = self.kernels.iter().map(String::as_str).collect();
        let mut text = format!("{HEAD}| program | {} | note |\n", kernels.join(" | "));
        text += &format!("|---|{}---|\n", "--:|".repeat(kernels.len()));
        for (program, Row { counts, note }) in &self.programs {
            let counts = kernels
                .iter()
                .map(|kernel| counts.get(*kernel).map_or(String::new(), u32::to_string));
            let counts: Vec<String> = counts.collect();
            text += &format!("| {program} | {} | {note} |\n", counts.join(" | "));
        }
        text
    }
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|');
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner.split('|').map(str::trim).collect()
}

fn parse_row(kernels: &[&str], row: &[&str]) -> Result<Row> {
    let mut counts = BTreeMap::new();
    for (kernel, cell) in kernels.iter().zip(&row[1..]).filter(|(_, cell)| !cell.is_empty()) {
        let count = cell
            .parse()
            .with_context(|| format!("{}: `{cell}` is no count", row[0]))?;
        counts.insert((*kernel).to_owned(), count);
    }
    Ok(Row {
        counts,
        note: row[row.len() - 1].to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(kernel: &str, program: &str, count: u32) -> Measurement {
        Measurement {
            kernel: kernel.to_owned(),
            program: program.to_owned(),
            count,
        }
    }

    fn table() -> Table {
        let all = [
            measured("6.1", "bind", 1000),
            measured("6.18 cgroup1", "bind", 900),
            measured("6.1", "gone", 5),
        ];
        Table::default().renewed(&all)
    }

    #[test]
    fn kernels_are_told_by_their_series() {
        assert_eq!(kernel("6.1.0-40-cloud-amd64", false), "6.1");
        assert_eq!(kernel("6.18.44", true), "6.18 cgroup1");
    }

    #[test]
    fn what_is_written_is_read() -> Result<()> {
        assert_eq!(Table::parse(&table().render())?, table());
        let line = measured("6.18 cgroup1", "bind", 7).line();
        assert_eq!(
            Measurement::from_line(&line),
            Some(measured("6.18 cgroup1", "bind", 7))
        );
        Ok(())
    }

    #[test]
    fn a_tenth_is_tolerated_and_no_more() {
        let objection = |count| table().objection(&measured("6.1", "bind", count));
        for count in [900, 1000, 1100] {
            assert_eq!(objection(count), None, "{count}");
        }
        for count in [899, 1101] {
            let said = objection(count).unwrap_or_default();
            assert!(said.contains("recorded are 1000"), "{said}");
        }
        assert!(table().objection(&measured("6.1", "new", 1)).is_some());
    }

    #[test]
    fn notes_and_other_kernels_outlive_a_measurement() -> Result<()> {
        let noted = table()
            .render()
            .replace("| 1000 | 900 |  |", "| 1000 | 900 | a reason |");
        let renewed = Table::parse(&noted)?.renewed(&[measured("6.1", "bind", 2000)]);
        let text = renewed.render();
        assert!(text.contains("| bind | 2000 | 900 | a reason |"), "{text}");
        assert!(!text.contains("gone"), "{text}");
        Ok(())
    }
}
