use super::client::{Client, ClientError};
use super::protocol::{Answer, Missed, Request};
use super::server::{ControlServer, ServerContext};
use super::*;
use crate::detect::Class;
use crate::shutdown::Tasks;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::sync::mpsc;

struct Daemon {
    dir: tempfile::TempDir,
    tasks: Tasks,
    taps: Taps,
    requests: mpsc::Receiver<ControlRequest>,
}

impl Daemon {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (sender, requests) = mpsc::channel(REQUEST_QUEUE);
        let (tasks, taps) = (Tasks::new(), Taps::default());
        let server = ControlServer::bind(&dir.path().join("agent.sock")).unwrap();
        let context = ServerContext {
            requests: sender,
            reloads: mpsc::channel(1).0,
            taps: taps.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn("control", async move { Ok(server.serve(context).await?) });
        Self {
            dir,
            tasks,
            taps,
            requests,
        }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.dir.path().join("agent.sock"))
            .await
            .unwrap()
    }

    async fn stop(self) {
        assert!(self.tasks.drain(Duration::from_secs(2)).await.hung.is_empty());
        assert!(!self.dir.path().join("agent.sock").exists());
    }
}

fn item(name: &str) -> TapItem<'_> {
    TapItem {
        container_name: name,
        kind: "exec",
        ..TapItem::default()
    }
}

#[tokio::test]
async fn status_is_answered_by_the_engine() {
    let mut daemon = Daemon::start();
    let mode = daemon
        .dir
        .path()
        .join("agent.sock")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut client = daemon.client().await;
    let (answer, ()) = tokio::join!(client.request(Request::Status), async {
        let Some(ControlRequest::Status { reply }) = daemon.requests.recv().await else {
            panic!()
        };
        reply
            .send(Box::new(StatusReport {
                node: "n".to_owned(),
                ..StatusReport::default()
            }))
            .unwrap();
    });
    let Answer::Status { report } = answer.unwrap() else {
        panic!()
    };
    assert_eq!(report.node, "n");
    daemon.stop().await;
}

#[tokio::test]
async fn the_graph_is_answered_by_the_engine() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    let report = GraphReport::of(&crate::engine::Graph::default(), "n");
    let (answer, ()) = tokio::join!(client.request(Request::Graph), async {
        let Some(ControlRequest::Graph { reply }) = daemon.requests.recv().await else {
            panic!()
        };
        reply.send(Box::new(report.clone())).unwrap();
    });
    let Answer::Graph { report: answered } = answer.unwrap() else {
        panic!()
    };
    assert_eq!(
        (answered.schema.as_str(), &*answered),
        ("vigia.graph/v1", &report)
    );
    daemon.stop().await;
}

#[tokio::test]
async fn refusals_reach_the_client() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client().await;
    let target = LearnTarget::Container("none".to_owned());
    let (answer, ()) = tokio::join!(client.request(Request::Learn { target, seconds: 1 }), async {
        let Some(ControlRequest::Learn { reply, .. }) = daemon.requests.recv().await else {
            panic!()
        };
        reply
            .send(Err(Refusal {
                code: RefusalCode::NotFound,
                message: "no such".to_owned(),
            }))
            .unwrap();
    });
    assert!(matches!(
        answer,
        Err(ClientError::Refused {
            code: RefusalCode::NotFound,
            ..
        })
    ));
    daemon.stop().await;
}

#[tokio::test]
async fn nonsense_is_refused_and_a_dead_engine_is_told() {
    let daemon = Daemon::start();
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for request in ["x\n", "{}\n", "{\"version\":9,\"command\":\"status\"}\n"] {
        let mut stream = tokio::net::UnixStream::connect(daemon.dir.path().join("agent.sock"))
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("bad_request"), "{answer}");
    }
    let Daemon {
        dir,
        tasks,
        taps,
        requests,
    } = daemon;
    drop((requests, taps));
    let mut client = Client::connect(&dir.path().join("agent.sock")).await.unwrap();
    let refused = client.request(Request::Status).await;
    assert!(matches!(
        refused,
        Err(ClientError::Refused {
            code: RefusalCode::Unavailable,
            ..
        })
    ));
    assert!(tasks.drain(Duration::from_secs(2)).await.hung.is_empty());
}

