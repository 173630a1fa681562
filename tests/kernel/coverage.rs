//! The coverage table claims nothing that no test shows.

use crate::lab::World;
use crate::{Test, capabilities};
use agent::kernel::behaviours;
use anyhow::{Result, ensure};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "coverage::every_row_is_shown_by_a_check",
    run: every_row,
}];

/// Rows that no check shows, and the test that does.
const HELD_ELSEWHERE: &[(&str, &str)] = &[
    (
        "leave_cgroup",
        "identity::leaving_the_cgroup_keeps_the_label_and_is_reported",
    ),
    (
        "open_io_uring",
        "compat::open_by_io_uring_is_seen_where_that_is_promised",
    ),
    (
        "unlink_io_uring",
        "compat::names_by_io_uring_are_seen_where_that_is_promised",
    ),
    (
        "rename_io_uring",
        "compat::names_by_io_uring_are_seen_where_that_is_promised",
    ),
    (
        "link_io_uring",
        "compat::names_by_io_uring_are_seen_where_that_is_promised",
    ),
    ("connect_io_uring", "compat::connect_by_io_uring_is_seen"),
    ("listen_io_uring", "compat::listen_by_io_uring_is_seen"),
];

fn every_row(_world: &mut World) -> Result<()> {
    let checked: Vec<&str> = capabilities::checks()
        .flat_map(|check| check.rows)
        .copied()
        .collect();
    for (row, test) in HELD_ELSEWHERE {
        ensure!(
            crate::tests().any(|known| known.name == *test),
            "`{row}`: there is no test `{test}`"
        );
    }
    let held = |name| HELD_ELSEWHERE.iter().any(|(row, _)| *row == name);
    let missing: Vec<&str> = behaviours()
        .map(|row| row.name)
        .filter(|name| !checked.contains(name) && !held(*name))
        .collect();
    ensure!(missing.is_empty(), "no test shows {}", missing.join(", "));
    Ok(())
}
