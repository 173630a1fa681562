//! Files that hold secrets by their usual names: reading them is judged where a profile says which it may read. In the container's root;
//! only forms that the kernel can match, so that both sides mean the same ones.

use super::PathPattern;
use std::sync::LazyLock;

/// Files, and folders with all below them.
const PATHS: [&str; 28] = [
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/security/opasswd",
    "/etc/sudoers",
    "/etc/krb5.keytab",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_dsa_key",
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssl/private",
    "/etc/pki/tls/private",
    "/etc/kubernetes",
    "/run/secrets",
    "/var/run/secrets",
    "/root/.ssh",
    "/root/.gnupg",
    "/root/.aws",
    "/root/.azure",
    "/root/.config/gcloud",
    "/root/.kube",
    "/root/.docker",
    "/root/.netrc",
    "/root/.pgpass",
    "/root/.my.cnf",
    "/root/.git-credentials",
    "/root/.vault-token",
];

static PATTERNS: LazyLock<Vec<PathPattern>> =
    LazyLock::new(|| PATHS.iter().filter_map(|path| path.parse().ok()).collect());

/// The patterns.
pub(super) fn patterns() -> &'static [PathPattern] {
    &PATTERNS
}

/// True when the file is one of them.
pub(super) fn is_sensitive(path: &[u8]) -> bool {
    PATTERNS.iter().any(|pattern| pattern.covers(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_a_pattern_and_a_folder_stands_for_all_below_it() {
        assert_eq!(patterns().len(), PATHS.len());
        for path in [
            "/etc/shadow",
            "/root/.ssh/id_ed25519",
            "/run/secrets/kubernetes.io/serviceaccount/token",
        ] {
            assert!(is_sensitive(path.as_bytes()), "{path}");
        }
        for path in [
            "/etc/passwd",
            "/etc/shadow.example",
            "/root/.sshrc",
            "/app/run/secrets",
        ] {
            assert!(!is_sensitive(path.as_bytes()), "{path}");
        }
    }
}
