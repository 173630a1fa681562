//! Scripts with `#!`. The kernel executes their interpreter, which is in the image; the script itself is a string that
//! the kernel puts among the interpreter's arguments. Nothing more than that string is known of it.

use super::{Exec, KernelString};

/// `#!` may name another script, four times (`exec_binprm`), each with one argument of its own.
const MAX_POSITION: usize = 10;

/// A script and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// As it was asked for, made absolute by its text alone: links are not followed.
    pub path: KernelString,
    pub arguments: Vec<KernelString>,
}

impl Exec {
    /// Arguments one by one, `argv[0]` included.
    pub fn arguments(&self) -> impl Iterator<Item = KernelString> + '_ {
        self.args.arguments()
    }

    /// The script that was executed; `None` for a program. A link to a program has another name too, but that name is
    /// not the second or a later argument: there only the kernel puts it.
    #[must_use]
    pub fn script(&self) -> Option<Script> {
        if self.filename.is_empty() || self.filename == self.path {
            return None;
        }
        let mut arguments = self.arguments().skip(1);
        arguments
            .by_ref()
            .take(MAX_POSITION)
            .find(|argument| argument.bytes == self.filename.bytes)?;
        Some(Script {
            path: self.filename.resolved_in(&self.cwd),
            arguments: arguments.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ExecId, FileObject, SocketAddress};

    fn exec(path: &str, filename: &str, args: &[&str]) -> Exec {
        Exec {
            parent: ExecId(1),
            file: FileObject::default(),
            stdio: 0,
            stdio_peer: SocketAddress::default(),
            path: path.into(),
            filename: filename.into(),
            args: args.join("\0").as_str().into(),
            cwd: "/srv/app".into(),
        }
    }

    fn script(path: &str, filename: &str, args: &[&str]) -> Option<(String, usize)> {
        let script = exec(path, filename, args).script()?;
        Some((script.path.to_text(), script.arguments.len()))
    }

    #[test]
    fn the_kernel_puts_the_script_behind_its_interpreter() {
        let found = |path: &str, left| Some((path.to_owned(), left));
        assert_eq!(
            script("/usr/bin/dash", "/tmp/x.sh", &["/bin/sh", "/tmp/x.sh", "a", "b"]),
            found("/tmp/x.sh", 2)
        );
        assert_eq!(
            script("/usr/bin/env", "./x.py", &["/usr/bin/env", "python3", "./x.py"]),
            found("/srv/app/x.py", 0)
        );
        assert_eq!(
            script("/bin/sh", "/tmp/../dev//shm/./x", &["sh", "/tmp/../dev//shm/./x"]),
            found("/dev/shm/x", 0)
        );
    }

    #[test]
    fn programs_are_no_scripts_whatever_they_are_called() {
        assert_eq!(script("/bin/sh", "/bin/sh", &["sh", "-c", "/bin/sh"]), None);
        assert_eq!(
            script("/usr/bin/dash", "/bin/sh", &["/bin/sh", "-c", "true"]),
            None,
            "a link"
        );
        assert_eq!(
            script("/usr/bin/curl", "/tmp/x", &["/tmp/x"]),
            None,
            "a link in /tmp"
        );
        assert_eq!(script("/bin/sh", "", &["sh", ""]), None);
        assert_eq!(script("/bin/sh", "x", &[]), None);
    }
}
