//! The roles that this program plays when it starts itself: the runtime's part of a container's start, and the
//! container's own process, which does what it is told line by line.

use super::{deed, raw};
use anyhow::{Context, Result, bail};
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::{UnshareFlags, move_into_link_name_space};
use std::fs::{self, File};
use std::io::{self, BufRead, Write};
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};

/// Runs the role that the arguments name; `None` when they name none.
pub(crate) fn play(arguments: &[String]) -> Option<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["actor"] => act(),
        ["once", words @ ..] => deed::perform(words).map(drop).map_err(Into::into),
        ["parent", words @ ..] => leave_child(words),
        ["runtime", first @ ..] => make_container(first),
        ["enter", pid] => enter_container(pid, &["uts", "pid", "mnt"]),
        ["enter-host-pids", pid] => enter_container(pid, &["uts", "mnt"]),
        _ => return None,
    };
    Some(match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be listening any more.
            writeln!(io::stderr(), "{}: {error:#}", words.join(" ")).ok();
            ExitCode::FAILURE
        }
    })
}

/// Does what each line says; answers each with one line.
fn act() -> Result<()> {
    let own = fs::read_link("/proc/self")?;
    answer(&format!("ready {}", own.display()))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let said = match deed::perform(&words) {
            Ok(number) => format!("ok {number}"),
            Err(error) => match error.raw_os_error() {
                Some(number) => format!("errno {number}"),
                None => format!("error {error}"),
            },
        };
        answer(&said)?;
    }
    Ok(())
}

fn answer(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes())?;
    stdout.flush()
}

/// Starts a child and ends at once.
fn leave_child(words: &[&str]) -> Result<()> {
    let mut child = Command::new(super::OWN_PROGRAM);
    child.args(super::ONCE).arg("late").args(words);
    // The first process of the namespace waits for it.
    std::mem::drop(child.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
    Ok(())
}

/// What a runtime does: waits until it was put into the control group, makes namespaces, starts the first process.
/// `first` is a deed to be done before that: the container is not live then.
fn make_container(first: &[&str]) -> Result<()> {
    wait_for_go()?;
    raw::unshare(UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWUTS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    if !first.is_empty() {
        deed::perform(first)?;
    }
    become_actor()
}

/// What `docker exec` does. The mount namespace comes last: /proc is another's from then on.
fn enter_container(pid: &str, names: &[&str]) -> Result<()> {
    wait_for_go()?;
    let open = |name: &&str| File::open(format!("/proc/{pid}/ns/{name}")).with_context(|| (*name).to_owned());
    let namespaces: Vec<File> = names.iter().map(open).collect::<Result<_>>()?;
    for namespace in &namespaces {
        move_into_link_name_space(namespace.as_fd(), None)?;
    }
    become_actor()
}

fn wait_for_go() -> Result<()> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    if line != "go\n" {
        bail!("not told to go");
    }
    Ok(())
}

fn become_actor() -> Result<()> {
    let status = Command::new(super::OWN_PROGRAM).args(super::ACTOR).status()?;
    if !status.success() {
        bail!("the container's process ended with {status}");
    }
    Ok(())
}
