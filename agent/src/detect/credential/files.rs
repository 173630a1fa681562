//! Files that hold secrets, by the places where they usually are.

use crate::detect::program::{builds, called, is_main, is_of_image, is_shell, name};
use crate::detect::rules::credential;
use crate::detect::{Class, DetectContext, Finding, Rule};
use crate::event::{FileFlags, FileOpen, Name, RecordFlags, Trust};
use bstr::ByteSlice;

/// Secrets of one sort.
struct Secret {
    rule: &'static Rule,
    what: &'static str,
    is: fn(&[u8], &FileOpen) -> bool,
    /// Programs of the image whose work it is to read them.
    readers: &'static [&'static str],
    reader: Reader,
}

/// Who else may read them, cold.
#[derive(PartialEq, Eq)]
enum Reader {
    Nobody,
    /// What the container was made for.
    Main,
    /// And shells, which entrypoints are.
    MainAndShells,
    /// Package managers and what they start.
    Builders,
}

const SECRETS: [Secret; 6] = [
    Secret {
        rule: &credential::NODE_CREDENTIALS,
        what: "credentials of the node",
        is: is_of_node,
        readers: &[
            "kubelet",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "etcd",
            "kubeadm",
            "k3s",
        ],
        reader: Reader::Nobody,
    },
    Secret {
        rule: &credential::SERVICE_ACCOUNT_TOKEN,
        what: "the pod's token for the Kubernetes API",
        is: |path, _| is_of_pod(path),
        readers: &["kubectl", "helm"],
        reader: Reader::Main,
    },
    Secret {
        rule: &credential::CLOUD_CREDENTIALS,
        what: "credentials of a cloud, a registry or a service",
        is: |path, _| is_of_cloud(path),
        readers: &[
            "aws",
            "gcloud",
            "gsutil",
            "az",
            "docker",
            "podman",
            "buildah",
            "skopeo",
            "kubectl",
            "helm",
            "terraform",
            "git",
            "git-remote-https",
            "npm",
            "node",
            "pip",
            "pip3",
            "twine",
            "psql",
            "pg_dump",
            "mysql",
            "mysqldump",
            "curl",
            "wget",
            "vault",
            "rclone",
        ],
        reader: Reader::Main,
    },
    Secret {
        rule: &credential::SSH_KEY,
        what: "a private key of SSH",
        is: |path, _| is_of_ssh(path),
        readers: &[
            "ssh",
            "sshd",
            "sshd-session",
            "sshd-auth",
            "ssh-add",
            "ssh-agent",
            "ssh-keygen",
            "ssh-keysign",
            "scp",
            "sftp",
            "rsync",
            "git",
            "dropbear",
            "dropbearkey",
        ],
        reader: Reader::Main,
    },
    Secret {
        rule: &credential::PASSWORD_HASHES,
        what: "password hashes or who may become root",
        is: |path, _| is_of_accounts(path),
        readers: &[
            "login",
            "su",
            "sudo",
            "sudoedit",
            "doas",
            "pkexec",
            "sshd",
            "sshd-session",
            "sshd-auth",
            "passwd",
            "chpasswd",
            "chage",
            "useradd",
            "usermod",
            "userdel",
            "groupadd",
            "groupmod",
            "groupdel",
            "newusers",
            "adduser",
            "addgroup",
            "deluser",
            "gpasswd",
            "vipw",
            "vigr",
            "pwck",
            "pwconv",
            "grpck",
            "grpconv",
            "grpunconv",
            "unix_chkpwd",
            "unix_update",
            "visudo",
            "getent",
            "nscd",
            "sssd",
            "cron",
            "crond",
            "atd",
            "runuser",
            "saslauthd",
            "vsftpd",
            "proftpd",
            "systemd",
            "systemd-sysusers",
            "systemd-userwork",
            "sulogin",
            "agetty",
        ],
        reader: Reader::Builders,
    },
    Secret {
        rule: &credential::MOUNTED_SECRET,
        what: "a secret that was mounted",
        is: |path, _| is_mounted(path),
        readers: &[],
        reader: Reader::MainAndShells,
    },
];

/// Of an open for reading of a file of the container's own root.
pub(super) fn inspect(context: &DetectContext<'_>, open: &FileOpen) -> Option<Finding> {
    let header = &context.event.raw.header;
    if header.flags.has(RecordFlags::CHROOTED) || header.ret < 0 || !is_read(context, open) {
        return None;
    }
    told(context, open, "opened", "for reading")
}

