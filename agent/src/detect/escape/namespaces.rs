//! What is done with namespaces of the container's own, and with rights that no exec gave.

use super::sandboxes::{Sandbox, is_new_user};
use super::{Success, finding};
use crate::detect::program::is_of_image;
use crate::detect::rules::escape;
use crate::detect::{Class, DetectContext, Finding, Severity};
use crate::event::{Attribute, AttributeOp, Call, Credentials, CredentialsOp, FileFlags, Setns, Socket};

const AF_NETLINK: u16 = 16;
/// `NETLINK_XFRM` and `NETLINK_NETFILTER`.
const FILTERING: [u32; 2] = [6, 12];
const CAP_SETUID: u32 = 7;
/// Servers that act for their users and come back.
const RETURNERS: [&str; 30] = [
    "sshd",
    "sshd-session",
    "dropbear",
    "cron",
    "crond",
    "atd",
    "anacron",
    "exim4",
    "exim",
    "master",
    "local",
    "postfix",
    "sendmail",
    "dovecot",
    "apache2",
    "httpd",
    "su",
    "sudo",
    "doas",
    "login",
    "runuser",
    "vsftpd",
    "proftpd",
    "pure-ftpd",
    "smbd",
    "winbindd",
    "rpc.mountd",
    "dbus-daemon",
    "polkitd",
    "supervisord",
];
/// Names of parameters that filesystems have.
const PARAMETERS: [&str; 34] = [
    "source",
    "size",
    "mode",
    "uid",
    "gid",
    "nr_inodes",
    "nr_blocks",
    "huge",
    "mpol",
    "inode64",
    "inode32",
    "noswap",
    "lowerdir",
    "lowerdir+",
    "datadir+",
    "upperdir",
    "workdir",
    "userxattr",
    "index",
    "metacopy",
    "redirect_dir",
    "xino",
    "volatile",
    "uuid",
    "nfs_export",
    "hidepid",
    "subset",
    "newinstance",
    "ptmxmode",
    "max",
    "fd",
    "rootmode",
    "user_id",
    "group_id",
];

pub(super) fn made(context: &DetectContext<'_>, made: &Setns) -> Option<Finding> {
    is_new_user(made).then(|| {
        let did = Success::of(context.event).words("made a user namespace", "tried to make a user namespace");
        finding(context, &escape::USER_NAMESPACE, &context.actor(), did)
    })
}

/// Packet filters in a user namespace.
pub(super) fn filters(
    context: &DetectContext<'_>,
    socket: &Socket,
    sandbox: Option<&mut Sandbox>,
) -> Option<Finding> {
    if socket.family != AF_NETLINK || !FILTERING.contains(&socket.protocol) || is_runtime(context) {
        return None;
    }
    sandbox?;
    let did = "asked for packet filters in a user namespace of its own";
    Some(finding(
        context,
        &escape::NETFILTER_IN_USER_NAMESPACE,
        &context.actor(),
        did,
    ))
}

/// Parameters of filesystems in a user namespace.
pub(super) fn configured(
    context: &DetectContext<'_>,
    call: &Call,
    sandbox: Option<&mut Sandbox>,
) -> Option<Finding> {
    sandbox?;
    let named = PARAMETERS
        .iter()
        .any(|known| known.as_bytes() == call.text.bytes.as_slice());
    if named && context.event.raw.header.ret >= 0 {
        return None;
    }
    let did = format!(
        "handed a filesystem odd parameters in a user namespace of its own: {}",
        call.text
    );
    Some(finding(
        context,
        &escape::FILESYSTEM_PARAMETERS,
        &context.actor(),
        &did,
    ))
}

/// Rights of files beside an overlay.
pub(super) fn rights(
    context: &DetectContext<'_>,
    change: &Attribute,
    sandbox: Option<&mut Sandbox>,
) -> Option<Finding> {
    const S_ISUID: u64 = 0o4000;
    let gives = match change.op {
        AttributeOp::SETXATTR => change.name.bytes == b"security.capability",
        AttributeOp::CHMOD => change.value & S_ISUID != 0,
        _ => false,
    };
    let sandbox = sandbox.filter(|_| gives && context.event.raw.header.ret >= 0)?;
    sandbox.gives_rights = true;
    sandbox.overlay.then(|| overlay(context, true))
}

pub(super) fn overlay(context: &DetectContext<'_>, gives_rights: bool) -> Finding {
    let (did, severity) = if gives_rights {
        (
            "mounted an overlay in a user namespace of its own, and gave a file of it rights",
            Severity::Critical,
        )
    } else {
        (
            "mounted an overlay in a user namespace of its own",
            Severity::High,
        )
    };
    finding(context, &escape::OVERLAY_IN_USER_NAMESPACE, &context.actor(), did).severity(severity)
}

/// An ordinary user becomes root by a system call.
pub(super) fn became_root(context: &DetectContext<'_>, change: &Credentials) -> Option<Finding> {
    let root = change.op == CredentialsOp::SETUID && change.new_uid == Some(0) && change.old_uid != Some(0);
    if !root || context.event.raw.header.ret < 0 {
        return None;
    }
    let process = &context.event.process;
    let by_exec = process.file.flags & FileFlags::SETID != 0;
    let allowed = context
        .profile
        .is_some_and(|profile| profile.judges(Class::Drift) && profile.capability(CAP_SETUID) == Some(true));
    (!by_exec && !allowed && !is_of_image(process, &RETURNERS)).then(|| {
        finding(
            context,
            &escape::BECAME_ROOT,
            &context.actor(),
            "became root by a system call",
        )
    })
}

/// A runtime in a container makes namespaces and mounts for its own ones.
pub(super) fn is_runtime(context: &DetectContext<'_>) -> bool {
    context.role.is_some_and(|role| role.name() == "runtime")
}
