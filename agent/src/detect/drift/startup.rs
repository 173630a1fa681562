//! Files that are read when something starts: shells, users' sessions, the container itself.

use super::finding;
use crate::detect::program::{builds, is_of_image, name};
use crate::detect::rules::drift;
use crate::detect::tampering::changes::{Change, changes};
use crate::detect::{DetectContext, Finding, described};
use crate::event::{KernelString, RecordFlags};

/// In anybody's home.
const OF_SHELLS: [&[u8]; 12] = [
    b".bashrc",
    b".bash_profile",
    b".bash_login",
    b".bash_logout",
    b".profile",
    b".zshrc",
    b".zshenv",
    b".zprofile",
    b".kshrc",
    b".cshrc",
    b".tcshrc",
    b"config.fish",
];
const OF_ALL: [&[u8]; 8] = [
    b"/etc/profile",
    b"/etc/bash.bashrc",
    b"/etc/bashrc",
    b"/etc/zsh/zshrc",
    b"/etc/zsh/zshenv",
    b"/etc/environment",
    b"/etc/inittab",
    b"/init",
];
const ENTRYPOINTS: [&[u8]; 3] = [b"docker-entrypoint.sh", b"entrypoint.sh", b"docker-entrypoint"];
const FOLDERS: [&[u8]; 4] = [
    b"/etc/profile.d/",
    b"/docker-entrypoint.d/",
    b"/docker-entrypoint-initdb.d/",
    b"/etc/cont-init.d/",
];
/// Programs that give a user his first files.
const USER_TOOLS: [&str; 4] = ["useradd", "adduser", "usermod", "pam_mkhomedir"];

/// In the container's own root.
pub(super) fn inspect(context: &DetectContext<'_>) -> Option<Finding> {
    if context.event.raw.header.flags.has(RecordFlags::CHROOTED) {
        return None;
    }
    let changed = changes(context);
    let (path, _) = changed
        .into_iter()
        .find(|(path, change)| *change != Change::Removed && is_startup(&path.bytes))?;
    if is_expected(context, path) {
        return None;
    }
    let did = format!("changed {path}, which is read when something starts");
    let finding = finding(context, &drift::STARTUP_FILE, &path.to_text(), &did);
    Some(finding.step_of(format!("startup files {}", context.actor())))
}

fn is_startup(path: &[u8]) -> bool {
    let name = name(path);
    OF_SHELLS.contains(&name)
        || ENTRYPOINTS.contains(&name)
        || OF_ALL.contains(&path)
        || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

fn is_expected(context: &DetectContext<'_>, path: &KernelString) -> bool {
    described::may_write(context, path)
        || builds(context.event)
        || is_of_image(&context.event.process, &USER_TOOLS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, image_file, open, scene};
    use crate::event::{FileObject, Name, Payload};

    fn found(mut scene: Scene, payload: Payload) -> Vec<&'static str> {
        let rules = scene.rules(payload).into_iter();
        rules.filter(|rule| rule.starts_with("drift.")).collect()
    }

    fn by(exe: &str) -> Scene {
        scene("acme/app", exe).below(&["/bin/bash"])
    }

    fn written(path: &str) -> Payload {
        open(image_file(), path, "", 2)
    }

    fn moved(from: &str, to: &str) -> Payload {
        Payload::Rename(Name {
            file: image_file(),
            directory: FileObject::default(),
            rename_flags: 0,
            path: from.into(),
            new_path: to.into(),
            fs_path: KernelString::default(),
        })
    }

    const CHANGED: [&str; 1] = ["drift.startup_file"];

    #[test]
    fn what_is_read_at_a_start_is_guarded_whatever_call_changes_it() {
        for path in [
            "/root/.bashrc",
            "/home/app/.profile",
            "/etc/profile.d/c.sh",
            "/etc/environment",
            "/docker-entrypoint.sh",
            "/usr/local/bin/docker-entrypoint.sh",
            "/docker-entrypoint.d/99-x.sh",
            "/init",
        ] {
            assert_eq!(found(by("/bin/sh"), written(path)), CHANGED, "{path}");
            assert_eq!(
                found(by("/usr/bin/python3"), moved("/tmp/x", path)),
                CHANGED,
                "{path}"
            );
        }
    }

    #[test]
    fn reading_installing_and_what_the_profile_knows_change_no_start() {
        assert!(found(by("/bin/bash"), open(image_file(), "/root/.bashrc", "", 1)).is_empty());
        assert!(
            found(by("/bin/mv"), moved("/root/.bashrc", "/root/old")).is_empty(),
            "removed"
        );
        assert!(found(by("/usr/sbin/useradd"), written("/home/app/.bashrc")).is_empty());
        let installing = scene("acme/app", "/bin/sh").below(&["/usr/bin/dpkg"]);
        assert!(found(installing, written("/etc/profile.d/tool.sh")).is_empty());
        for path in ["/app/init", "/etc/profiles", "/srv/entrypoint.sh.md"] {
            assert!(found(by("/bin/sh"), written(path)).is_empty(), "{path}");
        }
        let known =
            by("/bin/sh").with_profile("state: complete\nfiles: {write: [{path: /docker-entrypoint.d}]}");
        assert!(found(known, written("/docker-entrypoint.d/10-x.sh")).is_empty());
    }
}
