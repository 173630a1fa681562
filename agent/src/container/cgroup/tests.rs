use super::*;
use proptest::prelude::*;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "7d6a5f5e-0000-4a1b-9c1d-0123456789ab";

fn container(path: &str) -> CgroupIdentity {
    match classify(path) {
        CgroupClass::Container(identity) => identity,
        other => panic!("{path}: {other:?}"),
    }
}

#[test]
fn every_engines_form_gives_the_id_and_the_runtime() {
    let table = [
        (format!("/docker/{A}"), Some("docker")),
        (format!("/system.slice/docker-{A}.scope"), Some("docker")),
        (format!("/labdocker/{A}"), None),
        (format!("/{A}"), None),
        (
            format!("/kubepods.slice/x.slice/cri-containerd-{A}.scope"),
            Some("containerd"),
        ),
        (
            format!("/system.slice/kubepods-pod1.slice:cri-containerd:{A}"),
            Some("containerd"),
        ),
        (format!("/kubepods.slice/crio-{A}.scope"), Some("cri-o")),
        (format!("/kubepods/besteffort/crio-{A}"), Some("cri-o")),
        (format!("/machine.slice/libpod-{A}.scope"), Some("podman")),
        (
            format!("/machine.slice/libpod-{A}.scope/container"),
            Some("podman"),
        ),
        (
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope"),
            Some("podman"),
        ),
        (format!("/libpod_parent/libpod-{A}"), Some("podman")),
        (
            format!("/system.slice/web.service/libpod-payload-{A}"),
            Some("podman"),
        ),
        (format!("/system.slice/nerdctl-{A}.scope"), Some("containerd")),
        (format!("/ecs/0123456789/{A}"), None),
        (format!("/../../{A}"), None),
        (format!("/docker/{A} (deleted)"), Some("docker")),
    ];
    for (path, runtime) in table {
        let identity = container(&path);
        assert_eq!(identity.id.as_str(), A, "{path}");
        assert_eq!(identity.runtime, runtime, "{path}");
        assert_eq!(identity.nested, None, "{path}");
    }
}

#[test]
fn pods_give_their_uid_in_both_drivers() {
    let systemd = UID.replace('-', "_");
    let table = [
        format!("/kubepods/burstable/pod{UID}/{A}"),
        format!("/kubepods/pod{UID}/{A}"),
        format!(
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{systemd}.slice/cri-containerd-{A}.scope"
        ),
        format!("/kubepods.slice/kubepods-pod{systemd}.slice/crio-{A}.scope"),
    ];
    for path in table {
        assert_eq!(container(&path).pod_uid.as_deref(), Some(UID), "{path}");
    }
    let fixed = "0123456789abcdef0123456789abcdef";
    assert_eq!(
        container(&format!("/kubepods/pod{fixed}/{A}")).pod_uid.as_deref(),
        Some(fixed)
    );
    assert_eq!(container(&format!("/podium/{A}")).pod_uid, None);
}

#[test]
fn what_is_nested_stays_the_outer_container() {
    let table = [
        (format!("/docker/{A}/init.scope"), None),
        (format!("/docker/{A}/system.slice/nginx.service"), None),
        (format!("/docker/{A}/docker/{B}"), Some(B)),
        (format!("/docker/{A}/kubelet/kubepods/pod{UID}/{B}"), Some(B)),
        (format!("/docker/{A}/system.slice/docker-{B}.scope/x"), Some(B)),
    ];
    for (path, nested) in table {
        let identity = container(&path);
        assert_eq!(identity.id.as_str(), A, "{path}");
        assert_eq!(
            identity.nested.as_ref().map(ContainerId::as_str),
            nested,
            "{path}"
        );
        assert_eq!(identity.pod_uid, None, "the outer container is in no pod: {path}");
    }
}

#[test]
fn named_containers_are_known_by_their_place() {
    let table = [
        ("/lxc.payload.web", "web", "lxc"),
        ("/lxc/web/init.scope", "web", "lxc"),
        (
            "/machine.slice/systemd-nspawn@deb.service/payload",
            "deb",
            "systemd-nspawn",
        ),
        ("/machine.slice/machine-deb.scope", "deb", "systemd-nspawn"),
    ];
    for (path, id, runtime) in table {
        let identity = container(path);
        assert_eq!(
            (identity.id.as_str(), identity.runtime),
            (id, Some(runtime)),
            "{path}"
        );
    }
}

#[test]
fn the_hosts_own_cgroups_are_no_containers() {
    let table = [
        "/system.slice/ssh.service".to_owned(),
        "/user.slice/user-0.slice/session-1.scope".to_owned(),
        "/init.scope".to_owned(),
        "/system.slice".to_owned(),
        format!("/machine.slice/libpod-conmon-{A}.scope"),
        format!("/system.slice/crio-conmon-{A}.scope"),
        "/lxc.monitor.web".to_owned(),
    ];
    for path in table {
        assert_eq!(classify(&path), CgroupClass::HostUnit, "{path}");
    }
}

#[test]
fn other_names_leave_the_question_open() {
    let short = &A[..63];
    let upper = A.to_uppercase();
    for path in [
        "/",
        "",
        "/web1",
        "/docker/buildkit/x8s9d7f6g5h4",
        short,
        &upper,
        "/docker-abc",
        "/system.slice/runc-web1.scope",
    ] {
        assert_eq!(classify(path), CgroupClass::Unknown, "{path}");
    }
}

#[test]
fn proc_cgroup_is_read_in_v1_hybrid_and_v2() {
    let v2 = format!("0::/system.slice/docker-{A}.scope\n");
    let v1 = format!("12:pids:/docker/{A}\n4:cpu,cpuacct:/docker/{A}\n1:name=systemd:/docker/{A}\n");
    let hybrid = format!("{v1}0::/docker/{A}\n");
    let escaped_from_v2 = format!("{v1}0::/\n");
    for text in [v2, v1, hybrid, escaped_from_v2] {
        assert_eq!(of_process(&text).unwrap().id.as_str(), A, "{text}");
    }
    assert_eq!(of_process("0::/init.scope\n12:pids:/\n"), None);
    assert_eq!(of_process("garbage\nx:y\n:::\n99999999999:a:/b"), None);
}

#[test]
fn a_name_alone_gives_its_engine_id() {
    for name in [A.to_owned(), format!("docker-{A}.scope"), format!("libpod-{A}")] {
        assert_eq!(engine_id(&name).unwrap().as_str(), A, "{name}");
    }
    assert_eq!(engine_id("web1"), None);
}

proptest! {
    #[test]
    fn any_text_is_classified(path in "\\PC{0,300}") {
        std::hint::black_box(classify(&path));
        std::hint::black_box(of_process(&path));
    }

    #[test]
    fn an_engine_id_is_found_at_any_depth(
        parents in proptest::collection::vec("[a-z.]{1,12}", 0..6),
        id in "[0-9a-f]{64}",
        children in proptest::collection::vec("[a-z.]{1,12}", 0..4),
    ) {
        let path = format!("/{}/{id}/{}", parents.join("/"), children.join("/"));
        let CgroupClass::Container(identity) = classify(&path) else { panic!("{path}") };
        prop_assert_eq!(identity.id.as_str(), id);
    }
}
