use super::record::{self, Scan};
use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("spool"),
        max_bytes: 16 << 20,
        sinks: vec!["a".to_owned(), "b".to_owned()],
    }
}

fn payload(number: u64) -> Vec<u8> {
    format!("{{\"n\":{number}}}").into_bytes()
}

async fn drain(reader: &mut SpoolReader) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        let batch = reader.available(7).await.unwrap();
        let Some(last) = batch.last() else {
            return seen;
        };
        seen.extend(batch.iter().map(|record| record.sequence.0));
        reader.acknowledge(last.sequence);
    }
}

#[tokio::test]
async fn every_sink_reads_every_alert_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    for number in 1..=100 {
        assert_eq!(
            spool.append_line(Severity::High, payload(number)),
            Sequence(number)
        );
    }
    spool.flush().await;
    for sink in ["a", "b"] {
        assert_eq!(
            drain(&mut spool.reader(sink).unwrap()).await,
            (1..=100).collect::<Vec<_>>()
        );
    }
    assert_eq!(spool.pending("a"), 0);
    assert!(spool.reader("none").is_err());
    spool.close();
}

#[tokio::test]
async fn a_restart_resumes_at_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    for number in 1..=10 {
        spool.append_line(Severity::Low, payload(number));
    }
    spool.flush().await;
    spool.reader("a").unwrap().acknowledge(Sequence(4));
    spool.close();
    let spool = Spool::open(&options(dir.path())).unwrap();
    assert_eq!(spool.append_line(Severity::Low, payload(11)), Sequence(11));
    spool.flush().await;
    assert_eq!(
        drain(&mut spool.reader("a").unwrap()).await,
        (5..=11).collect::<Vec<_>>()
    );
    assert_eq!(
        drain(&mut spool.reader("b").unwrap()).await,
        (1..=11).collect::<Vec<_>>()
    );
    spool.close();
    let report = inspect(&options(dir.path()).dir).unwrap();
    assert!(
        report
            .cursors
            .iter()
            .all(|cursor| cursor.position == Some(11) && cursor.undelivered == 0)
    );
    assert_eq!(report.damaged_bytes, 0);
}

#[tokio::test]
async fn a_sink_that_comes_gets_what_comes_after_it_and_one_that_returns_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    let append = async |numbers: std::ops::RangeInclusive<u64>| {
        for number in numbers {
            spool.append_line(Severity::Low, payload(number));
        }
        spool.flush().await;
    };
    append(1..=3).await;
    assert!(spool.reader("c").is_err());
    spool.add_sink("c");
    spool.add_sink("c");
    append(4..=6).await;
    let mut reader = spool.reader("c").unwrap();
    assert_eq!(reader.available(1).await.unwrap()[0].sequence, Sequence(4));
    reader.acknowledge(Sequence(5));
    spool.remove_sink("c").unwrap();
    spool.remove_sink("c").unwrap();
    assert_eq!(spool.pending("c"), 0);
    append(7..=8).await;
    spool.add_sink("c");
    assert_eq!(drain(&mut spool.reader("c").unwrap()).await, [6, 7, 8]);
    spool.close();
}

#[tokio::test]
async fn a_sink_that_was_removed_holds_nothing_back_and_a_cursor_from_elsewhere_hides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    spool.remove_sink("b").unwrap();
    cursor::write(&options(dir.path()).dir, "c", Sequence(1000)).unwrap();
    spool.add_sink("c");
    for _ in 0..24 {
        spool.append_line(Severity::High, vec![b'x'; 500_000]);
        spool.flush().await;
    }
    for sink in ["a", "c"] {
        assert_eq!(drain(&mut spool.reader(sink).unwrap()).await.len(), 24);
    }
    spool.close();
    let report = inspect(&options(dir.path()).dir).unwrap();
    assert!(report.segments.len() <= 1, "{report:?}");
}

#[tokio::test]
async fn delivered_segments_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    for _ in 0..24 {
        spool.append_line(Severity::High, vec![b'x'; 500_000]);
        spool.flush().await;
    }
    assert!(spool.stats().disk().1 >= 3);
    for sink in ["a", "b"] {
        assert_eq!(drain(&mut spool.reader(sink).unwrap()).await.len(), 24);
    }
    spool.close();
    let spool = Spool::open(&options(dir.path())).unwrap();
    spool.close();
    assert!(inspect(&options(dir.path()).dir).unwrap().segments.len() <= 1);
}

#[tokio::test]
async fn a_full_spool_drops_the_lowest_severity_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&options(dir.path())).unwrap();
    for number in 0..40 {
        let severity = if number % 4 == 0 {
            Severity::Critical
        } else {
            Severity::Info
        };
        spool.append_line(severity, vec![b'x'; 700_000]);
        spool.flush().await;
    }
    let dropped: Vec<(Severity, u64)> = spool
        .stats()
        .dropped_total()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(dropped[0].0, Severity::Info);
    let mut reader = spool.reader("a").unwrap();
    let mut critical = 0;
    loop {
        let batch = reader.available(3).await.unwrap();
        let Some(last) = batch.last() else { break };
        critical += batch
            .iter()
            .filter(|record| record.severity == Severity::Critical)
            .count();
        reader.acknowledge(last.sequence);
    }
    assert_eq!(critical, 10);
    assert!(spool.stats().disk().0 <= 16 << 20);
    spool.close();
}

