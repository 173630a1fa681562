//! What the kernel says when it refuses a program.

use aya::programs::ProgramError;

/// The kernel refuses such programs as a kind, not this one for its code.
pub(super) fn is_refusal(error: &ProgramError) -> bool {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => io_error.raw_os_error() == Some(1) && verifier_log.to_string().trim().is_empty(),
        _ => false,
    }
}

/// One line for people: the error, and the verifier's last words.
pub(super) fn explain(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            tracing::debug!(%log, "the verifier's log");
            let said = log.lines().rev().map(str::trim).find(|line| {
                !line.is_empty()
                    && !line.starts_with("processed ")
                    && !line.starts_with("verification time")
                    && !line.starts_with("stack depth")
            });
            match said {
                Some(said) => format!("{io_error}: {said}"),
                None => format!("the kernel refuses programs of this type ({io_error})"),
            }
        }
        ProgramError::SyscallError(error) => format!("{}: {}", error.call, error.io_error),
        error => error.to_string(),
    }
}
