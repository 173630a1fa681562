//! What the verifier goes through for each program is what the committed table says.

use crate::Test;
use crate::enforcement;
use crate::lab::World;
use agent::kernel::Features;
use agent_tests::capability::{self, Capability};
use agent_tests::verified::{Measurement, Table, kernel};
use anyhow::{Context, Result, ensure};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "verified::instruction_counts_are_as_recorded",
    run: counts,
}];

/// Part of the program, for machines that have nothing else.
const TABLE: &str = include_str!("../../docs/verified-instructions.md");

fn counts(world: &mut World) -> Result<()> {
    // What is loaded only then is measured too.
    let enforced = enforcement::enforce_everything(world)?;
    let measured = measure(world);
    enforcement::end(world, enforced)?;
    let measured = measured?;
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        for one in &measured {
            println!("{}", one.line());
        }
        return Ok(());
    }
    let table = Table::parse(TABLE)?;
    let kernel = &measured.first().context("no program is loaded")?.kernel;
    if !table.knows(kernel) {
        capability::skip(
            Capability::Baseline,
            &format!("no counts are recorded for kernel {kernel}"),
        );
        return Ok(());
    }
    let objections: Vec<String> = measured.iter().filter_map(|one| table.objection(one)).collect();
    ensure!(
        objections.is_empty(),
        "{}\n  help: `cargo xtask verified` accepts the new counts; say why in the table's last column",
        objections.join("\n")
    );
    Ok(())
}

fn measure(world: &World) -> Result<Vec<Measurement>> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let kernel = kernel(&release, Features::read()?.cgroups.v1_number != 0);
    let counted = world.sensor.program_stats().into_iter();
    let counted = counted.filter_map(|stats| Some((stats.program, stats.verified_instructions?)));
    Ok(counted
        .map(|(program, count)| Measurement {
            kernel: kernel.clone(),
            program,
            count,
        })
        .collect())
}
