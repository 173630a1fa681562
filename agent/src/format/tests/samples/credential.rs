//! Secrets that somebody reads or looks for.

use super::{EXT4, PROC, READ, executed, pod, raise};
use crate::alert::Alert;
use crate::detect::testing::{file, image_file, open};

pub(super) fn credential(rule: &str) -> Option<Alert> {
    let read = |path: &str| raise(&mut pod("/bin/cat"), open(image_file(), path, "", READ));
    let of_kernel = |path: &str| raise(&mut pod("/bin/cat"), open(file(PROC), path, "", READ));
    match rule {
        "credential.read_outside_profile" => outside_profile(),
        "credential.password_hashes" => read("/etc/shadow"),
        "credential.service_account_token" => read("/run/secrets/kubernetes.io/serviceaccount/token"),
        "credential.cloud_credentials" => read("/root/.aws/credentials"),
        "credential.ssh_key" => read("/root/.ssh/id_ed25519"),
        "credential.mounted_secret" => read("/run/secrets/database"),
        "credential.node_credentials" => {
            let key = open(file(EXT4), "/host/ca.key", "/etc/kubernetes/pki/ca.key", READ);
            raise(&mut pod("/bin/cat"), key)
        }
        "credential.secret_search" => executed("/usr/bin/find", &["find", "/", "-name", "id_rsa"]),
        "credential.foreign_environment" => of_kernel("/proc/1/environ"),
        "credential.process_memory" => of_kernel("/proc/1/mem"),
        "credential.kernel_layout" => of_kernel("/proc/kallsyms"),
        _ => None,
    }
}

fn outside_profile() -> Option<Alert> {
    let mut scene =
        pod("/usr/sbin/nginx").with_profile("state: complete\nfiles: {read: [{path: /run/secrets/tls}]}");
    let key = open(image_file(), "/etc/ssl/private/database", "", READ);
    raise(&mut scene, key)
}
