//! Identity where the machine shows its control groups otherwise: this program again, in a mount namespace where the sensor finds, and
//! containers have, one unified hierarchy only, or none.

use crate::lab::World;
use crate::{Test, identity, slots};
use agent_tests::capability::{Capability, skip};
use agent_tests::command::run_within;
use agent_tests::lab::{CgroupView, hierarchies};
use anyhow::{Result, ensure};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "views::with_one_unified_hierarchy",
        run: |world| in_view(world, CgroupView::V2),
    },
    Test {
        name: "views::without_unified_hierarchy",
        run: |world| in_view(world, CgroupView::V1),
    },
];

const WITHIN: Duration = Duration::from_secs(120);

fn in_view(world: &mut World, view: CgroupView) -> Result<()> {
    if !CgroupView::V1.is_possible() || hierarchies().len() < 2 {
        // The one view that this machine has is what the other tests run in.
        skip(Capability::CgroupV1, "this machine has one hierarchy");
        return Ok(());
    }
    let names = identity::TESTS.iter().chain(slots::TESTS).map(|test| test.name);
    let mut again = view.command(&std::env::current_exe()?);
    let output = run_within(again.args(names), WITHIN)?;
    // This process's sensor has seen all their containers, and no daemon has freed what is gone.
    world.forget()?;
    slots::recycle_gone(world)?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        said.contains("test identity::") && said.contains("test slots::"),
        "nothing ran: {said}"
    );
    Ok(())
}
