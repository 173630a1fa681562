//! A daemon without a kernel: files change, and what runs follows.

use super::watch::ConfigWatch;
use super::*;
use crate::config::{Flags, Place};
use crate::daemon::tests::alert;
use crate::daemon::{EngineLinks, Outlets};
use crate::telemetry::http::Ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What takes longer does not come.
const LONG: Duration = Duration::from_secs(30);
const BASE: &str = "metrics: {enabled: false}\nruntimes:\n  docker: {enabled: false}\n  containerd: {enabled: false}\n  crio: {enabled: false}\n  podman: {enabled: false}\n";

struct Daemon {
    dir: tempfile::TempDir,
    outlets: Outlets,
    links: EngineLinks,
    reloads: mpsc::Sender<ReloadRequest>,
    _drained: mpsc::Sender<ControlRequest>,
}

impl Daemon {
    /// Runs with `BASE` and `rest`, in which `DIR` stands for the folder.
    async fn start(rest: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("profiles")).unwrap();
        write(dir.path(), rest);
        let sources = sources(dir.path());
        let config = load(&sources).unwrap().config;
        let (mut outlets, mut links) = Outlets::start(&config).await.unwrap();
        let (kept, requests) = mpsc::channel(1);
        let requests = std::mem::replace(&mut links.requests, requests);
        serve(requests, &outlets);
        let (events, _) = mpsc::channel(8);
        let counts = links.runtime_counts.clone();
        let runtimes = Runtimes::start(&config, events, outlets.tasks().clone(), counts);
        let settings = Settings {
            config,
            sources,
            log: LogControl::default(),
        };
        let (metrics, state) = (Arc::clone(&links.metrics), links.reloads.clone());
        let reloads = outlets
            .start_reloading(settings, runtimes, metrics, state)
            .unwrap();
        links.readiness.set(Ready::Yes);
        Self {
            dir,
            outlets,
            links,
            reloads,
            _drained: kept,
        }
    }

    /// From now on files that change are read by themselves.
    fn watch(&self) {
        let place = Place::new(Some(&self.path("config.yaml")));
        let state = self.links.reloads.clone();
        super::watch::start(place, state, self.reloads.clone(), self.outlets.tasks());
    }

    async fn reload(&self, rest: &str) -> Result<Reloaded, String> {
        write(self.dir.path(), rest);
        let (reply, answer) = oneshot::channel();
        self.reloads.send(ReloadRequest { reply }).await.unwrap();
        answer.await.unwrap().map_err(|refusal| refusal.message)
    }

    /// An alert with this number; it is committed.
    async fn raise(&self, numbers: std::ops::Range<u128>) {
        for number in numbers {
            let mut alert = alert();
            alert.id = uuid::Uuid::from_u128(number);
            self.links.raise(&alert);
        }
        self.links.spool.as_ref().unwrap().flush().await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn stop(self) -> tempfile::TempDir {
        self.outlets.tasks().stop();
        self.outlets.run().await.unwrap();
        self.dir
    }
}

fn sources(dir: &Path) -> Sources {
    Sources {
        file: Some(dir.join("config.yaml")),
        environment: Vec::new(),
        flags: Flags {
            state_dir: Some(dir.join("state")),
            run_dir: Some(dir.join("run")),
            ..Flags::default()
        },
    }
}

/// In the engine's place.
fn serve(mut requests: mpsc::Receiver<ControlRequest>, outlets: &Outlets) {
    let stop = outlets.tasks().token();
    outlets.tasks().spawn("engine", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                request = requests.recv() => match request {
                    Some(ControlRequest::Adopt { reply, .. }) => reply.send(()).unwrap(),
                    other => anyhow::bail!("{other:?}"),
                }
            }
        }
    });
}

fn write(dir: &Path, rest: &str) {
    let folder = dir.display().to_string();
    let text = format!("{BASE}profiles_dir: DIR/profiles\n{rest}").replace("DIR", &folder);
    std::fs::write(dir.join("config.yaml"), text).unwrap();
}

