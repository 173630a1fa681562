use super::*;
use crate::control::{
    CapabilityStatus, ContainerCounters, ContainerStatus, RuntimeStatus, SinkStatus, TableStatus,
};

#[test]
fn everything_is_shown() {
    let mut report = StatusReport {
        node: "host-1".to_owned(),
        ..StatusReport::default()
    };
    report.problems.push("docker does not answer".to_owned());
    for capability in ["bind", "listen"] {
        report.capabilities.push(CapabilityStatus {
            capability: capability.to_owned(),
            reason: "lsm: refused".to_owned(),
            ..Default::default()
        });
    }
    report.events.insert(
        "exec".to_owned(),
        KindCounters {
            seen: 7,
            lost: [("quota".to_owned(), 3), ("ring_full".to_owned(), 1)].into(),
            ..Default::default()
        },
    );
    report.containers.push(ContainerStatus {
        id: "ab".to_owned(),
        ..Default::default()
    });
    let missed = RuntimeStatus { missed: 6 };
    report.runtimes.insert("podman".to_owned(), missed);
    report.sinks.push(SinkStatus {
        name: "disk".to_owned(),
        ..Default::default()
    });
    report.maps.insert(
        "slots".to_owned(),
        TableStatus {
            entries: 2,
            capacity: 9,
        },
    );
    let failing = FailingRule {
        events: 3,
        reason: "a list is shorter".to_owned(),
    };
    report.user_rules = UserRulesStatus {
        rules: 2,
        failing: [("user.x".to_owned(), failing)].into(),
    };
    let mismatch = "exec: seen 7, but 6 outcomes were booked".to_owned();
    report.records.mismatches.push(mismatch);
    report.graph = GraphStatus {
        edges: 3,
        capacity: 4096,
        dropped: 2,
    };
    let text = render(&report);
    for part in [
        "host-1",
        "not ready",
        "DEGRADED: docker does not answer; containers 1, events 7, alerts 0, pending 0",
        "! docker",
        "lsm: refused",
        "as above",
        "exec",
        "4  quota 3, ring_full 1",
        " 7 ",
        "! the books do not balance: exec: seen 7",
        "CONTAINERS (1)",
        "6 events or lines of lists of podman were not taken",
        "GRAPH             3 of 4096 edges, 2 forgotten for lack of room",
        "sink disk",
        "map slots: 2 of 9",
        "USER RULES        2 in force",
        "! user.x failed on 3 events, at last because a list is shorter",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<StatusReport>(&json).unwrap(), report);
}

#[test]
fn a_container_is_shown_with_its_books() {
    let container = |id: &str, name: &str| ContainerStatus {
        id: id.to_owned(),
        name: Some(name.to_owned()),
        events: Some(ContainerCounters {
            seen: [("exec".to_owned(), 3), ("file_open".to_owned(), 9)].into(),
            repeated: 7,
            sent: 3,
            suppressed: [("unwatched".to_owned(), 1)].into(),
            lost: [("quota".to_owned(), 1)].into(),
        }),
        ..Default::default()
    };
    let report = StatusReport {
        containers: vec![container("ab01", "web"), container("ab02", "db")],
        ..StatusReport::default()
    };
    assert_eq!(find(&report, "ab02").unwrap().id, "ab02");
    assert_eq!(find(&report, "web").unwrap().id, "ab01");
    assert_eq!(find(&report, "ab").unwrap_err().exit, Exit::Usage);
    assert_eq!(find(&report, "cd").unwrap_err().exit, Exit::Findings);
    let text = container_books(&report.containers[0]);
    for part in [
        "web",
        "12  exec 3, file_open 9",
        "suppressed            1  unwatched 1",
        "quota 1",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}
