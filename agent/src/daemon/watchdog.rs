//! The service manager's watchdog: it is told that the agent lives only when the engine answers and the kernel programs do.
//!
//! The engine is asked through the queue of the control socket, so an answer means that its task goes round. The kernel's
//! answers come through the rings: an engine that reads none of them is found out, too.

use crate::control::{ControlRequest, StatusReport};
use crate::shutdown::Tasks;
use crate::telemetry::ServiceManager;
use crate::telemetry::http::{Readiness, Ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

/// How often the status is told without a watchdog, and at most.
const PERIOD: Duration = Duration::from_secs(15);

/// Whom the watchdog asks, and whom it tells.
#[derive(Debug)]
pub(super) struct Watchdog {
    pub(super) manager: ServiceManager,
    pub(super) engine: mpsc::Sender<ControlRequest>,
    pub(super) readiness: Readiness,
}

impl Watchdog {
    /// Says that the agent is ready, and that it lives until `tasks` stop. Nothing starts when nobody listens.
    pub(super) fn start(self, tasks: &Tasks) {
        if !self.manager.listens() {
            return;
        }
        let stop = tasks.token();
        tasks.spawn("watchdog", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.run() => {}
            }
            Ok(())
        });
    }

    async fn run(self) {
        self.manager.ready().await;
        let period = period(self.manager.watchdog());
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // Half of it: with the wait for an answer the manager still hears of us in time.
            match self.ask(period / 2).await {
                Ok(status) => self.manager.alive(&status).await,
                Err(trouble) => {
                    tracing::error!(trouble, "the service manager is not told that the agent lives");
                    self.manager.troubled(&format!("DEGRADED: {trouble}")).await;
                }
            }
        }
    }

    /// The state in one line, or why the agent should be started again.
    async fn ask(&self, patience: Duration) -> Result<String, &'static str> {
        let answer = tokio::time::timeout(patience, report(&self.engine)).await;
        let Ok(Some(report)) = answer else {
            return Err("the engine does not answer");
        };
        match self.readiness.get() {
            Ready::Silent => Err(Ready::Silent.reason()),
            _ => Ok(report.headline()),
        }
    }
}

fn period(watchdog: Option<Duration>) -> Duration {
    let half = watchdog.map_or(PERIOD, |interval| interval / 2);
    half.clamp(Duration::from_millis(1), PERIOD)
}

async fn report(engine: &mpsc::Sender<ControlRequest>) -> Option<Box<StatusReport>> {
    let (reply, answer) = oneshot::channel();
    engine.send(ControlRequest::Status { reply }).await.ok()?;
    answer.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixDatagram;

    struct Manager {
        socket: UnixDatagram,
        _folder: tempfile::TempDir,
    }

    impl Manager {
        async fn told(&self) -> String {
            let mut buffer = [0; 1024];
            let length = self.socket.recv(&mut buffer).await.unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        }
    }

    fn watchdog(readiness: Readiness) -> (Manager, Tasks, mpsc::Receiver<ControlRequest>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let interval = Some(Duration::from_millis(40));
        let manager = ServiceManager::connect(path.as_os_str(), interval).unwrap();
        let (engine, requests) = mpsc::channel(1);
        let tasks = Tasks::new();
        let watchdog = Watchdog {
            manager,
            engine,
            readiness,
        };
        watchdog.start(&tasks);
        let manager = Manager {
            socket,
            _folder: folder,
        };
        (manager, tasks, requests)
    }

    async fn answer(requests: &mut mpsc::Receiver<ControlRequest>) {
        match requests.recv().await {
            Some(ControlRequest::Status { reply }) => {
                // Too late is as good as never, here.
                let _late = reply.send(Box::default());
            }
            other => panic!("{other:?}"),
        }
    }

    /// Until it is told so. What comes meanwhile must be what an agent that lives or troubles says.
    async fn until(manager: &Manager, wanted: &str) {
        loop {
            let told = manager.told().await;
            if told.starts_with(wanted) {
                return;
            }
            assert!(
                told.starts_with("STATUS=") || told.starts_with("WATCHDOG=1\n"),
                "{told}"
            );
        }
    }

    #[tokio::test]
    async fn a_stuck_engine_stops_the_watchdog_until_it_goes_on() {
        let readiness = Readiness::default();
        readiness.set(Ready::Yes);
        let (manager, tasks, mut requests) = watchdog(readiness);
        assert_eq!(manager.told().await, "READY=1\n");
        answer(&mut requests).await;
        until(&manager, "WATCHDOG=1\nSTATUS=DEGRADED: not ready").await;
        // Nobody takes requests any more: the first waits in the queue, later ones before it.
        for _ in 0..3 {
            assert_eq!(
                manager.told().await,
                "STATUS=DEGRADED: the engine does not answer\n"
            );
        }
        let goes_on = async {
            loop {
                answer(&mut requests).await;
            }
        };
        tokio::select! {
            () = until(&manager, "WATCHDOG=1\n") => {}
            () = goes_on => {}
        }
        assert!(tasks.drain(PERIOD).await.hung.is_empty());
    }

    #[tokio::test]
    async fn kernel_programs_that_do_not_answer_stop_it() {
        let readiness = Readiness::default();
        readiness.set(Ready::Silent);
        let (manager, _tasks, mut requests) = watchdog(readiness.clone());
        assert_eq!(manager.told().await, "READY=1\n");
        let engine = async {
            loop {
                answer(&mut requests).await;
            }
        };
        let talk = async {
            let told = manager.told().await;
            assert_eq!(told, format!("STATUS=DEGRADED: {}\n", Ready::Silent.reason()));
            readiness.set(Ready::Blind);
            until(&manager, "WATCHDOG=1\n").await;
        };
        tokio::select! {
            () = talk => {}
            () = engine => {}
        }
    }

    #[tokio::test]
    async fn nothing_runs_when_nobody_listens() {
        let (engine, mut requests) = mpsc::channel(1);
        let (tasks, manager) = (Tasks::new(), ServiceManager::default());
        let readiness = Readiness::default();
        let watchdog = Watchdog {
            manager,
            engine,
            readiness,
        };
        watchdog.start(&tasks);
        assert!(requests.recv().await.is_none(), "its sender is dropped");
    }

    #[test]
    fn it_is_told_twice_in_an_interval() {
        assert_eq!(period(Some(Duration::from_secs(20))), Duration::from_secs(10));
        assert_eq!(period(Some(Duration::from_secs(3600))), PERIOD);
        assert_eq!(period(None), PERIOD);
    }
}
