//! Rules of class `credential`: secrets.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &READ_OUTSIDE_PROFILE,
    &PASSWORD_HASHES,
    &SERVICE_ACCOUNT_TOKEN,
    &CLOUD_CREDENTIALS,
    &SSH_KEY,
    &NODE_CREDENTIALS,
    &MOUNTED_SECRET,
    &SECRET_SEARCH,
    &FOREIGN_ENVIRONMENT,
    &PROCESS_MEMORY,
    &KERNEL_LAYOUT,
];

pub(crate) static READ_OUTSIDE_PROFILE: Rule = Rule {
    id: "credential.read_outside_profile",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1552.001", "T1003.008"],
    title: "A sensitive file was opened for reading that the profile does not name",
    meaning: "The profile says which sensitive files the image reads (`files.read`), and this is none of them, or not by this program. \
        Sensitive are the usual places of secrets (`/etc/shadow`, private keys, `/run/secrets`, root's tokens of clouds and clusters), and \
        what the profile itself names. Medium with a partial profile and in exec sessions.",
    why: "Secrets are what an intruder looks for first: they lead to other machines.",
    look_alikes: "Programs that log users in read `/etc/shadow`; a new secret that was mounted: add it to `files.read`.",
    response: "Find out who read it, and replace the secret.",
};

pub(crate) static PASSWORD_HASHES: Rule = Rule {
    id: "credential.password_hashes",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1003.008"],
    title: "Password hashes were read",
    meaning: "A program that logs nobody in opened `/etc/shadow`, `/etc/gshadow`, `/etc/sudoers` or `opasswd` for reading, \
        or gave one another name (`ln`, `mv`), by whatever call, io_uring included. What a profile names in \
        `files.read` does not count; beside such a profile anything else is `credential.read_outside_profile` too.",
    why: "Hashes are taken away and guessed elsewhere; passwords are used twice.",
    look_alikes: "Programs that log in or keep accounts (`sshd`, `su`, `sudo`, `passwd`, `useradd`, `cron`), when they are the \
        image's own, and whatever a package manager starts.",
    response: "Find out who read it; change the passwords, also where they are used again.",
};

pub(crate) static SERVICE_ACCOUNT_TOKEN: Rule = Rule {
    id: "credential.service_account_token",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1528", "T1552.007"],
    title: "The pod's Kubernetes token was read by another program than the container's own",
    meaning: "A program other than the one the container was made for opened the token of the pod's service account, by the \
        mount's path or by what its links lead to.",
    why: "With the token an intruder talks to the API server as the pod, and from there to other pods and secrets.",
    look_alikes: "Clients of the API read it every minute: they are the container's first process, or `kubectl` and `helm` of \
        the image. An application that a shell starts without `exec` is told once: name it in `files.read`.",
    response: "See in the API server's audit log what the service account did since; replace the token; give the pod no token \
        when it needs none.",
};

pub(crate) static CLOUD_CREDENTIALS: Rule = Rule {
    id: "credential.cloud_credentials",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1552.001"],
    title: "Credentials of a cloud, a registry or a service were read",
    meaning: "A program whose work it is not opened a file such as `.aws/credentials`, `.docker/config.json`, \
        `.kube/config`, `.git-credentials`, `.npmrc`, `.pgpass` or one below `.config/gcloud`, in anybody's home.",
    why: "They open accounts outside the container, and outlive it.",
    look_alikes: "The tools they belong to (`aws`, `docker`, `kubectl`, `git`, `npm`, `psql` …) when they are the image's own, \
        and the container's first process.",
    response: "Revoke the credentials, and look for their use elsewhere.",
};

pub(crate) static SSH_KEY: Rule = Rule {
    id: "credential.ssh_key",
    class: Class::Credential,
    severity: Severity::Medium,
    attack: &["T1552.004"],
    title: "A private SSH key was read",
    meaning: "A program other than one of SSH opened a file below a `.ssh` folder that is not a public one, or a host key \
        below `/etc/ssh`.",
    why: "With a key one goes on to the next machine; with a host key one is the machine.",
    look_alikes: "SSH's own programs and `git`, when they are the image's own; the container's first process. Backups and \
        scanners: name them in the profile.",
    response: "Replace the key, and remove it where it is authorised.",
};

