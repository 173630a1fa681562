use super::*;
use crate::container::ContainerMetadata;
use crate::event::ContainerId;
use bollard::models::{ContainerInspectResponse, ContainerSummary, EventMessage, ImageInspect};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const IMAGE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn container_event(action: &str, attributes: Value) -> Notice {
    let event = json!({"Type": "container", "Action": action, "Actor": {"ID": A, "Attributes": attributes}});
    notice::read(serde_json::from_value::<EventMessage>(event).unwrap()).expect("a notice")
}

fn network_event() -> Notice {
    let event = json!({"Type": "network", "Action": "connect",
        "Actor": {"ID": "n1", "Attributes": {"container": A, "name": "shop"}}});
    notice::read(serde_json::from_value::<EventMessage>(event).unwrap()).expect("a notice")
}

fn create() -> Notice {
    container_event(
        "create",
        json!({"image": "docker.io/library/nginx:1.25", "name": "web", "tier": "front"}),
    )
}

fn inspect_answer(privileged: Value) -> ContainerInspectResponse {
    serde_json::from_value(json!({
        "Id": A, "Name": "/web", "Image": IMAGE, "State": {"Pid": 77},
        "Config": {"Image": "nginx:1.25", "Labels": {"tier": "front"}, "Cmd": ["nginx"]},
        "HostConfig": {"Privileged": privileged},
        "Mounts": [
            {"Type": "bind", "Source": "/etc", "Destination": "/host/etc", "RW": true},
            {"Type": "volume", "Name": "data", "Source": "/var/lib/docker/volumes/data/_data", "Destination": "/data"}
        ],
        "NetworkSettings": {"Networks": {
            "shop": {"IPAddress": "172.18.0.2", "IPPrefixLen": 16, "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0},
            "bridge": {"IPAddress": "172.17.0.2", "GlobalIPv6Address": "fd00::2", "GlobalIPv6PrefixLen": 64}}}
    }))
    .unwrap()
}

fn image_answer(id: &str) -> ImageInspect {
    serde_json::from_value(json!({
        "Id": id, "RepoDigests": ["mirror/nginx@sha256:22", "nginx@sha256:33"],
        "Config": {"ExposedPorts": {"80/tcp": {}}, "Entrypoint": ["/entry.sh"], "Cmd": ["nginx"]}
    }))
    .unwrap()
}

fn described(event: Option<RuntimeEvent>) -> Arc<ContainerMetadata> {
    match event {
        Some(RuntimeEvent::Described { id, metadata }) if id.as_str() == A => metadata,
        other => panic!("not described: {other:?}"),
    }
}

fn drain_work(known: &mut Known) -> Vec<Work> {
    std::iter::from_fn(|| known.next_work()).collect()
}

#[test]
fn create_describes_at_once_and_asks_only_for_the_image() {
    let mut known = Known::new("docker");
    let metadata = described(known.heed(create()));
    assert_eq!(
        (metadata.name.as_str(), metadata.runtime.as_str()),
        ("web", "docker")
    );
    assert_eq!(metadata.image.reference, "docker.io/library/nginx:1.25");
    assert_eq!(metadata.labels.len(), 1, "name and image are no labels");
    assert!(known.heed(network_event()).is_none());
    let work = drain_work(&mut known);
    assert!(
        matches!(&work[..], [Work::Image { .. }]),
        "an inspect would block: {work:?}"
    );
    let metadata = described(known.image(&A.into(), image_answer(IMAGE)));
    assert_eq!(metadata.image.id.as_deref(), Some(IMAGE));
    assert_eq!(
        metadata.image.digest.as_deref(),
        Some("sha256:33"),
        "its own repository's"
    );
    assert_eq!(metadata.exposed_ports, ["80/tcp"]);
    assert_eq!(metadata.command, ["/entry.sh", "nginx"]);
}

#[test]
fn start_adds_networks_mounts_and_privileges() {
    let mut known = Known::new("docker");
    known.heed(create());
    drain_work(&mut known);
    known.heed(container_event("start", json!({})));
    known.heed(container_event("restart", json!({})));
    assert_eq!(drain_work(&mut known), [Work::Container(A.into())], "once");
    let metadata = described(known.inspected(&A.into(), inspect_answer(json!(true))));
    assert!(metadata.privileged && metadata.pid == 77);
    assert_eq!(metadata.networks, ["bridge", "shop"]);
    assert_eq!(metadata.user_networks, ["shop"]);
    assert_eq!(metadata.addresses.len(), 3);
    let places: Vec<_> = metadata.places().iter().map(ToString::to_string).collect();
    assert_eq!(
        places,
        ["172.17.0.2/32", "fd00::2/64", "172.18.0.2/16"],
        "as far as it says"
    );
    let sources: Vec<_> = metadata
        .mounts
        .iter()
        .map(|mount| mount.source.as_str())
        .collect();
    assert_eq!(sources, ["/etc", "data"]);
    assert!(known.heed(network_event()).is_none());
    assert!(
        drain_work(&mut known).contains(&Work::Container(A.into())),
        "running: asked again"
    );
}

#[test]
fn the_same_again_is_not_told_again() {
    let mut known = Known::new("docker");
    described(known.heed(create()));
    assert!(known.heed(create()).is_none(), "a resumed stream repeats it");
    known.image(&A.into(), image_answer(IMAGE));
    described(known.inspected(&A.into(), inspect_answer(json!(false))));
    assert!(known.inspected(&A.into(), inspect_answer(json!(false))).is_none());
    known.heed(container_event("die", json!({})));
    described(known.inspected(&A.into(), inspect_answer(json!(false))));
}

#[test]
fn a_tag_that_moved_describes_nobody() {
    let mut known = Known::new("docker");
    known.inspected(&A.into(), inspect_answer(json!(false)));
    let moved = IMAGE.replace('1', "9");
    assert!(known.image(&A.into(), image_answer(&moved)).is_none());
}

#[test]
fn a_list_describes_and_keeps_what_an_inspect_knew() {
    let summary = || {
        serde_json::from_value::<ContainerSummary>(json!({
            "Id": A, "Names": ["/web2"], "Image": IMAGE, "ImageID": IMAGE, "State": "running",
            "NetworkSettings": {"Networks": {"shop": {"IPAddress": "172.18.0.9"}}}}))
        .unwrap()
    };
    let mut known = Known::new("docker");
    known.heed(create());
    known.inspected(&A.into(), inspect_answer(json!(true)));
    drain_work(&mut known);
    let told = known.listed(vec![summary(), ContainerSummary::default()]);
    let metadata = described(told.first().cloned());
    assert_eq!(metadata.name, "web2");
    assert!(metadata.privileged, "known from the inspect");
    assert_eq!(metadata.image.reference, "nginx:1.25", "as the user wrote it");
    assert_eq!(
        told.last(),
        Some(&RuntimeEvent::Listed {
            runtime: "docker".to_owned(),
            ids: vec![A.into()],
        })
    );
    let mut fresh = Known::new("docker");
    described(fresh.listed(vec![summary()]).first().cloned());
    let work = drain_work(&mut fresh);
    assert!(work.contains(&Work::Container(A.into())), "{work:?}");
}

#[test]
fn rename_and_destroy_are_told() {
    let mut known = Known::new("podman");
    known.heed(create());
    let renamed = known.heed(container_event(
        "rename",
        json!({"name": "shop", "oldName": "/web"}),
    ));
    assert_eq!(described(renamed).name, "shop");
    let id = ContainerId::from(A);
    assert_eq!(
        known.heed(container_event("remove", json!({}))),
        Some(RuntimeEvent::Removed { id })
    );
}

#[test]
fn events_without_id_action_or_interest_are_ignored() {
    for event in [
        json!({}),
        json!({"Type": "container", "Action": "start", "Actor": {"ID": ""}}),
        json!({"Type": "container", "Action": "exec_create: sh", "Actor": {"ID": A}}),
        json!({"Type": "network", "Action": "create", "Actor": {"ID": "n1"}}),
        json!({"Type": "container", "Action": "rename", "Actor": {"ID": A}}),
    ] {
        let event = serde_json::from_value::<EventMessage>(event).unwrap();
        assert_eq!(notice::read(event.clone()), None, "{event:?}");
    }
}

#[test]
fn what_an_images_maker_chooses_is_bounded() {
    let labels: serde_json::Map<String, Value> = (0..1000)
        .map(|number| (format!("label{number}"), json!("é".repeat(5000))))
        .collect();
    let mut known = Known::new("docker");
    let metadata = described(known.heed(container_event("create", Value::Object(labels))));
    assert_eq!((metadata.labels.len(), metadata.labels_omitted), (3, 997));
    assert!(metadata.labels.values().all(|value| value.len() <= 4096));
}

/// A daemon that answers every request with `answer`, or never.
async fn serve(listener: UnixListener, answer: Option<&'static str>) {
    let mut held: Vec<UnixStream> = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        if let Some(answer) = answer {
            stream.readable().await.ok();
            stream.write_all(answer.as_bytes()).await.ok();
        }
        held.push(stream);
        held.truncate(64);
    }
}