fn numbers(file: &Path) -> Vec<u128> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let number = |line: &str| {
        let alert: crate::alert::Alert = serde_json::from_str(line).unwrap();
        alert.id.as_u128()
    };
    text.lines().map(number).collect()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.expect(what);
}

fn range(numbers: std::ops::Range<u128>) -> Vec<u128> {
    numbers.collect()
}

#[tokio::test]
async fn an_added_sink_gets_what_comes_after_it_and_a_removed_one_nothing_more() {
    let daemon = Daemon::start("sinks: [{name: a, type: file, path: DIR/a}]\n").await;
    daemon.raise(0..3).await;
    let both = "sinks: [{name: a, type: file, path: DIR/a}, {name: b, type: file, path: DIR/b}]\n";
    assert_eq!(daemon.reload(both).await.unwrap().changed, ["sink `b` added"]);
    daemon.raise(3..6).await;
    until("b has them", || numbers(&daemon.path("b")).len() == 3).await;
    let names = |daemon: &Daemon| -> Vec<String> {
        let sinks = daemon.links.status().sinks;
        sinks.into_iter().map(|sink| sink.name).collect()
    };
    assert_eq!(names(&daemon), ["a", "b"]);
    daemon.links.metrics.render().unwrap();
    let only_b = "sinks: [{name: b, type: file, path: DIR/b}]\n";
    assert_eq!(daemon.reload(only_b).await.unwrap().changed, ["sink `a` removed"]);
    daemon.raise(6..9).await;
    let text = daemon.links.metrics.render().unwrap();
    assert!(!text.contains("{sink=\"a\"}"), "{text}");
    // It goes on where it was.
    assert_eq!(daemon.reload(both).await.unwrap().changed, ["sink `a` added"]);
    let dir = daemon.stop().await;
    assert_eq!(numbers(&dir.path().join("b")), range(3..9));
    let a = numbers(&dir.path().join("a"));
    assert_eq!(a[..6], range(0..6)[..]);
}

#[tokio::test]
async fn a_sink_whose_file_changes_loses_nothing_and_its_neighbour_is_not_disturbed() {
    let sinks = |file: &str| {
        format!("sinks: [{{name: a, type: file, path: DIR/{file}}}, {{name: b, type: file, path: DIR/b}}]\n")
    };
    let daemon = Daemon::start(&sinks("0")).await;
    let stats = Arc::clone(&daemon.links.sinks.list()[1].stats);
    for round in 1..5_u128 {
        daemon.raise(round * 50..round * 50 + 50).await;
        let reloaded = daemon.reload(&sinks(&round.to_string())).await.unwrap();
        assert_eq!(reloaded.changed, ["sink `a` changed"]);
    }
    assert!(Arc::ptr_eq(&stats, &daemon.links.sinks.list()[1].stats));
    daemon.raise(250..251).await;
    let dir = daemon.stop().await;
    let files = (0..5).map(|round| numbers(&dir.path().join(round.to_string())));
    let all: Vec<u128> = files.flatten().collect();
    assert_eq!(all, range(50..251), "in order, once each");
    assert_eq!(numbers(&dir.path().join("b")), range(50..251));
}

#[tokio::test]
async fn a_sink_that_hangs_does_not_keep_the_new_configuration() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hangs = format!("sinks: [{{name: a, type: webhook, url: 'http://{address}/', timeout_secs: 300}}]\n");
    let daemon = Daemon::start(&hangs).await;
    daemon.raise(1..4).await;
    let held = tokio::time::timeout(LONG, listener.accept()).await.unwrap();
    let file = "sinks: [{name: a, type: file, path: DIR/a}]\n";
    assert_eq!(daemon.reload(file).await.unwrap().changed, ["sink `a` changed"]);
    until("the file has them", || numbers(&daemon.path("a")).len() == 3).await;
    drop(held);
    daemon.stop().await;
}