#[tokio::test]
async fn a_disk_that_refuses_degrades_to_memory_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let spool = Spool::open(&options).unwrap();
    let aside = dir.path().join("aside");
    std::fs::rename(&options.dir, &aside).unwrap();
    spool.append_line(Severity::High, payload(1));
    spool.flush().await;
    assert!(spool.stats().degraded());
    let mut reader = spool.reader("a").unwrap();
    assert_eq!(reader.available(10).await.unwrap().len(), 1);
    std::fs::rename(&aside, &options.dir).unwrap();
    for _ in 0..100 {
        if !spool.stats().degraded() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!spool.stats().degraded());
    spool.close();
    assert_eq!(inspect(&options.dir).unwrap().records, 1);
}

async fn wait_until(what: impl Fn() -> bool) {
    for _ in 0..200 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come about in time");
}

#[tokio::test]
async fn a_disk_that_refuses_is_not_trusted_again_before_it_took_something() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        // Without sinks everything counts as delivered: nothing waits in memory, and no cursor is written.
        sinks: Vec::new(),
        ..options(dir.path())
    };
    let spool = Spool::open(&options).unwrap();
    let aside = dir.path().join("aside");
    std::fs::rename(&options.dir, &aside).unwrap();
    spool.append_line(Severity::High, payload(1));
    spool.flush().await;
    wait_until(|| spool.stats().errors_total() >= 3).await;
    assert!(spool.stats().degraded());
    std::fs::rename(&aside, &options.dir).unwrap();
    wait_until(|| !spool.stats().degraded()).await;
    spool.append_line(Severity::High, payload(2));
    spool.flush().await;
    assert!(!spool.stats().degraded());
    assert_eq!(inspect(&options.dir).unwrap().records, 1);
    spool.close();
}

#[tokio::test]
async fn damage_is_counted_set_aside_and_costs_only_what_it_touches() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let spool = Spool::open(&options).unwrap();
    for number in 1..=5 {
        spool.append_line(Severity::High, payload(number));
    }
    spool.flush().await;
    spool.close();
    let file = segment::list(&options.dir).unwrap().remove(0).path;
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    std::fs::write(cursor::path(&options.dir, "b"), "nonsense").unwrap();
    let spool = Spool::open(&options).unwrap();
    assert!(spool.stats().damaged_total().0 > 0);
    assert!(options.dir.join("damaged").read_dir().unwrap().next().is_some());
    assert_eq!(drain(&mut spool.reader("b").unwrap()).await.len(), 4);
    spool.close();
}

#[tokio::test]
async fn the_newest_record_is_found_while_the_spool_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let spool = Spool::open(&options).unwrap();
    for number in [1, 2, 1, 3] {
        spool.append_line(Severity::High, payload(number));
    }
    spool.flush().await;
    let found = |number| newest(&options.dir, |record| record.payload == payload(number)).unwrap();
    assert_eq!(found(1).unwrap().sequence, Sequence(3));
    assert_eq!(found(2).unwrap().sequence, Sequence(2));
    assert!(found(9).is_none());
    spool.close();
    assert!(newest(&dir.path().join("none"), |_| true).is_err());
}

fn segment_bytes(count: u64) -> (Vec<u8>, Vec<Record>, Vec<std::ops::Range<usize>>) {
    let mut bytes = vec![0; 24];
    let mut ranges = Vec::new();
    let records: Vec<Record> = (1..=count)
        .map(|number| Record {
            sequence: Sequence(number),
            severity: SEVERITIES[usize::try_from(number % 5).unwrap()],
            time_unix_ms: number,
            // Payloads that contain the magic must not confuse the scan.
            payload: format!("VREC{number}VREC").into_bytes(),
        })
        .collect();
    for record in &records {
        let start = bytes.len();
        record::encode(record, &mut bytes);
        ranges.push(start..bytes.len());
    }
    (bytes, records, ranges)
}

fn expect_others(scan: &Scan, records: &[Record], damaged: impl Fn(usize) -> bool) {
    let intact: Vec<&Record> = records
        .iter()
        .enumerate()
        .filter(|(index, _)| !damaged(*index))
        .map(|(_, record)| record)
        .collect();
    assert_eq!(scan.records.iter().collect::<Vec<_>>(), intact);
}

#[test]
fn truncation_at_every_offset_loses_only_what_was_cut() {
    let (bytes, records, ranges) = segment_bytes(6);
    for length in 0..=bytes.len() {
        expect_others(&segment::scan(&bytes[..length], Sequence(1)), &records, |index| {
            ranges[index].end > length
        });
    }
}

#[test]
fn a_flipped_bit_at_every_offset_loses_only_its_record() {
    let (bytes, records, ranges) = segment_bytes(6);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let scan = segment::scan(&flipped, Sequence(1));
            expect_others(&scan, &records, |index| ranges[index].contains(&at));
            assert!(scan.damaged_bytes > 0);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _scan = segment::scan(&bytes, Sequence(1));
    }

    #[test]
    fn garbage_between_records_is_skipped(garbage in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..6) {
        let (bytes, records, ranges) = segment_bytes(6);
        let cut = ranges[at].start;
        let spliced = [&bytes[..cut], &garbage[..], &bytes[cut..]].concat();
        prop_assert_eq!(segment::scan(&spliced, Sequence(1)).records, records);
    }
}
