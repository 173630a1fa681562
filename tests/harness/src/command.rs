//! Running programs to the end, with a time limit and what they said when they failed.

use anyhow::{Context, Result, bail};
use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything but building images.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// Runs it and gives its trimmed standard output.
///
/// # Errors
/// When it cannot be started, takes longer than [`DEFAULT_TIMEOUT`], or ends with anything but 0; the error holds
/// what it printed on standard error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = run_within(command, DEFAULT_TIMEOUT)?;
    if !output.status.success() {
        bail!(
            "{}: {}: {}",
            describe(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs it, whatever its exit code.
///
/// # Errors
/// When it cannot be started or takes longer than `timeout`; it is killed then.
pub fn run_within(command: &mut Command, timeout: Duration) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    let stdout = read_in_background(child.stdout.take());
    let stderr = read_in_background(child.stderr.take());
    let status = wait_within(&mut child, timeout)?;
    let Some(status) = status else {
        child.kill()?;
        child.wait()?;
        bail!("{}: not done after {} s", describe(command), timeout.as_secs());
    };
    Ok(Output {
        status,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

fn read_in_background(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is still worth showing.
            pipe.read_to_end(&mut bytes).ok();
        }
        bytes
    })
}

/// Waits for the end of a child; `None` when it still runs after `timeout`.
///
/// # Errors
/// When the child cannot be waited for.
pub fn wait_within(child: &mut Child, timeout: Duration) -> Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Asks again and again until there is an answer.
///
/// # Errors
/// When there is none after `timeout`; `what` says for what we waited.
pub fn wait_until<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not so after {:.1} s", timeout.as_secs_f32());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// As a person would type it.
#[must_use]
pub fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_what_the_program_said() {
        let error = run(Command::new("sh").args(["-c", "echo reason >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("reason"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_ended() {
        let begun = Instant::now();
        assert!(run_within(Command::new("sleep").arg("60"), Duration::from_millis(50)).is_err());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
