//! Which profile an image or a control group has.

use super::*;
use crate::container::{Container, ImageRef, Metadata};
use crate::event::{BootTime, ContainerId, SlotKey};

#[test]
fn an_image_has_one_profile_by_its_digest_or_id() {
    for key in ["digest", "image_id"] {
        let folder = tempfile::tempdir().unwrap();
        for (name, hex) in [("a", "ab"), ("b", "AB")] {
            let matching = format!("{key}: sha256:{}", hex.repeat(32));
            let text = GOOD
                .replace("name: nginx", &format!("name: {name}"))
                .replace("images: [\"nginx:1.25*\"]", &matching);
            fs::write(folder.path().join(format!("{name}.yaml")), text).unwrap();
        }
        let error = load_folder(folder.path(), Presence::Required).unwrap_err();
        let message = error.to_string();
        let column = key.len() + 5;
        for place in [
            format!("a.yaml:5:{column}"),
            format!("b.yaml:5:{column}: match.{key}"),
        ] {
            assert!(message.contains(&place), "{message}");
        }
    }
}

#[test]
fn digest_beats_image_id_beats_the_most_specific_pattern() {
    let hex = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let profile = |name: &str, matching: &str| {
        let text = GOOD
            .replace("name: nginx", &format!("name: {name}"))
            .replace("images: [\"nginx:1.25*\"]", matching);
        (
            format!("{name}.yaml").into(),
            parse(&text, Path::new(name)).unwrap(),
        )
    };
    let set = ProfileSet::new(vec![
        profile("any", "images: [\"**\"]"),
        profile("tag", "images: [\"nginx:1.25*\"]"),
        profile("repository", "images: [nginx]"),
        profile("id", &format!("image_id: {}", hex("a"))),
        profile("digest", &format!("digest: {}", hex("b"))),
    ])
    .unwrap();
    let of = |reference: &str, id: Option<String>, digest: Option<String>| {
        let image = ImageRef {
            reference: reference.into(),
            id,
            digest,
        };
        set.of_image(&image)
            .map(|profile| profile.name().to_owned())
            .unwrap()
    };
    assert_eq!(of("nginx:1.25.3", Some(hex("a")), Some(hex("b"))), "digest");
    assert_eq!(of("nginx:1.25.3", Some(hex("a")), None), "id");
    assert_eq!(of("docker.io/library/nginx:1.25.3", None, None), "tag");
    assert_eq!(of("nginx", None, None), "repository");
    assert_eq!(of("acme/api", None, None), "any");
}

#[test]
fn without_an_image_the_control_group_decides() {
    let profile = |name: &str, matching: &str| {
        let text = format!(
            "apiVersion: vigia.dev/v1alpha1\nkind: BehaviorProfile\nmetadata: {{name: {name}}}\nmatch: {{{matching}}}\n"
        );
        (Path::new(name).to_owned(), parse(&text, Path::new(name)).unwrap())
    };
    let set = ProfileSet::new(vec![
        profile("machines", "cgroups: [\"/machine.slice/**\"]"),
        profile(
            "db",
            "cgroups: [\"/machine.slice/*db*.service/**\", \"/machine.slice/*db*.service\"]",
        ),
        profile("web", "images: [nginx]"),
    ])
    .unwrap();
    let mut container = Container {
        key: SlotKey {
            slot: 1,
            generation: 1,
        },
        id: ContainerId::from("a"),
        cgroup: "/machine.slice/systemd-nspawn@db.service".to_owned(),
        first_seen: BootTime(0),
        metadata: Metadata::Unavailable,
    };
    let name = |container: &Container| {
        set.of_container(container)
            .map(|profile| profile.name().to_owned())
    };
    assert_eq!(name(&container).as_deref(), Some("db"));
    "/machine.slice/x.scope".clone_into(&mut container.cgroup);
    assert_eq!(name(&container).as_deref(), Some("machines"));
    "/system.slice/x.service".clone_into(&mut container.cgroup);
    assert_eq!(name(&container), None);
}
