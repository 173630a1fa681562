//! Ordinary work of ordinary services: nothing of it may raise an alert.

use super::{CACHE, DB, Stage, WEB};
use crate::command;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Requests, writes, traffic between services, a reload and a restart, for as long as is asked; calls `tick` after each round.
///
/// # Errors
/// When a service fails.
pub fn do_ordinary_work(stage: &Stage<'_>, how_long: Duration, mut tick: impl FnMut(Duration)) -> Result<()> {
    let begun = Instant::now();
    stage.sql("create table if not exists visits (at timestamptz)")?;
    let host = stage.docker.gateway_of(WEB)?;
    let page = format!("http://{host}:8080/");
    reload_and_restart(stage)?;
    while begun.elapsed() < how_long {
        for _ in 0..10 {
            stage.get_page()?;
        }
        stage.sql("insert into visits select now() from generate_series(1, 100)")?;
        stage.sql("checkpoint")?;
        stage.exec(CACHE, &["redis-cli", "incr", "visits"])?;
        // Services that use one another through the ports that the host publishes: the way between containers that is
        // no contact with a neighbour.
        stage.exec(WEB, &["redis-cli", "-e", "-h", &host, "incr", "visits"])?;
        stage.exec(CACHE, &["curl", "-sS", "--fail", &page])?;
        tick(begun.elapsed());
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

fn reload_and_restart(stage: &Stage<'_>) -> Result<()> {
    stage.exec(WEB, &["/usr/sbin/nginx", "-s", "reload"])?;
    stage.exec(DB, &["pg_ctl", "reload", "-D", "/var/lib/postgresql/data"])?;
    stage.exec(CACHE, &["redis-cli", "config", "set", "maxmemory", "64mb"])?;
    stage.docker.docker(["restart", "--time", "5", WEB])?;
    command::wait_until("nginx serves again", Duration::from_secs(30), || {
        stage.get_page().ok()
    })?;
    Ok(())
}
