//! Who serves and who asks.

use crate::image::{NGINX, POSTGRES, REDIS, TOOLBOX};

/// A container that serves. It may be restarted, and replaced by another of its image.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) image: &'static str,
    /// Of `docker run`.
    pub(super) options: &'static [&'static str],
    /// Instead of the image's own; empty: that.
    pub(super) command: &'static [&'static str],
    /// Succeeds in the container while it serves.
    pub(super) probe: &'static [&'static str],
}

/// A container that keeps a service busy: it prints a line for each round of requests that was answered.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) name: &'static str,
    /// Run by sh.
    pub(super) script: &'static str,
}

/// Made here: cron with a job each minute, and its log.
pub(super) const BATCH_IMAGE: &str = "lab.local/mixed-batch:1";

/// What containers keep when they are replaced.
pub(super) const VOLUMES: [&str; 2] = ["mixed-cache", "mixed-db"];

pub(super) static WEB: Service = Service {
    name: "mixed-web",
    image: NGINX,
    options: &[],
    command: &[],
    probe: &["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1/"],
};

/// With the package's configuration: only what came from a file can be rewritten.
pub(super) static CACHE: Service = Service {
    name: "mixed-cache",
    image: REDIS,
    options: &["--volume", "mixed-cache:/var/lib/redis"],
    command: &[
        "redis-server",
        "/etc/redis/redis.conf",
        "--daemonize",
        "no",
        "--bind",
        "0.0.0.0",
        "--logfile",
        "",
        "--protected-mode",
        "no",
        // It saves when it is told to, not while it is told to.
        "--save",
        "",
    ],
    probe: &["redis-cli", "-e", "ping"],
};

/// SIGINT ends it without waiting for its clients, as the images that people use have it.
pub(super) static DB: Service = Service {
    name: "mixed-db",
    image: POSTGRES,
    options: &[
        "--volume",
        "mixed-db:/var/lib/postgresql",
        "--stop-signal",
        "SIGINT",
    ],
    command: &[],
    probe: &["pg_isready", "-q", "-h", "/tmp", "-U", "postgres"],
};

pub(super) static BATCH: Service = Service {
    name: "mixed-batch",
    image: BATCH_IMAGE,
    options: &[],
    command: &[],
    probe: &["test", "-e", "/run/crond.pid"],
};

pub(super) static SERVICES: [&Service; 4] = [&WEB, &CACHE, &DB, &BATCH];

/// Some hundred requests a second each. A round that fails or hangs is tried again: services are restarted meanwhile.
pub(super) static CLIENTS: [Client; 3] = [
    Client {
        name: "mixed-web-client",
        script: "while :; do
            curl -fsS --max-time 10 -o /dev/null 'http://mixed-web/?[1-50]' && echo round
            sleep 0.3
        done",
    },
    Client {
        name: "mixed-cache-client",
        script: "while :; do
            timeout 10 redis-benchmark -h mixed-cache -q -c 4 -n 200 -r 1000 -t set,get,incr > /dev/null && echo round
            sleep 0.5
        done",
    },
    Client {
        name: "mixed-db-client",
        script: "pgbench=/usr/lib/postgresql/15/bin/pgbench
        $pgbench -i -q -h mixed-db -U postgres postgres || exit
        while :; do
            timeout 20 $pgbench -n -h mixed-db -U postgres -c 2 -R 40 -T 5 postgres > /dev/null && echo round
            sleep 0.5
        done",
    },
];

/// What profiles are learned of: all but what builds run, whose images are new each time.
pub(super) const IMAGES: [&str; 5] = [NGINX, REDIS, POSTGRES, BATCH_IMAGE, TOOLBOX];

#[cfg(test)]
mod tests {
    use super::*;

    /// A container that matches nothing is no reason to learn of its image.
    #[test]
    fn every_container_is_of_an_image_that_is_learned() {
        let services = SERVICES.iter().map(|service| service.image);
        let used: Vec<&str> = services.chain([TOOLBOX]).collect();
        assert_eq!(used, IMAGES);
    }

    #[test]
    fn probes_are_commands_of_a_shell_too() {
        let words = SERVICES.iter().flat_map(|service| service.probe);
        let odd: Vec<_> = words
            .filter(|word| word.is_empty() || word.contains([' ', '\'', '"', '$', '&', ';']))
            .collect();
        assert!(odd.is_empty(), "HEALTHCHECK would have to quote {odd:?}");
    }
}
