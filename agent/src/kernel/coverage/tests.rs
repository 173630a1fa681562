use super::*;

fn report(capability: Capability, backend: Option<Backend>) -> CapabilityReport {
    CapabilityReport {
        capability,
        backend,
        trust: Trust::RESOLVED,
        reason_not_better: None,
        programs: Vec::new(),
        left_out: Vec::new(),
    }
}

fn row(reports: &[CapabilityReport], name: &str) -> Coverage {
    let rows = coverage(reports);
    *rows.iter().find(|row| row.behaviour == name).unwrap()
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = behaviours().map(|behaviour| behaviour.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), behaviours().count());
}

#[test]
fn what_is_not_attached_is_blind() {
    let found = row(&[report(Capability::FileOpen, None)], "open");
    assert_eq!((found.backend, found.sight), (None, Sight::Blind));
}

#[test]
fn each_backend_shows_what_the_table_says() {
    let lsm = row(
        &[report(Capability::FileOpen, Some(Backend::Lsm))],
        "open_io_uring",
    );
    assert_eq!((lsm.backend, lsm.sight), (Some("lsm"), Sight::Resolved));
    let module = report(Capability::Module, Some(Backend::Tracepoint));
    assert_eq!(row(&[module], "module_data").sight, Sight::Arguments);
}

#[test]
fn without_the_program_that_shows_it_a_behaviour_is_blind_unless_the_kernel_never_does_it() {
    let lacking = |reason: Option<&str>| {
        let mut module = report(Capability::Module, Some(Backend::Tracepoint));
        module.left_out = vec![LeftOut {
            program: "module_request",
            reason: reason.map(str::to_owned),
        }];
        row(&[module.clone()], "module").sight == Sight::Racy
            && row(&[module], "module_autoload").sight == Sight::Absent
    };
    assert!(lacking(None));
    assert!(!lacking(Some("refused")));
}

#[test]
fn a_weaker_program_shows_less() {
    let mut listen = report(Capability::Listen, Some(Backend::Tracepoint));
    assert_eq!(row(&[listen.clone()], "listen_unbound").sight, Sight::Resolved);
    listen.programs = vec!["tcp_listen", "exit_listen"];
    assert_eq!(row(&[listen.clone()], "listen_unbound").sight, Sight::Racy);
    assert_eq!(row(&[listen], "listen").sight, Sight::Resolved);
}

#[test]
fn by_tracepoints_rings_are_seen_by_their_own() {
    let open = report(Capability::FileOpen, Some(Backend::Tracepoint));
    let ring = report(Capability::IoUring, Some(Backend::Tracepoint));
    assert_eq!(
        row(&[open.clone(), ring], "open_io_uring").sight,
        Sight::Arguments
    );
    assert_eq!(
        row(std::slice::from_ref(&open), "open_io_uring").sight,
        Sight::Blind
    );
    assert_eq!(row(&[open], "open").sight, Sight::Racy);
}
