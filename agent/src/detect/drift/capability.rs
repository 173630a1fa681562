//! Capabilities that the profile does not have the image use.

use super::profile::deviation;
use crate::detect::rules::drift;
use crate::detect::{Class, DetectContext, Finding};
use crate::event::Capable;

/// Of a capability that was used, where the profile says which are, and this is none of them.
pub(super) fn outside_profile(context: &DetectContext<'_>, used: &Capable) -> Option<Finding> {
    let profile = context.profile.filter(|profile| profile.judges(Class::Drift))?;
    // What is refused is no use of it.
    if profile.capability(used.capability)? || context.event.raw.header.ret != 0 {
        return None;
    }
    let name = used.name();
    let summary = format!(
        "{} in {} used {name}, which its profile does not name",
        context.actor(),
        context.container_name(),
    );
    let finding = Finding::new(&drift::CAPABILITY_OUTSIDE_PROFILE, name, summary);
    Some(deviation(context, profile, finding))
}

#[cfg(test)]
mod tests {
    use crate::detect::Severity;
    use crate::detect::testing::{Scene, scene};
    use crate::event::{Capable, Payload};

    const CHOWN: u32 = 0;
    const NET_BIND_SERVICE: u32 = 10;
    const SYS_CHROOT: u32 = 18;

    fn using(number: u32, mut scene: Scene) -> Vec<(&'static str, Severity)> {
        let used = Payload::Capable(Capable {
            capability: number,
            user_ns: 1,
        });
        let findings = scene.inspect(used);
        findings
            .iter()
            .map(|finding| (finding.rule.id, finding.severity))
            .collect()
    }

    fn web(profile: &str) -> Scene {
        scene("acme/app", "/app/server").with_profile(profile)
    }

    #[test]
    fn what_the_profile_does_not_name_is_found() {
        let profile = "capabilities: [{name: cap_net_bind_service}, {name: chown}]";
        let outside = [("drift.capability_outside_profile", Severity::Medium)];
        assert_eq!(using(SYS_CHROOT, web(profile)), outside);
        assert_eq!(using(SYS_CHROOT, web("capabilities: []")), outside, "none at all");
        let session = using(SYS_CHROOT, web(profile).attached());
        assert_eq!(session, [("drift.capability_outside_profile", Severity::Low)]);
    }

    #[test]
    fn what_is_named_or_not_described_is_no_finding() {
        let profile = "capabilities: [{name: cap_net_bind_service}, {name: chown}]";
        assert_eq!(using(NET_BIND_SERVICE, web(profile)), []);
        assert_eq!(using(CHOWN, web(profile)), []);
        assert_eq!(using(SYS_CHROOT, web("exec: [{path: /app/server}]")), []);
    }
}
