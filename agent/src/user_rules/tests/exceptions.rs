//! What a rule leaves out: by image, namespace, path and condition.

use super::*;
use crate::event::RecordFlags;

#[test]
fn exceptions_hold_by_image_namespace_and_path_and_all_keys_of_one_must_match() {
    let of = |exception: &str| {
        set(
            "exec",
            "event.ret == 0",
            &format!("  exceptions: [{exception}]\n"),
        )
    };
    let mut scene = shop("/opt/tool/curl");
    for (exception, findings) in [
        ("{images: ['acme/*:1']}", 0),
        ("{images: ['acme/other', 'acme/shop']}", 0),
        ("{images: ['acme/shop:2']}", 1),
        ("{namespaces: [dev, shop]}", 0),
        ("{namespaces: [dev]}", 1),
        ("{paths: ['/opt/**']}", 0),
        ("{paths: ['/opt/*']}", 1),
        ("{images: ['acme/shop'], namespaces: [dev]}", 1),
        ("{namespaces: [dev]}, {paths: ['/opt/tool/curl']}", 0),
    ] {
        assert_eq!(exec(&of(exception), &mut scene), findings, "{exception}");
    }
    scene.known.pod = None;
    assert_eq!(exec(&of("{namespaces: [shop]}"), &mut scene), 1);
    scene.known.image.reference.clear();
    assert_eq!(
        exec(&of("{images: ['**']}"), &mut scene),
        1,
        "an unknown image is no image"
    );
}

#[test]
fn an_exception_s_condition_must_hold_too_and_sees_what_the_rule_s_own_sees() {
    let of = |exceptions: &str| {
        let rules = set(
            "exec",
            "event.ret == 0",
            &format!("  exceptions: [{exceptions}]\n"),
        );
        exec(&rules, &mut shop("/opt/tool/curl"))
    };
    assert_eq!(of("{condition: process.name == 'curl'}"), 0);
    assert_eq!(of("{condition: process.name == 'wget'}"), 1);
    assert_eq!(of("{condition: process.name == 'curl', namespaces: [dev]}"), 1);
    assert_eq!(of("{condition: process.name == 'curl', namespaces: [shop]}"), 0);
    assert_eq!(
        of("{condition: container.namespace == 'dev'}, {condition: process.exe.matches('tool')}"),
        0
    );
    // The rule itself asks for no variable but the event.
    let rules = set(
        "exec",
        "event.ret == 0",
        "  exceptions: [{condition: 'size(process.args) > 0 && process.args[1] == \"x\"'}]\n",
    );
    assert_eq!(exec(&rules, &mut shop("/opt/tool/curl")), 0);
    assert_eq!(
        rules.iter().next().unwrap().failures().0,
        1,
        "it failed and was counted"
    );
}

#[test]
fn a_path_is_the_event_s_else_the_executable_s_and_none_in_another_root() {
    let rules = set(
        "file_open, connect",
        "event.ret == 0",
        "  exceptions: [{paths: ['/opt/**']}]\n",
    );
    let mut scene = shop("/opt/tool/curl");
    let opens = |path: &str| open(image_file(), path, "", 1);
    assert_eq!(said(&rules, &mut scene, opens("/opt/x")).len(), 0);
    assert_eq!(said(&rules, &mut scene, opens("/etc/x")).len(), 1);
    assert_eq!(said(&rules, &mut scene, connect("192.0.2.1", 443)).len(), 0);
    scene.flags = RecordFlags(RecordFlags::CHROOTED);
    assert_eq!(said(&rules, &mut scene, opens("/opt/x")).len(), 1);
}
