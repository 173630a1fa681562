use super::api::*;
use super::*;
use crate::container::ContainerMetadata;
use std::collections::HashMap;
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UnixListener;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::{Response, Status};
use tonic_prost::ProstCodec;

const POD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const WEB: &str = "2222222222222222222222222222222222222222222222222222222222222222";
const DIGEST: &str = "sha256:3333333333333333333333333333333333333333333333333333333333333333";
const IMAGE_ID: &str = "sha256:4444444444444444444444444444444444444444444444444444444444444444";
const INFO: &str = r#"{"sandboxID": "x", "pid": 77, "config": {"linux": {"security_context": {"privileged": true}}},
    "runtimeSpec": {"process": {"args": ["nginx", "-g"]}}}"#;

fn map(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    owned.collect()
}

fn pod() -> PodSandbox {
    PodSandbox {
        id: POD.to_owned(),
        metadata: Some(PodSandboxMetadata {
            name: "shop-0".to_owned(),
            uid: "u-1".to_owned(),
            namespace: "prod".to_owned(),
        }),
        state: SANDBOX_READY,
        labels: map(&[("app", "shop"), ("io.kubernetes.pod.name", "shop-0")]),
    }
}

fn web(state: i32) -> Container {
    Container {
        id: WEB.to_owned(),
        pod_sandbox_id: POD.to_owned(),
        metadata: Some(ContainerName {
            name: "web".to_owned(),
        }),
        image: Some(ImageSpec {
            image: IMAGE_ID.to_owned(),
        }),
        image_ref: IMAGE_ID.to_owned(),
        state,
        labels: map(&[("io.kubernetes.container.name", "web")]),
    }
}

fn status() -> ContainerStatusResponse {
    ContainerStatusResponse {
        status: Some(ContainerStatus {
            image: Some(ImageSpec {
                image: "docker.io/library/nginx:1.25".to_owned(),
            }),
            image_ref: format!("docker.io/library/nginx@{DIGEST}"),
            mounts: [
                ("/etc", "/host/etc"),
                ("/var/lib/kubelet/pods/u-1/volumes/v", "/data"),
            ]
            .map(|(host, container)| Mount {
                container_path: container.to_owned(),
                host_path: host.to_owned(),
                readonly: host == "/etc",
            })
            .into(),
            image_id: IMAGE_ID.to_owned(),
        }),
        info: map(&[("info", INFO)]),
    }
}

