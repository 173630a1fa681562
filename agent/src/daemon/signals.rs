use crate::control::{ControlRequest, Refusal};
use crate::shutdown::Tasks;
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// SIGTERM and SIGINT stop, SIGHUP reloads; SIGUSR1 belongs to file sinks and must not kill an agent without one.
pub(super) fn start(tasks: &Tasks, requests: mpsc::Sender<ControlRequest>) -> io::Result<()> {
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
                _ = hangup.recv() => tokio::select! {
                    () = token.cancelled() => return Ok(()),
                    () = reload(&requests) => {}
                },
            }
        }
    });
    Ok(())
}

async fn reload(requests: &mpsc::Sender<ControlRequest>) {
    let (reply, answer) = oneshot::channel();
    if requests.try_send(ControlRequest::Reload { reply }).is_err() {
        tracing::warn!("not reloaded: the agent is busy or stopping");
        return;
    }
    match answer.await {
        Ok(Ok(reloaded)) => tracing::info!(profiles = reloaded.profiles, "reloaded"),
        Ok(Err(Refusal { message, .. })) => {
            tracing::error!(reason = message, "not reloaded: what runs stays in force");
        }
        Err(_) => tracing::warn!("not reloaded: the agent is stopping"),
    }
}
