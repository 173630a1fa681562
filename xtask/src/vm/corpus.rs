//! The corpus on other kernels: one boot carries out all its entries, by runc.

use super::guest::Image;
use super::{Boot, Guest, LSM_WITH_BPF, Said, stripped};
use crate::build::build_for_tests;
use crate::shell;
use agent_tests::corpus::{Corpus, GuestCases, IMAGE, Report};
use agent_tests::image::{self, Set};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Half a minute for each entry on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(1200);

const LSM_WITHOUT_BPF: &str = "landlock,lockdown,yama,integrity";

/// Kernels and security modules: what there is when all is asked for.
const ALL: [(&str, &str); 4] = [
    ("6.1", LSM_WITH_BPF),
    ("6.1", LSM_WITHOUT_BPF),
    ("6.12", LSM_WITH_BPF),
    ("6.12", LSM_WITHOUT_BPF),
];

/// What no entry for virtual machines needs: two thirds of the image.
const LEFT_OUT: [&str; 15] = [
    "dev/",
    "usr/bin/perl",
    "usr/bin/x86_64-linux-gnu-",
    "usr/include",
    "usr/lib/file",
    "usr/lib/gcc",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/x86_64-linux-gnu/libicu",
    "usr/lib/x86_64-linux-gnu/perl",
    "usr/libexec",
    "usr/share/perl",
    "usr/share/zoneinfo",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
];

/// Carries out the entries on one kernel, or on all of them, and hands on each report; `lsm` is the kernel's list of
/// security modules.
///
/// # Errors
/// When an entry needs Docker, or a machine cannot be booted or dies.
pub(crate) fn run(
    corpus: &Corpus,
    kernel: &str,
    lsm: Option<&str>,
    mut on_report: impl FnMut(Report) -> Result<()>,
) -> Result<()> {
    let boots: Vec<(&str, &str)> = match (kernel, lsm) {
        ("all", None) => ALL.to_vec(),
        ("all", Some(_)) => bail!("--vm all has lists of its own: leave --lsm out"),
        (kernel, lsm) => vec![(kernel, lsm.unwrap_or(LSM_WITH_BPF))],
    };
    let cases = GuestCases::new(corpus.clone())?;
    let scratch = tempfile::tempdir()?;
    let guest = guest(&cases, scratch.path())?;
    for (kernel, lsm) in boots {
        on_report(boot(&cases, &guest, kernel, lsm)?)?;
    }
    Ok(())
}

fn guest(cases: &GuestCases, scratch: &Path) -> Result<Guest> {
    let runc = shell::find_program("runc").context("no runc: cargo xtask setup containers")?;
    let programs = [build_for_tests()?, runc];
    let mut files = cases.bundles()?;
    let folder = scratch.join("opt");
    cases.write_folder(&folder)?;
    for file in files_in(&folder)? {
        let name = file.strip_prefix(&folder)?.display();
        files.push((format!("{IMAGE}/opt/corpus/{name}"), fs::read(&file)?));
    }
    Ok(Guest {
        script: cases.script(),
        programs: programs
            .iter()
            .map(|file| stripped(file, scratch))
            .collect::<Result<_>>()?,
        files,
        image: Some(Image {
            archive: image::archive_of(Set::CorpusAttack)?,
            without: &LEFT_OUT,
        }),
        ..Guest::default()
    })
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_in(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn boot(cases: &GuestCases, guest: &Guest, kernel: &str, lsm: &str) -> Result<Report> {
    let mut output = Vec::new();
    let code = Boot {
        kernel,
        lsm,
        memory_mib: 2048,
        timeout: TIMEOUT,
    }
    .run(guest, |said| match said {
        Said::Begin => output.clear(),
        Said::Line(line) => {
            let line = String::from_utf8_lossy(line).trim_end().to_owned();
            // Events are shown with their entry; what else is said is progress, or a reason.
            if !line.starts_with('{') {
                shell::say(&line);
            }
            output.push(line);
        }
    })?;
    if !output.iter().any(|line| line.starts_with("@end ")) {
        bail!("{kernel} lsm={lsm}: no entry was carried out (exit code {code})");
    }
    let is_lsm = lsm.split(',').any(|module| module == "bpf");
    Ok(cases.report(kernel, if is_lsm { "lsm" } else { "fentry" }, &output))
}
