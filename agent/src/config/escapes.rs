//! Which containers are excepted from the denial of escapes.

use super::raw::RawEnforcement;
use super::validate::Problem;
use crate::profile::Matching;
use std::str::FromStr;

/// Patterns of one kind that are looked at for each container.
const MAX_PATTERNS: usize = 1_000;

/// `None`: escapes are not denied.
pub(super) fn escapes(raw: &RawEnforcement) -> Result<Option<Matching>, Problem> {
    let exceptions = Matching {
        images: patterns("images", &raw.escapes.except.images)?,
        cgroups: patterns("cgroups", &raw.escapes.except.cgroups)?,
        ..Matching::default()
    };
    if !raw.escapes.deny {
        return Ok(None);
    }
    if !raw.enabled {
        return Err(Problem::new(
            "enforcement.escapes.deny",
            "nothing is denied while `enforcement.enabled` is false",
            "write `enabled: true` beside it, or `deny: false`",
        ));
    }
    Ok(Some(exceptions))
}

fn patterns<T: FromStr<Err = String>>(kind: &str, written: &[String]) -> Result<Vec<T>, Problem> {
    let path = format!("enforcement.escapes.except.{kind}");
    if written.len() > MAX_PATTERNS {
        return Err(Problem::new(
            &path,
            format!("{} patterns are more than {MAX_PATTERNS}", written.len()),
            "write fewer, with `*`",
        ));
    }
    let pattern = |(at, text): (usize, &String)| {
        text.parse().map_err(|reason: String| {
            let help = "write it as a profile's `match` does: docs/profiles.md";
            Problem::new(&format!("{path}.{at}"), reason, help)
        })
    };
    written.iter().enumerate().map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::{RawEscapes, RawExcept};
    use crate::config::yaml::Segment;
    use crate::container::{ContainerMetadata, ImageRef, Metadata};
    use crate::detect::testing;
    use std::sync::Arc;

    fn written(enabled: bool, deny: bool, images: &[&str], cgroups: &[&str]) -> RawEnforcement {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RawEnforcement {
            enabled,
            escapes: RawEscapes {
                deny,
                except: RawExcept {
                    images: owned(images),
                    cgroups: owned(cgroups),
                },
            },
            ..RawEnforcement::default()
        }
    }

    #[test]
    fn off_by_default_and_never_without_enforcement() {
        assert_eq!(escapes(&RawEnforcement::default()), Ok(None));
        assert_eq!(escapes(&written(true, false, &["nginx"], &[])), Ok(None));
        let problem = escapes(&written(false, true, &[], &[])).unwrap_err();
        assert!(problem.reason.contains("enforcement.enabled"), "{problem:?}");
        assert!(escapes(&written(true, true, &[], &[])).unwrap().is_some());
    }

    #[test]
    fn a_wrong_pattern_is_named_where_it_stands() {
        let problem = escapes(&written(true, true, &["nginx", "a@sha256:1"], &[])).unwrap_err();
        assert_eq!(problem.path.last(), Some(&Segment::Index(1)));
        let problem = escapes(&written(true, true, &[], &["machine.slice"])).unwrap_err();
        assert!(problem.reason.contains("no absolute path"), "{problem:?}");
        let many = vec!["nginx"; MAX_PATTERNS + 1];
        assert!(escapes(&written(true, true, &many, &[])).is_err());
    }

    #[test]
    fn containers_are_excepted_by_image_or_control_group() {
        let except = written(true, true, &["acme/cni:*"], &["/machine.slice/**"]);
        let exceptions = escapes(&except).unwrap().unwrap();
        let container = |reference: &str, cgroup: &str| {
            let image = ImageRef {
                reference: reference.to_owned(),
                ..ImageRef::default()
            };
            let known = ContainerMetadata {
                image,
                ..ContainerMetadata::default()
            };
            let mut container = Arc::unwrap_or_clone(testing::container(3, "box", known));
            container.cgroup = cgroup.to_owned();
            container
        };
        assert!(exceptions.covers(&container("acme/cni:2", "/docker/1")));
        assert!(exceptions.covers(&container("acme/web:1", "/machine.slice/a/b")));
        assert!(!exceptions.covers(&container("acme/web:1", "/docker/1")));
        let mut unknown = container("acme/cni:2", "/docker/1");
        unknown.metadata = Metadata::Pending;
        assert!(!exceptions.covers(&unknown), "not before its name is known");
    }
}
