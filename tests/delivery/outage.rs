//! A receiver that is down for long: nothing is lost, memory stays flat, the order holds, and the backlog goes fast. A spool that is full
//! because its disk is.

use crate::courier_process::Courier;
use crate::receivers::nats::NatsServer;
use crate::scenario::Receiver;
use agent_tests::command::wait_until;
use agent_tests::length;
use anyhow::{Result, ensure};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What memory may grow by during an outage, bytes: a sink that is behind reads one segment of 4 MiB, and the allocator rounds up.
const FLAT: u64 = 8 << 20;
/// The newest alerts lie in memory for sinks that keep up: 4,096 of them.
const KEPT: u64 = 5_000;

/// Alerts per second and seconds.
fn outage() -> (u64, u64) {
    length::choose((1_000, 12), (200, 600))
}

#[test]
fn an_outage_costs_no_alert_no_order_and_no_memory() {
    let (rate, seconds) = outage();
    let dir = tempfile::tempdir().unwrap();
    let mut receiver = NatsServer::new(dir.path()).unwrap();
    let sink = format!("type: nats\nservers: [\"{}\"]", receiver.url());
    let mut courier = Courier::new(dir.path(), &sink, rate * seconds).unwrap();
    courier.per_second = Some(rate);
    courier.start().unwrap();
    std::thread::sleep(Duration::from_secs(KEPT / rate));
    let before = courier.memory().unwrap();
    courier
        .wait_until_filled(Duration::from_secs(seconds * 3))
        .unwrap();
    let after = courier.memory().unwrap();
    courier.kill().unwrap();
    receiver.start().unwrap();
    let started = Instant::now();
    courier.start().unwrap();
    courier.finish(Duration::from_secs(120)).unwrap();
    let took = started.elapsed();
    let received = receiver.received().unwrap();
    receiver.kill().unwrap();
    println!(
        "{} alerts in {took:.1?}; memory {} KiB, then {} KiB",
        received.len(),
        before >> 10,
        after >> 10
    );
    assert!(after < before + FLAT, "{before} bytes became {after}");
    assert_eq!(received.len() as u64, rate * seconds);
    assert!(received.is_sorted(), "the order is lost");
}

/// Nearly three segments.
const ALERTS: u64 = 8_000;

/// The disk is a tmpfs of 24 MiB that somebody fills; later there is room again. A second receiver is down meanwhile: segments that every
/// sink has had are removed, and their room would do for the next ones for ever.
#[test]
fn a_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let disk = Tmpfs::mount(&state).unwrap();
    let sink = format!(
        "type: file\nmax_size_mib: 100\npath: {}/alerts",
        dir.path().display()
    );
    let mut receiver = NatsServer::new(dir.path()).unwrap();
    let mut courier = Courier::new(dir.path(), &sink, ALERTS).unwrap();
    let behind = format!("type: nats\nservers: [\"{}\"]", receiver.url());
    courier.add_sink("behind", &behind).unwrap();
    // Segments have their room before they are written: more than one is needed to notice.
    courier.per_second = Some(500);
    courier.start().unwrap();
    let alerts = dir.path().join("alerts");
    let lines = || std::fs::read_to_string(&alerts).map_or(0, |text| text.lines().count());
    wait_until("alerts arrive", Duration::from_secs(30), || {
        (lines() > 100).then_some(())
    })
    .unwrap();
    let ballast = state.join("ballast");
    fill(&ballast).unwrap();
    wait_until("the spool cannot write", Duration::from_secs(30), || {
        courier.has_said("spool cannot write").then_some(())
    })
    .unwrap();
    let full = lines();
    wait_until("alerts go on", Duration::from_secs(30), || {
        (lines() > full + 100).then_some(())
    })
    .unwrap();
    std::fs::remove_file(&ballast).unwrap();
    wait_until("the spool writes again", Duration::from_secs(30), || {
        courier.has_said("spool writes again").then_some(())
    })
    .unwrap();
    receiver.start().unwrap();
    courier.finish(Duration::from_secs(60)).unwrap();
    assert_eq!(lines() as u64, ALERTS);
    assert_eq!(receiver.received().unwrap().len() as u64, ALERTS);
    receiver.kill().unwrap();
    drop(courier);
    drop(disk);
}

fn fill(file: &Path) -> std::io::Result<()> {
    let mut file = File::create(file)?;
    let block = vec![1; 64 << 10];
    while file.write_all(&block).is_ok() {}
    // The last page too.
    while file.write_all(&[1]).is_ok() {}
    Ok(())
}

/// Unmounted when dropped.
struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(path: &'a Path) -> Result<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "vigia-test"])
            .arg(path)
            .status()?;
        ensure!(mounted.success(), "cannot mount a tmpfs");
        Ok(Self(path))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        // A courier that is being killed may hold it a little longer.
        let _unmounted = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
