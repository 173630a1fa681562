//! What operators, their scripts and Docker do to services on an ordinary day.

use super::schedule::Pace;
use super::services::{BATCH, CACHE, DB, SERVICES, WEB};
use super::stage::{SERVES_WITHIN, Stage};
use crate::command;
use anyhow::{Result, ensure};

/// Something ordinary, done again and again.
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) pace: Pace,
    /// Its end is the end of the work, not of the request for it; what fails is an error of the run.
    pub(super) carry_out: fn(&Stage<'_>) -> Result<()>,
}

/// All of them come in the first two and a half minutes. Restarts are apart, so that there is time to get healthy.
pub(super) static OPERATIONS: &[Operation] = &[
    Operation {
        name: "health checks by docker exec",
        pace: Pace::seconds(5, 5),
        carry_out: check_by_exec,
    },
    Operation {
        name: "HEALTHCHECK of every service",
        pace: Pace::seconds(20, 30),
        carry_out: check_by_docker,
    },
    Operation {
        name: "load on every service",
        pace: Pace::seconds(60, 30),
        carry_out: |stage| stage.check_load(),
    },
    Operation {
        name: "nginx reload",
        pace: Pace::seconds(15, 30),
        carry_out: reload_nginx,
    },
    Operation {
        name: "nginx log rotation",
        pace: Pace::seconds(40, 60),
        carry_out: rotate_nginx,
    },
    Operation {
        name: "redis BGSAVE",
        pace: Pace::seconds(25, 45),
        carry_out: save_redis,
    },
    Operation {
        name: "redis CONFIG REWRITE",
        pace: Pace::seconds(35, 60),
        carry_out: rewrite_redis,
    },
    Operation {
        name: "postgres CHECKPOINT",
        pace: Pace::seconds(30, 45),
        carry_out: |stage| sql(stage, "checkpoint").map(drop),
    },
    Operation {
        name: "postgres reload",
        pace: Pace::seconds(50, 60),
        carry_out: reload_postgres,
    },
    Operation {
        name: "postgres VACUUM",
        pace: Pace::seconds(45, 60),
        carry_out: |stage| sql(stage, "vacuum (analyze) pgbench_accounts, pgbench_history").map(drop),
    },
    Operation {
        name: "image build with a package",
        pace: Pace::seconds(65, 240),
        carry_out: |stage| stage.build_and_run("package"),
    },
    Operation {
        name: "nginx restart",
        pace: Pace::seconds(70, 180),
        carry_out: |stage| stage.restart(&WEB),
    },
    Operation {
        name: "redis restart",
        pace: Pace::seconds(80, 180),
        carry_out: |stage| stage.restart(&CACHE),
    },
    Operation {
        name: "postgres restart",
        pace: Pace::seconds(90, 180),
        carry_out: |stage| stage.restart(&DB),
    },
    Operation {
        name: "logrotate",
        pace: Pace::seconds(100, 60),
        carry_out: rotate_batch,
    },
    Operation {
        name: "nginx replaced",
        pace: Pace::seconds(115, 180),
        carry_out: |stage| stage.replace(&WEB),
    },
    Operation {
        name: "redis replaced",
        pace: Pace::seconds(125, 180),
        carry_out: |stage| stage.replace(&CACHE),
    },
    Operation {
        name: "job of cron",
        pace: Pace::seconds(130, 60),
        carry_out: check_job,
    },
    Operation {
        name: "postgres replaced",
        pace: Pace::seconds(140, 180),
        carry_out: |stage| stage.replace(&DB),
    },
];

fn check_by_exec(stage: &Stage<'_>) -> Result<()> {
    SERVICES.iter().try_for_each(|service| stage.probe(service))
}

fn check_by_docker(stage: &Stage<'_>) -> Result<()> {
    SERVICES
        .iter()
        .try_for_each(|service| stage.wait_healthy(service))
}

fn reload_nginx(stage: &Stage<'_>) -> Result<()> {
    stage.exec(&WEB, &["nginx", "-s", "reload"])?;
    stage.probe(&WEB)
}

