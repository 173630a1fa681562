//! Rules of class `sensor`: the agent's own blind spots.

use crate::detect::{Class, Rule, Severity};

pub(super) static ALL: &[&Rule] = &[
    &EVENTS_LOST,
    &EVENTS_SKIPPED,
    &TAMPERED,
    &BLIND,
    &BOOKS_UNBALANCED,
    &CAPABILITY_DEGRADED,
    &SLOTS_EXHAUSTED,
    &RECORDS_UNDECODABLE,
    &WINDOWS_EXHAUSTED,
    &ALERTS_DROPPED,
    &SINK_TEST,
];

pub(crate) static EVENTS_LOST: Rule = Rule {
    id: "sensor.events_lost",
    class: Class::Sensor,
    severity: Severity::High,
    attack: &["T1562"],
    title: "Events of a container were lost",
    meaning: "The kernel half could not hand over everything that the container did. The reasons: `quota`, the container used up its \
        share of a ring; `ring_full`; `scratch_busy`; `unreadable`, a kernel structure had an unexpected shape.",
    why: "What is missing may be the attack; flooding is a way to hide.",
    look_alikes: "Very many different behaviours at once, as in builds.",
    response: "See the container's figures with `agent status --container ID`.",
};

pub(crate) static EVENTS_SKIPPED: Rule = Rule {
    id: "sensor.events_skipped",
    class: Class::Sensor,
    severity: Severity::Medium,
    attack: &["T1562"],
    title: "The kernel skipped runs of a program",
    meaning: "A kernel program was to run while it ran on the same CPU already; the kernel skips such runs. No books hold what they \
        would have seen.",
    why: "What was skipped may be the attack.",
    look_alikes: "Interrupts and preemption on a machine under heavy load.",
    response: "Watch `vigia_bpf_program_skipped_total`; report kernel version and program when it keeps growing.",
};

pub(crate) static TAMPERED: Rule = Rule {
    id: "sensor.tampered",
    class: Class::Sensor,
    severity: Severity::Critical,
    attack: &["T1562.001"],
    title: "Somebody else changed the sensor",
    meaning: "A program of the agent was detached from its place or replaced there, or an entry that only the agent writes was changed. \
        It was put right unless the alert says otherwise. Maps that only kernel programs write cannot be changed by others.",
    why: "Whoever does so has root on the host, and wants not to be seen.",
    look_alikes: "Tools that detach BPF programs of all owners.",
    response: "Treat the host as compromised: find out who may call bpf(2) there. What happened in between may not have been seen.",
};

pub(crate) static BLIND: Rule = Rule {
    id: "sensor.blind",
    class: Class::Sensor,
    severity: Severity::Critical,
    attack: &["T1562.001"],
    title: "The kernel programs do not answer",
    meaning: "Every few seconds the agent makes a system call that its programs on bpf(2) answer over the ring of alerts. Answers \
        failed to come twice in a row.",
    why: "Nothing that containers do may be seen.",
    look_alikes: "A machine so busy that the agent does not get to read its rings.",
    response: "See `agent status`; restart the agent. If that does not help, report kernel version and `agent check`.",
};

pub(crate) static BOOKS_UNBALANCED: Rule = Rule {
    id: "sensor.books_unbalanced",
    class: Class::Sensor,
    severity: Severity::High,
    attack: &["T1562"],
    title: "Events disappeared without being counted",
    meaning: "Of every event it is counted what became of it, in the kernel and in the agent. The figures do not add up.",
    why: "Somebody reads or moves the sensor's rings, or changes its counters; or the agent has an error.",
    look_alikes: "None.",
    response: "See `agent status`; find out who else uses bpf(2) on the host; report the figures.",
};

pub(crate) static CAPABILITY_DEGRADED: Rule = Rule {
    id: "sensor.capability_degraded",
    class: Class::Sensor,
    severity: Severity::Medium,
    attack: &["T1562"],
    title: "The sensor sees less than it should",
    meaning: "When the agent started, a program could not be attached; the capability is named.",
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
    meaning: "All slots are taken: further containers share one. Rules that hold for every image go on there, but their alerts \
        name no container, and what one of them did first is a repeat when another does it.",
    why: "An attacker may make cgroups to hide behind.",
    look_alikes: "Hosts with more than four thousand containers.",
    response: "Remove cgroups that nobody uses; containers that share a slot get their own when they start again.",
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

pub(crate) static SINK_TEST: Rule = Rule {
    id: "sensor.sink_test",
    class: Class::Sensor,
    severity: Severity::Info,
    attack: &[],
    title: "A test of a sink",
    meaning: "Somebody asked `agent sink test` to send an alert. Nothing happened.",
    why: "It shows that alerts arrive.",
    look_alikes: "None.",
    response: "None.",
};
