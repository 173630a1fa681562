//! Images, memory and namespaces.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Does it; `None`: not one of these.
pub(super) fn perform(words: &[&str]) -> Option<io::Result<i64>> {
    Some(match words {
        ["go", folder] => std::env::set_current_dir(folder).map(|()| 0),
        ["exec-refused", program] => refused(program),
        _ => return None,
    })
}

/// The error's number. Should it be executed after all, this process is gone.
fn refused(program: &str) -> io::Result<i64> {
    let error = Command::new(program).exec();
    error.raw_os_error().map(i64::from).ok_or(error)
}
