//! `agent`: the daemon and its command line. See `agent --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::cli::main()
}
