//! `cargo xtask lab`: the tests' private Docker daemon, for people.

use crate::setup::{self, Purpose};
use crate::shell;
use agent_tests::image::{self, Set};
use agent_tests::lab::{CgroupView, Docker, Owners, clean};
use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

/// The lab that people start; tests have their own.
const NAME: &str = "docker";

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Lab {
    /// Start a private Docker daemon and load the images.
    Up {
        /// The control groups that it sees.
        #[arg(long, value_enum, default_value = "host")]
        cgroups: View,
        /// Only the smallest image.
        #[arg(long)]
        bare: bool,
    },
    /// End it with its containers and remove every trace.
    Down,
    /// Make the images without loading them; prints the archives.
    Images,
    /// Run a command in its network namespace.
    Net {
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Remove what killed test runs left behind.
    Clean {
        /// Also labs that are in use.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum View {
    Host,
    V2,
    V1,
}

impl View {
    fn cgroups(self) -> CgroupView {
        match self {
            Self::Host => CgroupView::Host,
            Self::V2 => CgroupView::V2,
            Self::V1 => CgroupView::V1,
        }
    }
}

pub(crate) fn run(lab: &Lab) -> Result<ExitCode> {
    if !agent_tests::capability::is_root() {
        bail!("the lab needs root");
    }
    match lab {
        Lab::Up { cgroups, bare } => up(
            *cgroups,
            if *bare {
                &[Set::Busybox]
            } else {
                &[Set::Busybox, Set::Services]
            },
        )?,
        Lab::Down => Docker::take_down(NAME),
        Lab::Images => make_images()?,
        Lab::Net { command } => net(command)?,
        Lab::Clean { all } => {
            let owners = if *all { Owners::Everyone } else { Owners::Gone };
            clean(owners).iter().for_each(|name| println!("removed {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn up(view: View, sets: &[Set]) -> Result<()> {
    setup::ensure(&[Purpose::Containers])?;
    if Docker::attach(NAME).is_ok() {
        bail!("the lab is up already: cargo xtask lab down");
    }
    shell::say("starting a private Docker daemon");
    let docker = Docker::start_kept(NAME, view.cgroups())?;
    for set in sets {
        shell::say(&format!(
            "loading the {set:?} images (made first if they are not cached)"
        ));
        docker.load(*set)?;
    }
    println!("export DOCKER_HOST={}", docker.host());
    Ok(())
}

fn make_images() -> Result<()> {
    setup::ensure(&[Purpose::Containers])?;
    for set in [Set::Busybox, Set::Services] {
        println!("{}", image::archive_of(set)?.display());
    }
    Ok(())
}

fn net(command: &[String]) -> Result<()> {
    let (program, args) = command.split_first().context("no command")?;
    let error = Docker::attach(NAME)?.in_network(program).args(args).exec();
    Err(error).context("cannot start nsenter")
}