pub(crate) static NODE_CREDENTIALS: Rule = Rule {
    id: "credential.node_credentials",
    class: Class::Credential,
    severity: Severity::Critical,
    attack: &["T1552.001", "T1552.004", "T1611"],
    title: "Credentials of the node were read through a mount of the host",
    meaning: "A program opened a file of the cluster's own PKI, of the kubelet or of Rancher that is not in the image: the \
        host's folder is mounted.",
    why: "They are the cluster: whoever has them is an administrator, or the node.",
    look_alikes: "Components of the control plane that run as containers, by their names, when they are the image's own.",
    response: "Take the node out of the cluster, replace its certificates, and forbid the mount.",
};

pub(crate) static MOUNTED_SECRET: Rule = Rule {
    id: "credential.mounted_secret",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1552.001"],
    title: "A mounted secret was read by another program than the container's own",
    meaning: "A program that is neither the container's first process nor a shell opened a file below `/run/secrets`.",
    why: "Secrets are mounted for the service; who else reads them carries them away.",
    look_alikes: "Entrypoints that read `…_FILE` variables in the shell. One that starts `cat` for it is told once: name it in \
        `files.read`.",
    response: "Find out who read it, and replace the secret.",
};

pub(crate) static SECRET_SEARCH: Rule = Rule {
    id: "credential.secret_search",
    class: Class::Credential,
    severity: Severity::Medium,
    attack: &["T1083", "T1552.001"],
    title: "Somebody looks for secrets",
    meaning: "A program that finds files was asked for names of keys and credentials, or one that searches text for private \
        keys, cloud keys, or, in a whole tree, for passwords and tokens.",
    why: "It is what an intruder does in the first minutes.",
    look_alikes: "Build tools and package managers, with what they start. A single file that is searched for a word is no \
        search.",
    response: "Look at what else the session did, and what the search could find.",
};

pub(crate) static FOREIGN_ENVIRONMENT: Rule = Rule {
    id: "credential.foreign_environment",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1552.007", "T1057"],
    title: "The environment of another process was read",
    meaning: "A process opened `/proc/PID/environ` of another one, in whatever procfs.",
    why: "Services are given their passwords by environment variables.",
    look_alikes: "`ps` and programs of systemd, which ask init whether this is a container, when they are the image's own.",
    response: "Replace what stands in the environment of the process.",
};

pub(crate) static PROCESS_MEMORY: Rule = Rule {
    id: "credential.process_memory",
    class: Class::Credential,
    severity: Severity::High,
    attack: &["T1003.007", "T1055"],
    title: "The memory of another process was read",
    meaning: "A process opened `/proc/PID/mem` of another one of its container for reading, or used `process_vm_readv`. Of \
        processes of other containers and the host `escape.foreign_process` tells.",
    why: "Keys, passwords and sessions are there in the clear.",
    look_alikes: "Debuggers and profilers of the image (`gdb`, `strace`, `jmap`, `py-spy` …): low.",
    response: "Find out who read it; replace what the process had in memory.",
};

pub(crate) static KERNEL_LAYOUT: Rule = Rule {
    id: "credential.kernel_layout",
    class: Class::Credential,
    severity: Severity::Low,
    attack: &["T1082"],
    title: "Addresses or secrets of the kernel were looked for",
    meaning: "A program other than the container's own read `/proc/kallsyms`, `/proc/keys`, the scheduler's or another debug \
        file, `/sys/kernel/notes`, or whether addresses are random.",
    why: "Exploits of the kernel need to know where things are.",
    look_alikes: "`perf` and `bpftrace` of the image.",
    response: "By itself little; look for what the session did next.",
};