/// What `list` and `watch` say of a daemon, and how long that took at most.
async fn ask(answer: Option<&'static str>) -> (RuntimeError, RuntimeError) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let docker = Docker::new(DockerConfig {
        timeout: Duration::from_millis(300),
        ..DockerConfig::new("docker", &format!("unix://{}", path.display()))
    });
    let listener = UnixListener::bind(&path).unwrap();
    let (events, _received) = mpsc::channel(8);
    let both = async { tokio::join!(docker.list(&events), docker.watch(&events)) };
    tokio::select! {
        () = serve(listener, answer) => unreachable!("the server runs for ever"),
        (listed, watched) = both => (listed.unwrap_err(), watched.unwrap_err()),
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("blocked"),
    }
}

#[tokio::test]
async fn a_hung_daemon_is_given_up_in_time() {
    let (list, watch) = ask(None).await;
    assert!(matches!(list, RuntimeError::Timeout { .. }), "{list}");
    assert!(matches!(watch, RuntimeError::Timeout { .. }), "{watch}");
}

#[tokio::test]
async fn garbage_is_an_error_with_a_reason() {
    for garbage in [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{]x}",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ] {
        let (list, watch) = ask(Some(garbage)).await;
        for error in [list, watch] {
            assert!(error.to_string().len() > 30, "{garbage}: {error}");
        }
    }
}

#[tokio::test]
async fn an_absent_socket_and_a_strange_address_are_named() {
    let (events, _received) = mpsc::channel(8);
    for (host, expected) in [
        ("unix:///nowhere/docker.sock", "/nowhere/docker.sock"),
        ("ssh://somewhere", "unix://"),
        ("/var/run/docker.sock", "unix://"),
        ("tcp://127.0.0.1:1", "refused"),
    ] {
        let docker = Docker::new(DockerConfig::new("docker", host));
        let error = docker.list(&events).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