/// A secret gets another name: by that one it could be read as if it were none.
pub(super) fn named(context: &DetectContext<'_>, name: &Name) -> Option<Finding> {
    let header = &context.event.raw.header;
    if header.flags.has(RecordFlags::CHROOTED) || header.ret < 0 {
        return None;
    }
    let file = FileOpen {
        file: name.file,
        open_flags: 0,
        f_mode: 0,
        path: name.path.clone(),
        fs_path: name.fs_path.clone(),
    };
    let exe = &context.event.process.exe.bytes;
    let profile = context
        .profile
        .filter(|profile| profile.judges(Class::Credential));
    if profile.is_some_and(|profile| profile.read(&file.path, exe) == Some(true)) {
        return None;
    }
    told(
        context,
        &file,
        "gave",
        &format!("another name, {}", name.new_path),
    )
}

/// `opened PATH for reading`.
fn told(context: &DetectContext<'_>, open: &FileOpen, did: &str, how: &str) -> Option<Finding> {
    let secret = SECRETS
        .iter()
        .find(|secret| (secret.is)(&open.path.bytes, open))?;
    if is_expected(context, secret) {
        return None;
    }
    let (actor, container) = (context.actor(), context.container_name());
    let summary = format!(
        "{actor} in {container} {did} {} {how}: {}",
        open.path, secret.what
    );
    let finding = Finding::new(secret.rule, open.path.to_text(), summary);
    Some(finding.step_of(super::deed(context)))
}

/// For reading; of a ring's request only what was asked for is known.
pub(super) fn is_read(context: &DetectContext<'_>, open: &FileOpen) -> bool {
    const O_ACCMODE: u32 = 3;
    const O_WRONLY: u32 = 1;
    let flags = context.event.raw.header.flags;
    let asked = flags.has(RecordFlags::IO_URING) && flags.trust() == Trust::ARGUMENTS;
    if asked {
        open.open_flags & O_ACCMODE != O_WRONLY
    } else {
        open.reads() && open.file.is_profiled()
    }
}

fn is_expected(context: &DetectContext<'_>, secret: &Secret) -> bool {
    let event = context.event;
    let by_place = match secret.reader {
        Reader::Nobody => false,
        Reader::Main => is_main(event),
        Reader::MainAndShells => is_main(event) || is_shell(&called(&event.process)),
        Reader::Builders => builds(event),
    };
    by_place || is_of_image(&event.process, secret.readers)
}

/// Its own, or another's in the kubelet's folder.
fn is_of_pod(path: &[u8]) -> bool {
    let projected = path.contains_str(b"/kubernetes.io~projected/") && name(path).ends_with(b"token");
    projected || path.contains_str(b"/serviceaccount/") && name(path) == b"token"
}

fn is_mounted(path: &[u8]) -> bool {
    let own = path.starts_with(b"/run/secrets/") || path.starts_with(b"/var/run/secrets/");
    own || path.contains_str(b"/kubernetes.io~secret/")
}

/// On a mount of the host's: what an image has at such a place is its own.
fn is_of_node(path: &[u8], open: &FileOpen) -> bool {
    const PLACES: [&[u8]; 6] = [
        b"/etc/kubernetes/pki/",
        b"/etc/kubernetes/admin.conf",
        b"/var/lib/kubelet/pki/",
        b"/var/lib/kubelet/kubeconfig",
        b"/etc/rancher/",
        b"/var/lib/rancher/",
    ];
    let is = |path: &[u8]| PLACES.iter().any(|place| path.contains_str(place));
    open.file.flags & FileFlags::OVERLAY == 0 && (is(path) || is(&open.fs_path.bytes))
}

fn is_of_cloud(path: &[u8]) -> bool {
    const FOLDERS: [&[u8]; 3] = [b"/.config/gcloud/", b"/.azure/", b"/.kube/"];
    const FILES: [&[u8]; 10] = [
        b"/.aws/credentials",
        b"/.docker/config.json",
        b"/.dockercfg",
        b"/.git-credentials",
        b"/.npmrc",
        b"/.pypirc",
        b"/.pgpass",
        b"/.netrc",
        b"/.vault-token",
        b"/.my.cnf",
    ];
    FILES.iter().any(|file| path.ends_with(file)) || FOLDERS.iter().any(|folder| path.contains_str(folder))
}

fn is_of_ssh(path: &[u8]) -> bool {
    let name = name(path);
    if name.ends_with(b".pub") {
        return false;
    }
    let host_key = path.starts_with(b"/etc/ssh/ssh_host_") && name.ends_with(b"_key");
    let public = matches!(
        name,
        b"known_hosts" | b"known_hosts.old" | b"authorized_keys" | b"config" | b"environment" | b"rc"
    );
    host_key || path.contains_str(b"/.ssh/") && !public
}

fn is_of_accounts(path: &[u8]) -> bool {
    matches!(
        path,
        b"/etc/shadow"
            | b"/etc/shadow-"
            | b"/etc/gshadow"
            | b"/etc/gshadow-"
            | b"/etc/sudoers"
            | b"/etc/security/opasswd"
    )
}
