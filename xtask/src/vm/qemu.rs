//! One boot: QEMU without KVM, three serial ports (kernel log, output, control).

use anyhow::{Context, Result};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How to boot.
#[derive(Debug, Clone)]
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a [u8],
    /// The kernel's `lsm=`; none leaves its default.
    pub(super) lsm: Option<&'a str>,
    pub(super) memory_mib: u32,
    pub(super) timeout: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Exited(i32),
    TimedOut,
    /// It ended before the script: a panic. The end of the kernel's log.
    Died(String),
}

/// Without `tsc=unstable` a guest starved at boot measures its clock wrongly, and every time-out in it is wrong.
/// Hardening that costs an emulated CPU most is off.
const KERNEL_LINE: &str = "console=ttyS0 panic=-1 quiet loglevel=4 nopti tsc=unstable clocksource=acpi_pm no_timer_check \
                           rcupdate.rcu_expedited=1 random.trust_cpu=on audit=0 cgroup_no_v1=all";

/// Never KVM: where the host is itself a guest, `/dev/kvm` may open and then crawl or die.
const FLAGS: [&str; 15] = [
    "-accel",
    "tcg,thread=multi,tb-size=512",
    "-cpu",
    "max,la57=off,smap=off,smep=off,pku=off",
    "-smp",
    "2",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-monitor",
    "none",
    "-net",
    "none",
];

/// Lines of a kernel's log that are shown in any case.
const LAST_LINES: usize = 40;
/// What the first message of a broken kernel has.
const FIRST_WORDS: [&str; 4] = ["Oops", "BUG:", "general protection", "Kernel panic"];

enum Message {
    Output(Vec<u8>),
    Control(String),
}

impl Machine<'_> {
    /// Boots, hands each line of output to `on_line` as it comes, and waits for the end.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub(super) fn boot(&self, mut on_line: impl FnMut(&[u8])) -> Result<Outcome> {
        let folder = tempfile::Builder::new().prefix("vigia-vm-").tempdir()?;
        let (sender, receiver) = channel();
        for (name, wrap) in [
            ("output", Message::Output as fn(Vec<u8>) -> Message),
            ("control", control_of),
        ] {
            listen(&folder.path().join(name), sender.clone(), wrap)?;
        }
        drop(sender);
        let mut qemu = self.start(folder.path())?;
        let code = self.follow(&mut qemu, &receiver, &mut on_line)?;
        Ok(match code {
            Some(Follow::Code(code)) => Outcome::Exited(code),
            Some(Follow::TimedOut) => Outcome::TimedOut,
            None => Outcome::Died(tail(&folder.path().join("kernel.log"))),
        })
    }

    fn start(&self, folder: &Path) -> Result<Child> {
        let initramfs = folder.join("initramfs");
        fs::write(&initramfs, self.initramfs)?;
        let line = match self.lsm {
            Some(lsm) => format!("{KERNEL_LINE} lsm={lsm}"),
            None => KERNEL_LINE.to_owned(),
        };
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(FLAGS)
            .args(["-m", &self.memory_mib.to_string(), "-append", &line]);
        command
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(&initramfs);
        command
            .arg("-serial")
            .arg(format!("file:{}", folder.join("kernel.log").display()));
        for name in ["output", "control"] {
            command
                .arg("-chardev")
                .arg(format!("socket,id={name},path={}", folder.join(name).display()));
            command.args(["-serial", &format!("chardev:{name}")]);
        }
        command
            .stdin(Stdio::null())
            .spawn()
            .context("cannot start qemu-system-x86_64: cargo xtask setup vm")
    }

    fn follow(
        &self,
        qemu: &mut Child,
        messages: &Receiver<Message>,
        on_line: &mut impl FnMut(&[u8]),
    ) -> Result<Option<Follow>> {
        let deadline = Instant::now() + self.timeout;
        let mut code = None;
        loop {
            match messages.recv_timeout(Duration::from_millis(100)) {
                Ok(Message::Output(line)) => on_line(&line),
                Ok(Message::Control(line)) => code = exit_code(&line).or(code),
                Err(RecvTimeoutError::Disconnected) => break,
                // Not before the channel was silent: output may still be on its way when QEMU has ended.
                Err(RecvTimeoutError::Timeout) if qemu.try_wait()?.is_some() => break,
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => {
                    qemu.kill()?;
                    qemu.wait()?;
                    return Ok(Some(Follow::TimedOut));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        qemu.wait()?;
        Ok(code.map(Follow::Code))
    }
}

#[derive(Debug, Clone, Copy)]
enum Follow {
    Code(i32),
    TimedOut,
}

fn exit_code(line: &str) -> Option<i32> {
    line.strip_prefix("code ")?.trim().parse().ok()
}

fn control_of(line: Vec<u8>) -> Message {
    Message::Control(String::from_utf8_lossy(&line).into_owned())
}

/// QEMU connects when it starts; should it never, the thread ends with this process.
fn listen(socket: &Path, sender: Sender<Message>, wrap: fn(Vec<u8>) -> Message) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot bind {}", socket.display()))?;
    thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else {
            return;
        };
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match reader.read_until(b'\n', &mut line) {
                Ok(read) if read > 0 => drop(sender.send(wrap(line))),
                _ => return,
            }
        }
    });
    Ok(())
}

/// From where it went wrong, and never less than its end.
fn tail(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.len().saturating_sub(LAST_LINES);
    let is_first = |line: &str| FIRST_WORDS.iter().any(|words| line.contains(words));
    let from = lines.iter().position(|line| is_first(line)).unwrap_or(end);
    lines[from.min(end)..].join("\n")
}
