//! Counting tests from what their binaries print.

use crate::shell;
use anyhow::{Context, Result};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// How many tests there were. The display form is the line that automation reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The capability that each skipped test lacked.
    pub(crate) skipped_for: Vec<String>,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

impl Counts {
    pub(crate) fn one_failure() -> Self {
        Self {
            failed: 1,
            ..Self::default()
        }
    }

    /// Counts a test that was run here, and says what became of it as libtest does.
    pub(crate) fn judge(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("test {name} ... ok");
                self.passed += 1;
            }
            Err(error) => {
                println!("test {name} ... FAILED: {error:#}");
                self.failed += 1;
            }
        }
    }

    pub(crate) fn one_skip(capability: &str) -> Self {
        Self {
            skipped: 1,
            skipped_for: vec![capability.to_owned()],
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.skipped_for.extend_from_slice(&other.skipped_for);
    }

    /// Takes in one line of a test binary's output.
    pub(crate) fn read_line(&mut self, line: &str) {
        if let Some(capability) = skipped_capability(line) {
            // libtest has counted, or will count, this test as passed.
            self.skipped += 1;
            self.skipped_for.push(capability.to_owned());
        } else if let Some(summary) = line.trim_start().strip_prefix("test result: ") {
            self.passed += number_before(summary, " passed");
            self.failed += number_before(summary, " failed");
            self.skipped += number_before(summary, " ignored");
        } else if let Some([passed, failed, skipped]) = own_summary(line) {
            // Its `skipped:` lines are taken from the passed ones in the end, as with libtest.
            self.passed += passed + skipped;
            self.failed += failed;
        }
    }

    /// Once all lines were read and the exit code is known.
    pub(crate) fn finish(mut self, success: Success) -> Self {
        let skipped_at_run_time = u64::try_from(self.skipped_for.len()).unwrap_or(u64::MAX);
        self.passed = self.passed.saturating_sub(skipped_at_run_time);
        if success == Success::No && self.failed == 0 {
            // It did not compile, or died before it could report.
            self.failed = 1;
        }
        self
    }
}

/// What the exit code said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    Yes,
    No,
}

/// `skipped: <capability>`, alone or behind libtest's `test name ... `.
fn skipped_capability(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("skipped: ")
        .or_else(|| Some(line.split_once(" ... skipped: ")?.1))?;
    rest.split([':', ' ', '\t'])
        .next()
        .filter(|name| !name.is_empty())
}

/// `N passed, N failed[, N skipped]` and nothing else: the last line of a test binary with a harness of its own.
fn own_summary(line: &str) -> Option<[u64; 3]> {
    let mut counts = [0; 3];
    let words = ["passed", "failed", "skipped"];
    let parts: Vec<&str> = line.split(", ").collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for ((part, word), count) in parts.iter().zip(words).zip(&mut counts) {
        *count = part.strip_suffix(word)?.strip_suffix(' ')?.parse().ok()?;
    }
    Some(counts)
}

fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split_once(word).map_or("", |(before, _)| before);
    before
        .rsplit(' ')
        .next()
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

/// Runs tests, passes their output through, and counts them.
///
/// # Errors
/// When they cannot be started or read. Failing tests are counted, no error.
pub(crate) fn run_counted(command: &mut Command) -> Result<Counts> {
    let line = shell::describe(command);
    shell::say(&line);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start: {line}"))?;
    let mut counts = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        pass_through(BufReader::new(stdout), &mut counts)?;
    }
    let succeeded = if child.wait()?.success() {
        Success::Yes
    } else {
        Success::No
    };
    Ok(counts.finish(succeeded))
}

/// Lines end at `\n`; bytes outside UTF-8 are passed on as they are.
fn pass_through(mut reader: impl BufRead, counts: &mut Counts) -> Result<()> {
    let mut line = Vec::new();
    let mut out = std::io::stdout();
    while reader.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        out.flush()?;
        counts.read_line(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts_of(output: &str, succeeded: Success) -> Counts {
        let mut counts = Counts::default();
        output.lines().for_each(|line| counts.read_line(line));
        counts.finish(succeeded)
    }

    #[test]
    fn sums_all_binaries() {
        let output = "test a ... ok\ntest result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                      test result: FAILED. 12 passed; 2 failed; 0 ignored; 0 measured\n";
        let counts = counts_of(output, Success::No);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (17, 2, 1));
    }

    #[test]
    fn a_skipped_test_is_not_a_passed_one() {
        let output = "test hook ... skipped: trampolines: refused by the host\nok\nskipped: qemu\n\
                      test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n";
        let counts = counts_of(output, Success::Yes);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (1, 0, 2));
        assert_eq!(counts.skipped_for, ["trampolines", "qemu"]);
    }

    #[test]
    fn binaries_with_a_harness_of_their_own_are_counted() {
        let counts = counts_of(
            "skipped: trampolines\n4 passed, 1 failed, 1 skipped\n",
            Success::No,
        );
        assert_eq!((counts.passed, counts.failed, counts.skipped), (4, 1, 1));
        let counts = counts_of("7 passed, 0 failed\nvm: 7 passed, 0 failed\n", Success::Yes);
        assert_eq!((counts.passed, counts.failed, counts.skipped), (7, 0, 0));
    }

    #[test]
    fn a_binary_that_does_not_compile_is_a_failure() {
        assert_eq!(counts_of("error: could not compile\n", Success::No).failed, 1);
    }

    #[test]
    fn the_last_line_is_what_automation_reads() {
        let counts = Counts {
            passed: 3,
            failed: 0,
            skipped: 1,
            skipped_for: Vec::new(),
        };
        assert_eq!(counts.to_string(), "3 passed, 0 failed, 1 skipped");
    }
}
