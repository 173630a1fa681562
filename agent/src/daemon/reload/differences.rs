//! What cannot change while the agent runs.

use crate::config::{Config, RawLog};

/// The new configuration as far as it can be in force now, and the keys of what needs a restart.
pub(super) fn keep_running(running: &Config, new: Config) -> (Config, Vec<&'static str>) {
    let differs = [
        ("state_dir", running.state_dir != new.state_dir),
        ("run_dir", running.run_dir != new.run_dir),
        ("node", running.node != new.node),
        ("metrics", running.metrics != new.metrics),
        ("spool", running.spool != new.spool),
        ("on_exit", running.on_exit != new.on_exit),
        (
            "enforcement",
            (running.enforces, &running.escapes, &running.keep_in)
                != (new.enforces, &new.escapes, &new.keep_in),
        ),
        ("log.format", running.log.format != new.log.format),
    ];
    let restart = differs.into_iter().filter(|(_, differs)| *differs);
    let restart = restart.map(|(key, _)| key).collect();
    let kept = Config {
        state_dir: running.state_dir.clone(),
        run_dir: running.run_dir.clone(),
        node: running.node.clone(),
        metrics: running.metrics.clone(),
        spool: running.spool.clone(),
        on_exit: running.on_exit,
        enforces: running.enforces,
        escapes: running.escapes.clone(),
        keep_in: running.keep_in.clone(),
        log: RawLog {
            format: running.log.format,
            level: new.log.level,
        },
        profiles_dir: new.profiles_dir,
        rules_dir: new.rules_dir,
        docker: new.docker,
        sockets: new.sockets,
        sinks: new.sinks,
    };
    (kept, restart)
}