#[tokio::test]
async fn watchers_get_what_they_want_and_their_end_is_noticed() {
    let daemon = Daemon::start();
    let mut client = daemon.client().await;
    let filter = Filter {
        container: Some("web".to_owned()),
        ..Filter::default()
    };
    client.request(Request::Watch { filter }).await.unwrap();
    assert!(daemon.taps.wants_every_event(&item("web")) && !daemon.taps.wants_every_event(&item("db")));
    daemon.taps.publish(&item("db"), || unreachable!());
    daemon.taps.publish(&item("web"), || Arc::from("{\"n\":1}"));
    assert_eq!(client.line().await.unwrap().as_deref(), Some("{\"n\":1}"));
    let before = daemon.taps.generation();
    drop(client);
    while !daemon.taps.is_empty() {
        tokio::task::yield_now().await;
    }
    assert_ne!(before, daemon.taps.generation());
    daemon.stop().await;
}

#[tokio::test]
async fn watchers_without_number_do_not_keep_others_from_asking() {
    let mut daemon = Daemon::start();
    let mut watchers = Vec::new();
    loop {
        let mut client = daemon.client().await;
        let filter = Filter::default();
        match client.request(Request::Watch { filter }).await {
            Ok(_) => watchers.push(client),
            Err(ClientError::Refused { code, message }) => {
                assert_eq!(code, RefusalCode::Unavailable);
                assert!(message.contains("24 clients"), "{message}");
                break;
            }
            Err(error) => panic!("{error}"),
        }
        assert!(watchers.len() < 100);
    }
    let mut client = daemon.client().await;
    let (answer, ()) = tokio::join!(client.request(Request::Status), async {
        let Some(ControlRequest::Status { reply }) = daemon.requests.recv().await else {
            panic!()
        };
        reply.send(Box::default()).unwrap();
    });
    assert!(matches!(answer, Ok(Answer::Status { .. })));
    drop(watchers.pop());
    while daemon.taps.len() > watchers.len() {
        tokio::task::yield_now().await;
    }
    let filter = Filter::default();
    let again = daemon.client().await.request(Request::Watch { filter }).await;
    assert!(matches!(again, Ok(Answer::Watching)));
    daemon.stop().await;
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.sock");
    let _deaf = tokio::net::UnixListener::bind(&path).unwrap();
    let client = Client::connect(&path).await.unwrap();
    let mut client = client.with_patience(Duration::from_millis(50));
    let error = client.request(Request::Status).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { .. }));
    assert!(error.to_string().contains("did not answer"), "{error}");
}

#[tokio::test]
async fn a_slow_watcher_is_told_what_it_missed() {
    let taps = Taps::default();
    let mut stream = taps.watch(Filter::default());
    for _ in 0..5000 {
        taps.publish(&item("web"), || Arc::from("x"));
    }
    let missed = 5000 - 4096;
    assert_eq!(stream.next().await, Some(TapLine::Missed(missed)));
    assert_eq!(stream.next().await, Some(TapLine::Line(Arc::from("x"))));
    assert_eq!(taps.missed_total(), missed);
    assert_eq!(
        serde_json::to_string(&Missed::new(9)).unwrap(),
        "{\"schema\":\"vigia.missed/v1\",\"missed\":9}"
    );
}

#[test]
fn filters_combine() {
    let full = TapItem {
        container_id: "0123456789ab",
        container_name: "web",
        image: "docker.io/nginx:1.25",
        kind: "exec",
        class: Some(Class::Drift),
    };
    let filter = |container: &str, image: &str, classes: &[Class], kinds: &[&str]| Filter {
        container: (!container.is_empty()).then(|| container.to_owned()),
        image: (!image.is_empty()).then(|| image.to_owned()),
        classes: classes.to_vec(),
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
    };
    assert!(filter("0123", "nginx", &[Class::Drift], &["exec"]).wants(&full));
    assert!(!filter("012", "", &[], &[]).wants(&full));
    assert!(!filter("web", "redis", &[], &[]).wants(&full));
    assert!(!filter("", "", &[Class::Escape], &[]).wants(&full));
    assert!(!filter("", "", &[Class::Drift], &[]).wants(&TapItem { class: None, ..full }));
    assert!(!filter("", "", &[], &["connect"]).wants(&full));
}

#[test]
fn the_second_daemon_learns_who_holds_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let first = lock::InstanceLock::of_run_dir(dir.path()).unwrap();
    let error = lock::InstanceLock::of_run_dir(dir.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("process {} holds", std::process::id())),
        "{error}"
    );
    drop(first);
    lock::InstanceLock::of_run_dir(dir.path()).unwrap();
}
