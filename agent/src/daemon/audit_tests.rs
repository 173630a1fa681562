use super::*;
use crate::control::KindCounters;

fn kernel(seen: u64, sent: u64, lost: u64) -> KernelBooks {
    let mut counters = KindCounters {
        seen,
        sent,
        ..KindCounters::default()
    };
    if lost > 0 {
        counters.lost.insert("ring_full".to_owned(), lost);
    }
    KernelBooks {
        kinds: [("exec".to_owned(), counters)].into(),
        ..KernelBooks::default()
    }
}

fn reading(seen: u64, sent: u64, lost: u64) -> Reading {
    Reading {
        kernel: kernel(seen, sent, lost),
        containers: Vec::new(),
    }
}

fn container(slot: u32, seen: u64, outcomes: &[(Outcome, u64)]) -> Observed {
    let mut books = SlotBooks::of(1);
    books.seen[2] = seen;
    for (outcome, count) in outcomes {
        books.outcomes[outcome.0 as usize] = *count;
    }
    Observed {
        key: SlotKey { slot, generation: 1 },
        id: format!("id{slot}"),
        books,
    }
}

fn with(containers: &[Observed]) -> Reading {
    Reading {
        kernel: kernel(0, 0, 0),
        containers: containers.to_vec(),
    }
}

fn engine(received: u64) -> EngineStats {
    EngineStats {
        received,
        undecodable: [("no_header", received)].into(),
        ..EngineStats::default()
    }
}

fn equations(found: &[Mismatch]) -> Vec<&'static str> {
    found.iter().map(|mismatch| mismatch.equation).collect()
}

#[test]
fn moving_counters_are_not_compared() {
    let mut audit = Audit::default();
    for seen in 1..5 {
        assert_eq!(audit.read(&reading(seen, seen - 1, 0), &engine(0)), []);
    }
    assert_eq!(audit.mismatches(), []);
}

#[test]
fn a_difference_is_told_once_until_it_changes() {
    let mut audit = Audit::default();
    audit.read(&reading(5, 4, 0), &engine(3));
    let found = audit.read(&reading(5, 4, 0), &engine(3));
    assert_eq!(equations(&found), ["seen", "sent"]);
    assert_eq!(found[0].to_string(), "exec: seen 5, but 4 outcomes were booked");
    assert_eq!(found[1].to_string(), "the kernel sent 4 records, 3 were received");
    assert_eq!(audit.read(&reading(5, 4, 0), &engine(3)), []);
    assert_eq!(audit.mismatches().len(), 2);
    audit.read(&reading(6, 6, 0), &engine(6));
    assert_eq!(audit.read(&reading(6, 6, 0), &engine(6)), []);
    assert_eq!(audit.mismatches(), [], "it was a moment's difference");
}

#[test]
fn a_record_that_the_engine_lost_is_found() {
    let mut audit = Audit::default();
    let mut stats = engine(4);
    stats.undecodable.clear();
    audit.read(&reading(4, 4, 0), &stats);
    assert_eq!(equations(&audit.read(&reading(4, 4, 0), &stats)), ["received"]);
}

#[test]
fn the_books_of_a_container_are_compared_when_it_rests() {
    let mut audit = Audit::default();
    let fine = container(2, 3, &[(Outcome::SENT, 1), (Outcome::REPEATED, 2)]);
    let short = |seen| container(3, seen, &[(Outcome::SENT, 1)]);
    audit.read(&with(&[fine.clone(), short(2)]), &engine(0));
    assert_eq!(audit.read(&with(&[fine.clone(), short(3)]), &engine(0)), []);
    let found = audit.read(&with(&[fine.clone(), short(3)]), &engine(0));
    let said = "container id3: seen 3, but 1 outcomes were booked";
    assert_eq!((found.len(), found[0].to_string().as_str()), (1, said));
    assert_eq!(found[0].finding().container(), Some("id3"));
    assert_eq!(audit.read(&with(&[fine, short(4)]), &engine(0)), []);
    assert_eq!(audit.mismatches().len(), 1, "it is not known to balance again");
    audit.read(&with(&[]), &engine(0));
    assert_eq!(audit.mismatches(), [], "it is gone");
}

#[test]
fn at_the_end_everything_has_to_balance() {
    let mut audit = Audit::default();
    audit.read(&reading(4, 4, 0), &engine(4));
    let last = Reading {
        kernel: kernel(6, 5, 0),
        containers: vec![container(3, 2, &[])],
    };
    let found = audit.close(&last, &engine(5));
    assert_eq!(equations(&found), ["seen", CONTAINER]);
    assert_eq!(audit.close(&last, &engine(5)), [], "told");
}

#[test]
fn losses_name_the_container_and_the_reasons_once_per_loss() {
    let mut audit = Audit::default();
    let mut at = |quota: u64, full: u64| {
        let lost = [(Outcome::LOST_QUOTA, quota), (Outcome::LOST_RING_FULL, full)];
        let reading = with(&[container(2, 0, &[]), container(3, 0, &lost)]);
        let found = audit.losses(&reading);
        audit.read(&reading, &engine(0));
        found
    };
    let expected = |reasons: &[(&str, u64)]| {
        let reasons: BTreeMap<_, _> = reasons.iter().map(|(r, n)| ((*r).to_owned(), *n)).collect();
        vec![SensorFinding::EventsLost {
            container: "id3".to_owned(),
            lost: reasons.values().sum(),
            reasons,
        }]
    };
    assert_eq!(at(0, 0), []);
    assert_eq!(at(7, 1), expected(&[("quota", 7), ("ring_full", 1)]));
    assert_eq!(at(7, 1), []);
    assert_eq!(at(9, 1), expected(&[("quota", 2)]));
}

#[test]
fn exhausted_slots_are_told_when_there_are_more() {
    let mut reading = reading(0, 0, 0);
    let mut audit = Audit::default();
    assert_eq!(audit.losses(&reading), []);
    reading.kernel.errors.insert(SLOTS_EXHAUSTED.to_owned(), 2);
    let told = [SensorFinding::SlotsExhausted { containers: 2 }];
    assert_eq!(audit.losses(&reading), told);
    audit.read(&reading, &engine(0));
    assert_eq!(audit.losses(&reading), []);
}