#[tokio::test]
async fn what_is_wrong_changes_nothing_and_is_told_until_it_is_right() {
    let daemon = Daemon::start("sinks: [{name: a, type: file, path: DIR/a}]\n").await;
    for (wrong, said) in [
        ("log: {level: loud}\n", "config.yaml:8:14: unknown value `loud`"),
        (
            "sinks: [{name: a, type: file, path: DIR/none/a}]\n",
            "sink `a`: cannot open",
        ),
        ("profiles_dir: 5\n", "twice"),
    ] {
        let refused = daemon.reload(wrong).await.unwrap_err();
        assert!(refused.contains(said), "{refused}");
        let problems = daemon.links.status().problems;
        assert!(problems.len() == 1 && problems[0].contains(said), "{problems:?}");
    }
    std::fs::write(daemon.path("profiles/x.yaml"), "kind: X\n").unwrap();
    let refused = daemon.reload("sinks: []\n").await.unwrap_err();
    assert!(refused.contains("profiles/x.yaml"), "{refused}");
    let figures = |daemon: &Daemon| {
        let metrics = &daemon.links.metrics;
        (
            metrics.config_reload_successful.get(),
            metrics.config_reload_failures.get(),
        )
    };
    assert_eq!(figures(&daemon), (0, 4));
    daemon.raise(1..2).await;
    until("a works", || numbers(&daemon.path("a")) == [1]).await;
    std::fs::remove_file(daemon.path("profiles/x.yaml")).unwrap();
    let reloaded = daemon
        .reload("sinks: [{name: a, type: file, path: DIR/a}]\n")
        .await;
    assert_eq!(reloaded, Ok(Reloaded::default()));
    assert!(daemon.links.status().problems.is_empty());
    assert_eq!(figures(&daemon), (1, 4));
    assert!(daemon.links.metrics.config_reload_timestamp.get() > 1e9);
    daemon.stop().await;
}

