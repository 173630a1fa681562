//! Contacts between two containers, over time.

use super::*;

const PEER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// The web container and its neighbour at 172.17.0.3, both known.
pub(super) fn two_containers() -> Run {
    let mut run = Run::new();
    run.feed(connected())
        .feed(described("nginx:1.25"))
        .feed(found(SlotFlags::LIVE));
    run.feed(neighbour(1));
    run
}

/// The neighbour as it runs in slot 4; a new generation is another container in the kernel's eyes.
fn neighbour(generation: u32) -> Input {
    Input::Running(RunningContainer {
        key: SlotKey { slot: 4, generation },
        created: BootTime(SECOND),
        flags: SlotFlags::LIVE,
        id: PEER.to_owned(),
    })
}

fn neighbour_described() -> Input {
    neighbour_of("")
}

/// The neighbour with its image.
pub(super) fn neighbour_of(image: &str) -> Input {
    let metadata = ContainerMetadata {
        name: "db".to_owned(),
        image: ImageRef {
            reference: image.to_owned(),
            ..ImageRef::default()
        },
        addresses: vec!["172.17.0.3".parse().unwrap()],
        ..ContainerMetadata::default()
    };
    Input::Runtime(RuntimeEvent::Described {
        id: ContainerId::from(PEER),
        metadata: Arc::new(metadata),
    })
}

fn connects(port: u16, second: u64) -> Input {
    connects_to("172.17.0.3", port, second)
}

fn neighbour_ends(second: u64) -> Input {
    let mut event = ContainerEvent::new_zeroed();
    event.header = header(EventKind::CONTAINER, second);
    (event.header.slot, event.header.generation) = (4, 1);
    event.op = ContainerOp::GONE;
    event.id = string::<ContainerEvent>(PEER.len());
    with_strings(event, |event| &mut event.header, PEER.as_bytes())
}

#[test]
fn short_connections_for_ten_minutes_are_one_alert() {
    let mut run = two_containers();
    run.feed(neighbour_described());
    for second in 2..600 {
        run.feed(connects(5432, second))
            .feed(Input::Tick(BootTime(second * SECOND)));
    }
    assert_eq!(
        run.rules(),
        [("lateral.first_contact", 0), ("lateral.first_contact", 1)]
    );
    assert_eq!(run.alerts[0].id, run.alerts[1].id);
    assert_eq!(
        run.alerts[1].repeat.count, 61,
        "one for each record of the window"
    );
}

#[test]
fn another_port_of_a_known_neighbour_is_no_first_contact() {
    let mut run = two_containers();
    run.feed(neighbour_described()).feed(connects(5432, 2));
    run.feed(Input::Tick(BootTime(63 * SECOND)))
        .feed(connects(22, 64));
    assert_eq!(
        run.rules(),
        [("lateral.first_contact", 0), ("lateral.first_contact", 1)]
    );
}

#[test]
fn a_neighbour_that_comes_again_is_met_for_the_first_time() {
    let mut run = two_containers();
    run.feed(neighbour_described()).feed(connects(5432, 2));
    run.feed(Input::Tick(BootTime(63 * SECOND)))
        .feed(neighbour_ends(64));
    run.feed(neighbour(2))
        .feed(neighbour_described())
        .feed(connects(5432, 70));
    assert_eq!(
        run.rules().last(),
        Some(&("lateral.first_contact", 0)),
        "{:?}",
        run.rules()
    );
    assert_eq!(run.alerts.len(), 3);
}
