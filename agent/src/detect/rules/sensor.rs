//! Rules of class `sensor`: the agent's own blind spots.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &EVENTS_LOST,
    &CAPABILITY_DEGRADED,
    &SLOTS_EXHAUSTED,
    &RECORDS_UNDECODABLE,
    &WINDOWS_EXHAUSTED,
    &ALERTS_DROPPED,
];

pub(crate) static EVENTS_LOST: Rule = Rule {
    id: "sensor.events_lost",
    class: Class::Sensor,
    severity: Severity::High,
    attack: &["T1562"],
    title: "Events of a container were lost",
    meaning: "The kernel half could not hand over everything that the container did.",
    why: "What is missing may be the attack; flooding is a way to hide.",
    look_alikes: "Very many different behaviours at once, as in builds.",
    response: "See the container's figures in `agent status`.",
};

pub(crate) static CAPABILITY_DEGRADED: Rule = Rule {
    id: "sensor.capability_degraded",
    class: Class::Sensor,
    severity: Severity::Medium,
    attack: &["T1562"],
    title: "The sensor sees less than it should",
    meaning: "When the agent started, a program could not be attached; the capability is named. Whether one is \
        detached later is not watched.",
    why: "Behaviour of that kind is not seen.",
    look_alikes: "Kernels without the feature: see `agent check`.",
    response: "Run `agent check` and follow what it says.",
};

pub(crate) static SLOTS_EXHAUSTED: Rule = Rule {
    id: "sensor.slots_exhausted",
    class: Class::Sensor,
    severity: Severity::High,
    attack: &["T1562"],
    title: "More containers than the sensor can tell apart",
    meaning: "All slots are taken: further containers cannot be told from the host, and no rule sees what they do.",
    why: "An attacker may make cgroups to hide behind.",
    look_alikes: "Hosts with more than four thousand containers.",
    response: "Remove cgroups that nobody uses.",
};

pub(crate) static RECORDS_UNDECODABLE: Rule = Rule {
    id: "sensor.records_undecodable",
    class: Class::Sensor,
    severity: Severity::High,
    attack: &["T1562"],
    title: "Records of the sensor could not be read",
    meaning: "The daemon received bytes that are no record.",
    why: "Kernel half and daemon do not fit, or somebody tampers.",
    look_alikes: "None.",
    response: "Restart the agent; report the version.",
};

pub(crate) static WINDOWS_EXHAUSTED: Rule = Rule {
    id: "sensor.windows_exhausted",
    class: Class::Sensor,
    severity: Severity::Medium,
    attack: &["T1562"],
    title: "Alerts are no longer folded",
    meaning: "So many different alerts are open that repeats of further ones come singly.",
    why: "A flood of alerts hides the one that matters.",
    look_alikes: "None.",
    response: "Look at the container with the most alerts.",
};

/// Critical: a full spool drops the lowest severity first, and this is what must not be dropped.
pub(crate) static ALERTS_DROPPED: Rule = Rule {
    id: "sensor.alerts_dropped",
    class: Class::Sensor,
    severity: Severity::Critical,
    attack: &["T1562"],
    title: "Alerts were dropped, or a restart would drop them",
    meaning: "The spool is full, or its disk refuses; alerts of the lowest severity go first.",
    why: "What was dropped is gone; a flood of alerts is a way to hide one.",
    look_alikes: "A receiver that is down for long; a full or broken disk.",
    response: "See `agent status`: bring the sink or the disk back, or raise `spool.max_size_mib`.",
};