#[tokio::test]
async fn what_needs_a_restart_is_named_until_it_is_as_it_was() {
    let daemon = Daemon::start("sinks: []\n").await;
    let reloaded = daemon
        .reload("sinks: []\nspool: {max_size_mib: 64}\nlog: {format: json}\n")
        .await;
    assert_eq!(reloaded.unwrap().restart, ["spool", "log.format"]);
    let problems = daemon.links.status().problems;
    assert_eq!(problems, ["needs a restart: spool, log.format"]);
    let reloaded = daemon.reload("sinks: []\n").await.unwrap();
    assert!(reloaded.restart.is_empty() && daemon.links.status().problems.is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn a_file_that_an_editor_replaces_comes_into_force_by_itself() {
    let daemon = Daemon::start("sinks: []\n").await;
    daemon.watch();
    let text = std::fs::read_to_string(daemon.path("config.yaml")).unwrap();
    let sink = format!(
        "sinks: [{{name: a, type: file, path: {}}}]\n",
        daemon.path("a").display()
    );
    std::fs::write(daemon.path("config.yaml~"), text.replace("sinks: []\n", &sink)).unwrap();
    std::fs::rename(daemon.path("config.yaml~"), daemon.path("config.yaml")).unwrap();
    until("the sink runs", || daemon.links.sinks.list().len() == 1).await;
    std::fs::create_dir(daemon.path("conf.d")).unwrap();
    let sink = sink.replace("name: a", "name: b");
    std::fs::write(daemon.path("conf.d/b.yaml"), sink).unwrap();
    until("the fragment's sink runs", || {
        daemon.links.sinks.list().len() == 2
    })
    .await;
    std::fs::remove_file(daemon.path("conf.d/b.yaml")).unwrap();
    until("it is gone", || daemon.links.sinks.list().len() == 1).await;
    daemon.stop().await;
}

const RULE: &str = "apiVersion: vigia.dev/v1alpha1\nkind: RuleSet\nmetadata: {name: a}\nrules:\n- {id: user.a, on: [exec], \
                    condition: event.ret == 0, class: drift, severity: low, title: A}\n";

#[tokio::test]
async fn rules_that_change_are_read_by_themselves_and_wrong_ones_change_nothing() {
    let daemon = Daemon::start("sinks: []\n").await;
    std::fs::create_dir(daemon.path("rules")).unwrap();
    std::fs::write(daemon.path("rules/a.yaml"), RULE).unwrap();
    let with_rules = "sinks: []\nrules: {dir: DIR/rules}\n";
    let reloaded = daemon.reload(with_rules).await.unwrap();
    assert_eq!(reloaded.rules, 1);
    assert!(reloaded.changed[0].starts_with("rules.dir: "), "{reloaded:?}");
    daemon.watch();
    let problems = |daemon: &Daemon| daemon.links.status().problems;
    std::fs::write(daemon.path("rules/b.yaml"), RULE).unwrap();
    until("the clash is told", || {
        problems(&daemon)
            .iter()
            .any(|problem| problem.contains("rules/b.yaml:5:8: the id `user.a` is used twice"))
    })
    .await;
    std::fs::write(daemon.path("rules/b.yaml"), RULE.replace("user.a", "user.b")).unwrap();
    until("it is right", || problems(&daemon).is_empty()).await;
    assert_eq!(daemon.reload(with_rules).await.unwrap().rules, 2);
    let refused = daemon
        .reload("sinks: []\nrules: {dir: DIR/none}\n")
        .await
        .unwrap_err();
    assert!(refused.contains("none: cannot be listed"), "{refused}");
    daemon.stop().await;
}

/// As the kubelet does: files are links through `..data`, which is replaced.
fn swap(dir: &Path, version: &str, file: &str, text: &str) {
    let data = dir.join(format!("..{version}"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join(file), text).unwrap();
    std::os::unix::fs::symlink(format!("..{version}"), dir.join("..data_tmp")).unwrap();
    std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
}

#[tokio::test]
async fn a_config_map_that_is_swapped_is_noticed_and_other_files_are_not() {
    let dir = tempfile::tempdir().unwrap();
    swap(dir.path(), "1", "config.yaml", "log: {level: info}\n");
    let file = dir.path().join("config.yaml");
    std::os::unix::fs::symlink("..data/config.yaml", &file).unwrap();
    let mut watch = ConfigWatch::new(Place::new(Some(&file)), ReloadState::default()).unwrap();
    for version in ["2", "3"] {
        swap(dir.path(), version, "config.yaml", "log: {level: warn}\n");
        tokio::time::timeout(LONG, watch.changed())
            .await
            .unwrap()
            .unwrap();
    }
    std::fs::write(dir.path().join("other"), "x").unwrap();
    std::fs::write(dir.path().join("..3/config.yaml"), "log: {level: error}\n").unwrap();
    // The second, written through the link's target, is the one that counts.
    tokio::time::timeout(LONG, watch.changed())
        .await
        .unwrap()
        .unwrap();
    std::fs::write(dir.path().join("other"), "y").unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await;
    assert!(quiet.is_err(), "a file beside it is none of its business");
}

#[tokio::test]
async fn rules_of_a_config_map_are_read_when_it_is_swapped() {
    let daemon = Daemon::start("sinks: []\n").await;
    let rules = daemon.path("rules");
    std::fs::create_dir(&rules).unwrap();
    swap(&rules, "1", "a.yaml", RULE);
    std::os::unix::fs::symlink("..data/a.yaml", rules.join("a.yaml")).unwrap();
    let with_rules = "sinks: []\nrules: {dir: DIR/rules}\n";
    assert_eq!(daemon.reload(with_rules).await.unwrap().rules, 1);
    daemon.watch();
    let problems = || daemon.links.status().problems;
    swap(&rules, "2", "a.yaml", &RULE.replace("drift", "drip"));
    until("the mistake is told", || {
        problems()
            .iter()
            .any(|problem| problem.contains("rules/a.yaml:5:"))
    })
    .await;
    swap(&rules, "3", "a.yaml", RULE);
    until("it is right", || problems().is_empty()).await;
    daemon.stop().await;
}
