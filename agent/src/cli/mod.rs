//! The command line. One file per subcommand; here are the definitions and the exit codes.

mod check;
mod config;
mod exit;
mod explain;
mod graph;
mod learn;
mod output;
mod permission;
mod profile;
mod reload;
mod replay;
mod rules;
mod run;
mod sink;
mod spool;
mod status;
mod watch;

pub use exit::{Exit, Failure};
pub use output::{Output, say};
pub use permission::{MissingCapability, missing_capabilities, require_capabilities};

use crate::config::{Flags, Loaded, Sources, find_socket, load};
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runtime security agent for container hosts.
#[derive(Debug, Parser)]
#[command(name = "agent", version, about, after_help = EXIT_CODES)]
pub struct Cli {
    /// Configuration file [default: /etc/vigia/config.yaml if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "VIGIA_CONFIG")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 ok, 1 findings or failure, 64 usage, 69 unavailable, 77 permission, 78 configuration";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent in the foreground
    Run(run::RunArgs),
    /// Show live what containers do, and alerts
    Watch(watch::WatchArgs),
    /// Say what this kernel and host allow: load the sensor, list its capabilities, detach it
    Check(check::CheckArgs),
    /// Run the detection again over what `agent run --record` wrote, without a kernel
    Replay(replay::ReplayArgs),
    /// Show the state of the running agent
    Status(status::StatusArgs),
    /// Show which image contacts which, and at which port; those that the profile does not name are new
    Graph(graph::GraphArgs),
    /// Have the running agent read its configuration, profiles and rules again; exit code 78 when it refuses them
    Reload(reload::ReloadArgs),
    /// Learn and inspect behaviour profiles
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// List the rules with their documentation; check and test rules of your own
    Rules(rules::RulesArgs),
    /// Say what a rule means, why it matters and what to do; or what an alert says
    Explain(explain::ExplainArgs),
    /// Print, check and document the configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Try where alerts go
    #[command(subcommand)]
    Sink(sink::SinkCommand),
    /// Look at the spool of undelivered alerts
    Spool(spool::SpoolArgs),
    /// Print the version
    Version,
}

/// Profiles.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Watch a container or an image for a while and write down what it does
    Learn(learn::LearnArgs),
    /// Check profiles; exit code 78 when one is wrong
    Lint(profile::LintArgs),
    /// List the profiles of a folder
    List(profile::ListArgs),
    /// Print a profile
    Show(profile::ShowArgs),
}

/// Flags of everything that starts a sensor.
#[derive(Debug, Clone, Default, Args)]
pub struct RunFlags {
    /// Also write alerts to this file (rotated, mode 0600)
    #[arg(long, value_name = "FILE")]
    pub alerts: Option<PathBuf>,
    /// Folder of behaviour profiles
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
    /// Docker's API: a path, unix://... or tcp://host:port
    #[arg(long, value_name = "ADDRESS")]
    pub docker_socket: Option<String>,
    /// Folder of what must survive a restart
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Folder of the control socket and the lock
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Address of /metrics and /readyz
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
}

impl RunFlags {
    /// As the configuration's last layer.
    #[must_use]
    pub fn to_flags(&self) -> Flags {
        let Self {
            alerts,
            profiles,
            docker_socket,
            state_dir,
            run_dir,
            metrics_listen,
        } = self.clone();
        Flags {
            alerts,
            profiles_dir: profiles,
            docker_socket,
            state_dir,
            run_dir,
            metrics_listen,
        }
    }
}

/// Where the daemon's socket is, for its clients.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientFlags {
    /// Folder of the control socket
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
}

impl ClientFlags {
    fn to_flags(&self) -> Flags {
        Flags {
            run_dir: self.run_dir.clone(),
            ..Flags::default()
        }
    }
}

/// Parses the command line, runs the command, reports failures on stderr.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; everything else is a usage error. A closed terminal changes nothing.
            let _printed = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(Failure { exit, error }) => {
            let _written = writeln!(std::io::stderr(), "agent: {error:#}");
            exit.into()
        }
    }
}

fn run(cli: &Cli) -> Result<Exit, Failure> {
    let file = cli.config.as_ref();
    match &cli.command {
        Command::Run(args) => run::run(file, args),
        Command::Watch(args) => watch::run(file, args),
        Command::Check(args) => check::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Status(args) => status::run(file, args),
        Command::Graph(args) => graph::run(file, args),
        Command::Reload(args) => reload::run(file, args),
        Command::Profile(ProfileCommand::Learn(args)) => learn::run(file, args),
        Command::Profile(ProfileCommand::Lint(args)) => profile::lint(args),
        Command::Profile(ProfileCommand::List(args)) => profile::list(file, args),
        Command::Profile(ProfileCommand::Show(args)) => profile::show(file, args),
        Command::Rules(args) => rules::run(file, args),
        Command::Explain(args) => explain::run(file, args),
        Command::Config(command) => config::run(file, command),
        Command::Sink(command) => sink::run(file, command),
        Command::Spool(args) => spool::run(file, args),
        Command::Version => say(concat!("agent ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Loads the configuration of a subcommand.
///
/// # Errors
/// With exit code 78 when it is wrong.
pub fn load_config(file: Option<&PathBuf>, flags: Flags) -> Result<Loaded, Failure> {
    Ok(load(&Sources::from_process(file.cloned(), flags))?)
}

/// As [`load_config`], for subcommands that never ask Docker.
///
/// # Errors
/// With exit code 78 when it is wrong.
fn load_without_docker(file: Option<&PathBuf>, flags: Flags) -> Result<Loaded, Failure> {
    let sources = Sources::from_process(file.cloned(), flags);
    Ok(load(&sources.without_docker())?)
}

/// The socket of the daemon. It may run while the configuration that is written now is wrong, and says so.
fn client_socket(file: Option<&PathBuf>, flags: &ClientFlags) -> Result<PathBuf, Failure> {
    let sources = Sources::from_process(file.cloned(), flags.to_flags());
    Ok(find_socket(&sources.without_docker())?)
}

/// A runtime for commands that wait for one thing at a time.
///
/// # Errors
/// When the system refuses what a runtime needs.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Unavailable, error))?;
    let result = runtime.block_on(future);
    // A blocked write to stdout must not keep the process.
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
