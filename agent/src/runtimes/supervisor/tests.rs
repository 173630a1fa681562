use super::*;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Mutex;

/// A runtime whose lists answer as scripted, then hang; its watch lasts as long as the test.
struct Scripted(Mutex<VecDeque<Result<(), &'static str>>>);

impl Scripted {
    fn new(lists: impl IntoIterator<Item = Result<(), &'static str>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(lists.into_iter().collect())))
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl ContainerRuntime for Scripted {
    fn name(&self) -> &'static str {
        "docker"
    }

    async fn list(&self, _events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        let next = self.0.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer.map_err(|reason| RuntimeError::Connect {
                runtime: "docker",
                address: "unix:///nowhere".to_owned(),
                reason: reason.to_owned(),
            }),
            None => std::future::pending().await,
        }
    }

    async fn watch(&self, _events: &mpsc::Sender<RuntimeEvent>) -> Result<(), RuntimeError> {
        std::future::pending().await
    }
}

fn connected() -> RuntimeEvent {
    RuntimeEvent::Connected {
        runtime: "docker".to_owned(),
    }
}

/// Runs the supervisor until the script is used up; what it told.
async fn told_by(runtime: Arc<Scripted>, expected: usize) -> Vec<RuntimeEvent> {
    let (events, mut received) = mpsc::channel(16);
    let cancel = CancellationToken::new();
    let receive = async {
        let mut told = Vec::new();
        while told.len() < expected || runtime.left() > 0 {
            let event = tokio::time::timeout(Duration::from_millis(50), received.recv()).await;
            told.extend(event.ok().flatten());
        }
        cancel.cancel();
        told
    };
    let supervised = run(Arc::clone(&runtime) as _, events, cancel.clone());
    let both = async { tokio::join!(receive, supervised).0 };
    tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("the supervisor stops when it is cancelled")
}

#[tokio::test]
async fn an_absent_runtime_is_told_once_and_found_when_it_comes() {
    let runtime = Scripted::new([
        Err("no such file"),
        Err("no such file"),
        Err("no such file"),
        Ok(()),
    ]);
    let told = told_by(runtime, 2).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(matches!(&told[0], RuntimeEvent::Disconnected { reason, .. } if reason.contains("no such file")));
    assert_eq!(told[1], connected());
}

#[tokio::test]
async fn a_runtime_that_answers_is_told_once() {
    assert_eq!(told_by(Scripted::new([Ok(())]), 1).await, [connected()]);
}

#[tokio::test]
async fn the_supervisor_ends_when_nobody_listens() {
    let (events, received) = mpsc::channel(1);
    drop(received);
    let ended = run(Scripted::new([Ok(())]), events, CancellationToken::new());
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .expect("it ends by itself");
}

#[test]
fn pauses_are_jittered_within_a_quarter() {
    for _ in 0..100 {
        let pause = jittered(Duration::from_secs(4));
        assert!((Duration::from_secs(3)..=Duration::from_secs(4)).contains(&pause));
    }
}