/// As logrotate does it for nginx; the new file comes with the next requests.
fn rotate_nginx(stage: &Stage<'_>) -> Result<()> {
    const ROTATE: &str = "mv /var/log/nginx/access.log /var/log/nginx/access.log.1 \
                          && kill -USR1 \"$(cat /run/nginx.pid)\"";
    stage.exec(&WEB, &["sh", "-c", ROTATE])?;
    command::wait_until("nginx writes a new log", SERVES_WITHIN, || {
        stage
            .exec(&WEB, &["test", "-s", "/var/log/nginx/access.log"])
            .ok()
    })?;
    Ok(())
}

fn save_redis(stage: &Stage<'_>) -> Result<()> {
    redis(stage, &["bgsave"])?;
    let state = command::wait_until("redis has saved", SERVES_WITHIN, || {
        let state = redis(stage, &["info", "persistence"]).ok()?;
        state.contains("rdb_bgsave_in_progress:0").then_some(state)
    })?;
    ensure!(
        state.contains("rdb_last_bgsave_status:ok"),
        "redis could not save: {state}"
    );
    Ok(())
}

fn rewrite_redis(stage: &Stage<'_>) -> Result<()> {
    redis(stage, &["config", "set", "maxmemory", "64mb"])?;
    redis(stage, &["config", "rewrite"]).map(drop)
}

fn reload_postgres(stage: &Stage<'_>) -> Result<()> {
    let answer = sql(stage, "select pg_reload_conf()")?;
    ensure!(answer == "t", "pg_reload_conf() answered '{answer}'");
    Ok(())
}

/// Cron's job has run at least once by then.
fn rotate_batch(stage: &Stage<'_>) -> Result<()> {
    stage.exec(&BATCH, &["logrotate", "--force", "/etc/logrotate.d/mixed"])?;
    stage
        .exec(&BATCH, &["test", "-e", "/var/log/mixed/report.log.1.gz"])
        .map(drop)
}

/// Cron starts it each minute.
fn check_job(stage: &Stage<'_>) -> Result<()> {
    let report = "/var/log/mixed/report.last";
    let recent = stage.exec(&BATCH, &["find", report, "-mmin", "-2"])?;
    ensure!(!recent.is_empty(), "cron's job has not run for two minutes");
    Ok(())
}

fn redis(stage: &Stage<'_>, request: &[&str]) -> Result<String> {
    let client = ["redis-cli", "-e"].into_iter();
    let program: Vec<&str> = client.chain(request.iter().copied()).collect();
    stage.exec(&CACHE, &program)
}

fn sql(stage: &Stage<'_>, statement: &str) -> Result<String> {
    stage.exec(&DB, &["psql", "-h", "/tmp", "-U", "postgres", "-Atc", statement])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mixed::schedule::{Schedule, Turns};
    use crate::mixed::{LEARN, SHORTEST};
    use std::collections::BTreeSet;
    use std::time::Duration;

    /// As if each operation took so long.
    fn turns_within(length: Duration, each: Duration) -> Vec<Turns> {
        let mut schedule = Schedule::new(OPERATIONS.iter().map(|operation| operation.pace));
        let mut now = Duration::ZERO;
        while let Some((place, due)) = schedule.due().filter(|(_, due)| *due < length) {
            now = now.max(due) + each;
            if now > length {
                break;
            }
            schedule.over(place, now);
        }
        schedule.turns().to_vec()
    }

    #[test]
    fn the_shortest_run_has_room_for_each_operation() {
        for each in [Duration::ZERO, Duration::from_millis(1500)] {
            let turns = turns_within(SHORTEST, each);
            assert!(turns.iter().all(|turns| turns.done > 0), "{each:?}: {turns:?}");
        }
    }

    #[test]
    fn what_is_learned_was_done_twice() {
        let turns = turns_within(LEARN, Duration::from_secs(1));
        assert!(turns.iter().all(|turns| turns.done > 1), "{turns:?}");
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let names: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.name).collect();
        assert_eq!(names.len(), OPERATIONS.len());
    }
}
