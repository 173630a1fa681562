use crate::control::ReloadRequest;
use crate::shutdown::Tasks;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// SIGTERM and SIGINT stop, SIGHUP reloads; SIGUSR1 belongs to file sinks and must not kill an agent without one.
pub(super) fn start(tasks: &Tasks, reloads: mpsc::Sender<ReloadRequest>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut reopen = signal(SignalKind::user_defined1())?;
    let (stop, token) = (tasks.clone(), tasks.token());
    tasks.spawn("signals", async move {
        loop {
            tokio::select! {
                () = token.cancelled() => return Ok(()),
                _ = terminate.recv() => stop.stop(),
                _ = interrupt.recv() => stop.stop(),
                _ = reopen.recv() => {}
                _ = hangup.recv() => reload(&reloads),
            }
        }
    });
    Ok(())
}

/// How it went is told by who does it.
fn reload(reloads: &mpsc::Sender<ReloadRequest>) {
    let (reply, _) = oneshot::channel();
    if reloads.try_send(ReloadRequest { reply }).is_err() {
        tracing::warn!("not reloaded: the agent is busy or stopping");
    }
}
