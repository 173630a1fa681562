//! Many programs that tell where one is, in short: who comes in looks around. Bounded per container.

use super::{finding, is_below_builder, profile};
use crate::detect::per_container::PerContainer;
use crate::detect::program::called;
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Scope};
use crate::event::{BootTime, Exec};
use std::time::Duration;

/// Programs within this time belong together.
const WINDOW: Duration = Duration::from_secs(60);
/// Different programs that make a look around.
const THRESHOLD: usize = 5;
const PROGRAMS: [&str; 31] = [
    "id", "whoami", "groups", "logname", "uname", "hostname", "arch", "ps", "pstree", "top", "ip",
    "ifconfig", "ss", "netstat", "route", "arp", "mount", "findmnt", "df", "lsblk", "env", "printenv",
    "capsh", "find", "w", "who", "last", "nproc", "lscpu", "dmesg", "getent",
];

/// What a container executed of them lately: each once, so there are never more than there are programs.
pub(super) type Discoveries = Vec<(BootTime, &'static str)>;

/// Counts a program; the finding when it is one of many.
pub(super) fn note(
    discoveries: &mut PerContainer<Discoveries>,
    context: &DetectContext<'_>,
    exec: &Exec,
) -> Option<Finding> {
    let name = called(&context.event.process);
    let program = PROGRAMS
        .iter()
        .copied()
        .find(|known| known.as_bytes() == name.as_slice())?;
    let expected = is_below_builder(context) || profile::executes(context, exec) == Some(true);
    if context.scope != Scope::All || expected {
        return None;
    }
    let seen = discoveries.note(context)?;
    let now = context.time();
    seen.retain(|(time, known)| now.since(*time) < WINDOW && *known != program);
    seen.push((now, program));
    let programs: Vec<&str> = seen.iter().map(|(_, program)| *program).collect();
    (programs.len() >= THRESHOLD).then(|| found(context, programs))
}

fn found(context: &DetectContext<'_>, programs: Vec<&str>) -> Finding {
    let (count, seconds) = (programs.len(), WINDOW.as_secs());
    let did =
        format!("is one of {count} programs within {seconds} s that tell of users, processes and networks");
    finding(context, &drift::DISCOVERY_BURST, "discovery", &did)
        .with("programs", programs)
        .with("window_seconds", seconds)
}

#[cfg(test)]
mod tests {
    use crate::detect::Severity;
    use crate::detect::testing::{SECOND, Scene, process, scene};
    use crate::event::Payload;

    fn by(below: &[&str]) -> Scene {
        scene("acme/app", "/bin/true").below(below)
    }

    /// How many findings the programs made, one executed each `step` seconds.
    fn looking(scene: &mut Scene, step: u64, programs: &[&str]) -> usize {
        let mut findings = Vec::new();
        for program in programs {
            scene.exe = process(&format!("/usr/bin/{program}"));
            scene.now_ns += step * SECOND;
            let exec = scene.exec();
            findings.extend(scene.inspect(Payload::Exec(exec)));
        }
        let found = findings
            .iter()
            .filter(|finding| finding.rule.id == "drift.discovery_burst");
        assert!(
            found
                .clone()
                .all(|finding| finding.severity == Severity::Medium && finding.object == "discovery")
        );
        found.count()
    }

    const LOOK: [&str; 6] = ["id", "whoami", "uname", "hostname", "ps", "df"];

    #[test]
    fn five_different_programs_within_a_minute_are_a_look_around() {
        assert_eq!(looking(&mut by(&["/bin/bash"]), 1, &LOOK), 2, "the fifth, and on");
        let mixed = ["ss", "ip", "mount", "env", "capsh"];
        assert_eq!(looking(&mut by(&["/usr/bin/python3"]), 10, &mixed), 1);
    }

    #[test]
    fn few_or_slow_or_the_same_ones_are_none() {
        assert_eq!(looking(&mut by(&["/bin/bash"]), 1, &LOOK[..4]), 0);
        assert_eq!(looking(&mut by(&["/bin/bash"]), 20, &LOOK), 0, "one each 20 s");
        let health = ["id", "id", "df", "id", "df", "id", "df"];
        assert_eq!(looking(&mut by(&["/bin/bash"]), 1, &health), 0);
        assert_eq!(
            looking(&mut by(&["/usr/bin/make", "/bin/bash"]), 1, &LOOK),
            0,
            "a build"
        );
        let known = "state: complete\nexec: [{path: /usr/bin/*}]";
        assert_eq!(looking(&mut by(&["/bin/bash"]).with_profile(known), 1, &LOOK), 0);
    }

    #[test]
    fn a_container_that_is_gone_leaves_nothing() {
        let mut scene = by(&["/bin/bash"]);
        looking(&mut scene, 1, &LOOK);
        assert!(scene.detectors.kept() > 0);
        scene.detectors.forget(crate::detect::testing::OWN);
        assert_eq!(scene.detectors.kept(), 0);
    }
}