fn described(events: &[RuntimeEvent], wanted: &str) -> Arc<ContainerMetadata> {
    let found = events.iter().rev().find_map(|event| match event {
        RuntimeEvent::Described { id, metadata } if id.as_str() == wanted => Some(Arc::clone(metadata)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{wanted} is not described: {events:?}"))
}

#[test]
fn a_container_has_its_pod_its_image_and_its_mounts() {
    let mut known = Known::new("containerd");
    let now = Instant::now();
    let news = known.listed(vec![pod()], vec![web(CONTAINER_CREATED)], now);
    assert_eq!(described(&news.told, POD).name, "POD");
    assert_eq!(news.ask, [WEB.into()]);
    let metadata = described(
        &known
            .status(&WEB.into(), Some(status()), now)
            .into_iter()
            .collect::<Vec<_>>(),
        WEB,
    );
    assert_eq!(
        (metadata.name.as_str(), metadata.runtime.as_str()),
        ("web", "containerd")
    );
    let of = metadata.pod.clone().unwrap();
    assert_eq!(
        (of.name.as_str(), of.namespace.as_str(), of.uid.as_str()),
        ("shop-0", "prod", "u-1")
    );
    assert_eq!(metadata.image.reference, "docker.io/library/nginx:1.25");
    assert_eq!(metadata.image.digest.as_deref(), Some(DIGEST));
    assert_eq!(metadata.image.id.as_deref(), Some(IMAGE_ID));
    assert_eq!(metadata.labels["app"], "shop", "the pod's labels are there");
    assert_eq!(metadata.labels["io.kubernetes.container.name"], "web");
    assert!(metadata.privileged && metadata.pid == 77);
    assert_eq!(metadata.command, ["nginx", "-g"]);
    let mounts: Vec<_> = metadata
        .mounts
        .iter()
        .map(|mount| (mount.source.as_str(), mount.writable, mount.bind))
        .collect();
    assert_eq!(
        mounts,
        [
            ("/etc", false, true),
            ("/var/lib/kubelet/pods/u-1/volumes/v", true, false)
        ]
    );
}

#[test]
fn a_container_is_asked_once_per_state_and_told_once() {
    let mut known = Known::new("cri-o");
    let now = Instant::now();
    let mut list = |state| known.listed(vec![pod()], vec![web(state)], now);
    assert_eq!(list(CONTAINER_CREATED).ask.len(), 1);
    known.status(&WEB.into(), Some(status()), now).unwrap();
    let again = known.listed(vec![pod()], vec![web(CONTAINER_CREATED)], now);
    assert!(again.ask.is_empty() && again.told.is_empty(), "{again:?}");
    let started = known.listed(vec![pod()], vec![web(CONTAINER_RUNNING)], now);
    assert_eq!(started.ask.len(), 1);
    assert!(
        known.status(&WEB.into(), Some(status()), now).is_none(),
        "the same"
    );
    const EXITED: i32 = 2;
    let ended = known.listed(vec![pod()], vec![web(EXITED)], now);
    assert_eq!(ended.told, [RuntimeEvent::Removed { id: WEB.into() }]);
    assert_eq!(known.ids(), [POD.into()]);
}

#[test]
fn without_a_status_the_list_says_what_it_knows_and_the_status_is_asked_later() {
    let mut known = Known::new("containerd");
    let now = Instant::now();
    known.listed(vec![], vec![web(CONTAINER_RUNNING)], now);
    let told = known
        .status(&WEB.into(), None, now)
        .into_iter()
        .collect::<Vec<_>>();
    let metadata = described(&told, WEB);
    assert_eq!((metadata.name.as_str(), &metadata.pod), ("web", &None));
    assert_eq!(metadata.image.id.as_deref(), Some(IMAGE_ID));
    let mut again = |seconds| {
        let later = now + Duration::from_secs(seconds);
        known
            .listed(vec![], vec![web(CONTAINER_RUNNING)], later)
            .ask
            .len()
    };
    assert_eq!((again(1), again(31)), (0, 1));
}

#[test]
fn nothing_that_a_runtime_says_is_unbounded() {
    let mut known = Known::new("containerd");
    let many = (0..5000).map(|number| Container {
        id: format!("{number:064}"),
        ..web(CONTAINER_RUNNING)
    });
    let bad = ["".to_owned(), "x".repeat(129)].map(|id| Container {
        id,
        ..web(CONTAINER_RUNNING)
    });
    let all: Vec<_> = bad.into_iter().chain(many).collect();
    let news = known.listed(vec![], all, Instant::now());
    assert_eq!((news.ask.len(), news.omitted), (known::MAX_LISTED, 906));
    let long = "é".repeat(9000);
    let mut answer = status();
    let inner = answer.status.as_mut().unwrap();
    inner.image = Some(ImageSpec { image: long.clone() });
    inner.image_ref = format!("x@sha256:{long}");
    inner.mounts = vec![Mount::default(); 9000];
    answer.info = map(&[("info", "{\"pid\": -1")]);
    let id = news.ask[0].clone();
    let told: Vec<_> = known
        .status(&id, Some(answer), Instant::now())
        .into_iter()
        .collect();
    let metadata = described(&told, id.as_str());
    assert_eq!((metadata.mounts.len(), metadata.pid), (256, 0));
    assert_eq!(metadata.image.reference.len(), 4096);
    assert_eq!(metadata.image.digest, None);
}

/// What a method answers; `None`: never.
type Answers = dyn Fn(&str) -> Option<Answer> + Send + Sync;

/// A runtime that answers as `0` says.
#[derive(Clone)]
struct Fake(Arc<Answers>);

enum Answer {
    Sandboxes(Vec<PodSandbox>),
    Containers(Vec<Container>),
    Status(Box<ContainerStatusResponse>),
    Refused(Status),
}

struct Given<A>(Option<Result<A, Status>>);

impl<A: Send + 'static> tonic::server::UnaryService<Empty> for Given<A> {
    type Response = A;
    type Future = std::future::Ready<Result<Response<A>, Status>>;

    fn call(&mut self, _request: tonic::Request<Empty>) -> Self::Future {
        let answer = self
            .0
            .take()
            .unwrap_or_else(|| Err(Status::internal("asked twice")));
        std::future::ready(answer.map(Response::new))
    }
}

async fn give<A>(answer: Result<A, Status>, request: http::Request<Body>) -> http::Response<Body>
where
    A: prost::Message + Default + 'static,
{
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<A, Empty>::default());
    grpc.unary(Given(Some(answer)), request).await
}

impl Service<http::Request<Body>> for Fake {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let answer = (self.0)(method);
        Box::pin(async move {
            Ok(match answer {
                Some(Answer::Sandboxes(items)) => give(Ok(ListPodSandboxResponse { items }), request).await,
                Some(Answer::Containers(containers)) => {
                    give(Ok(ListContainersResponse { containers }), request).await
                }
                Some(Answer::Status(status)) => give(Ok(*status), request).await,
                Some(Answer::Refused(status)) => give::<Empty>(Err(status), request).await,
                None => std::future::pending().await,
            })
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
fn serve(socket: &Path, fake: Fake) -> tokio::task::JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let incoming = futures_util::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    tokio::spawn(async move {
        let served = tonic::transport::Server::builder().serve_with_incoming(fake, Box::pin(incoming));
        served.await.unwrap();
    })
}

fn adapter(socket: &Path) -> Cri {
    Cri::new(CriConfig {
        timeout: Duration::from_millis(300),
        ..CriConfig::new("containerd", socket.to_owned())
    })
}

fn honest(method: &str) -> Option<Answer> {
    Some(match method {
        "ListPodSandbox" => Answer::Sandboxes(vec![pod()]),
        "ListContainers" => Answer::Containers(vec![web(CONTAINER_RUNNING)]),
        "ContainerStatus" => Answer::Status(Box::new(status())),
        _ => Answer::Refused(Status::unimplemented("no events here")),
    })
}

#[tokio::test]
async fn a_list_describes_and_then_is_told_itself() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c.sock");
    let server = serve(&socket, Fake(Arc::new(honest)));
    let (events, mut received) = mpsc::channel(8);
    adapter(&socket).list(&events).await.unwrap();
    drop(events);
    let mut told = Vec::new();
    while let Some(event) = received.recv().await {
        told.push(event);
    }
    assert_eq!(
        described(&told, WEB).image.reference,
        "docker.io/library/nginx:1.25"
    );
    let listed = RuntimeEvent::Listed {
        runtime: "containerd".to_owned(),
        ids: vec![POD.into(), WEB.into()],
    };
    assert_eq!(told.last(), Some(&listed));
    server.abort();
}

#[tokio::test]
async fn without_events_a_container_that_comes_is_found_by_the_next_list() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c.sock");
    let asked = Arc::new(AtomicU64::new(0));
    let fake = Fake(Arc::new(move |method| match method {
        "ListContainers" if asked.fetch_add(1, Ordering::Relaxed) == 0 => Some(Answer::Containers(vec![])),
        method => honest(method),
    }));
    let server = serve(&socket, fake);
    let (events, mut received) = mpsc::channel(8);
    let cri = adapter(&socket);
    let found = async {
        while let Some(event) = received.recv().await {
            if matches!(&event, RuntimeEvent::Described { id, .. } if id.as_str() == WEB) {
                return;
            }
        }
    };
    tokio::select! {
        ended = cri.watch(&events) => panic!("{ended:?}"),
        () = found => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => panic!("not found"),
    }
    server.abort();
}

/// What `list` and `watch` say of a runtime.
async fn refusals(fake: Fake) -> [RuntimeError; 2] {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c.sock");
    let server = serve(&socket, fake);
    let (events, _received) = mpsc::channel(8);
    let cri = adapter(&socket);
    let both = async { tokio::join!(cri.list(&events), cri.watch(&events)) };
    let (listed, watched) = tokio::time::timeout(Duration::from_secs(5), both)
        .await
        .expect("blocked");
    server.abort();
    [listed.unwrap_err(), watched.unwrap_err()]
}

#[tokio::test]
async fn a_runtime_that_hangs_is_given_up_in_time() {
    for error in refusals(Fake(Arc::new(|_| None))).await {
        assert!(matches!(error, RuntimeError::Timeout { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_runtime_without_cri_and_one_that_refuses_are_told_apart() {
    let without = Fake(Arc::new(|_| {
        Some(Answer::Refused(Status::unimplemented("unknown service")))
    }));
    for error in refusals(without).await {
        assert!(matches!(error, RuntimeError::NotOffered { .. }), "{error}");
    }
    let refusing = Fake(Arc::new(|_| {
        Some(Answer::Refused(Status::permission_denied("not for you")))
    }));
    for error in refusals(refusing).await {
        assert!(error.to_string().contains("not for you"), "{error}");
    }
}

#[tokio::test]
async fn an_absent_socket_is_named() {
    let (events, _received) = mpsc::channel(8);
    let cri = adapter(Path::new("/nowhere/containerd.sock"));
    let error = cri.list(&events).await.unwrap_err().to_string();
    assert!(
        error.contains("/nowhere/containerd.sock") && error.contains("No such file"),
        "{error}"
    );
}
