//! Whether the programs are still where they were put. procfs shows of each link of ours what it holds: aya hands out neither its descriptor
//! nor the cgroup.
//!
//! Links of tracing programs cannot be detached by others. Those to a cgroup can, and their program can be replaced.

use std::collections::BTreeMap;

/// A link of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    descriptor: String,
    program: String,
    held: Held,
}

/// What a link to a cgroup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    link: u64,
    program: u64,
    /// 0 when it was detached.
    cgroup: u64,
}

/// Links to a cgroup, as they were when the programs had been attached.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    /// Those of this process whose program is one of `programs`: name by id.
    pub(super) fn read(programs: &BTreeMap<u64, String>) -> Self {
        let entries = std::fs::read_dir("/proc/self/fdinfo").into_iter().flatten();
        let descriptors = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let link = |descriptor: String| {
            let held = held(&descriptor)?;
            let program = programs.get(&held.program)?.clone();
            Some(Link {
                descriptor,
                program,
                held,
            })
        };
        Self(descriptors.filter_map(link).collect())
    }

    /// The same with what was attached anew. What is still lost stays known.
    pub(super) fn renewed(&self, now: Self) -> Self {
        let lost = self.lost();
        let missing = |link: &&Link| {
            lost.contains(&link.program) && !now.0.iter().any(|found| found.program == link.program)
        };
        let missing: Vec<Link> = self.0.iter().filter(missing).cloned().collect();
        Self(now.0.into_iter().chain(missing).collect())
    }

    /// Without those of programs that were unloaded.
    pub(super) fn of(mut self, programs: &BTreeMap<u64, String>) -> Self {
        self.0
            .retain(|link| programs.values().any(|name| *name == link.program));
        self
    }

    /// Programs whose link was detached, replaced, or given another program.
    pub(super) fn lost(&self) -> Vec<String> {
        let lost = |link: &&Link| held(&link.descriptor).as_ref() != Some(&link.held);
        self.0
            .iter()
            .filter(lost)
            .map(|link| link.program.clone())
            .collect()
    }
}

/// Program and descriptor of each link of ours to one of `programs`, also of those that others cannot detach.
pub(super) fn descriptors(programs: &BTreeMap<u64, String>) -> Vec<(String, u32)> {
    let entries = std::fs::read_dir("/proc/self/fdinfo").into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let link = |descriptor: String| {
        let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?;
        let program = programs.get(&linked(&text)?)?.clone();
        Some((program, descriptor.parse().ok()?))
    };
    names.filter_map(link).collect()
}

/// The program of a link, whatever it is a link to.
fn linked(text: &str) -> Option<u64> {
    value(text, "link_id").and_then(|_| value(text, "prog_id"))
}

fn held(descriptor: &str) -> Option<Held> {
    parse(&std::fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).ok()?)
}

/// Lines `name:\tvalue`; `None`: no link, or one to something else.
fn parse(text: &str) -> Option<Held> {
    Some(Held {
        link: value(text, "link_id")?,
        program: value(text, "prog_id")?,
        cgroup: value(text, "cgroup_id")?,
    })
}

fn value(text: &str, name: &str) -> Option<u64> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(field, _)| *field == name)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_what_it_holds() {
        let text = "pos:\t0\nlink_type:\tcgroup\nlink_id:\t7\nprog_tag:\tab\nprog_id:\t41\ncgroup_id:\t1\nattach_type:\t14\n";
        let attached = parse(text).unwrap();
        assert_eq!((attached.link, attached.program, attached.cgroup), (7, 41, 1));
        let detached = parse(&text.replace("cgroup_id:\t1", "cgroup_id:\t0")).unwrap();
        assert_ne!(detached, attached);
    }

    #[test]
    fn other_descriptors_are_no_links() {
        assert_eq!(parse("pos:\t0\nflags:\t02\n"), None);
        let tracing = "link_type:\ttracing\nlink_id:\t9\nprog_id:\t42\n";
        assert_eq!(parse(tracing), None, "nobody else can detach it");
        assert_eq!(linked(tracing), Some(42), "and yet it can be kept");
        assert_eq!(linked("prog_type:\t26\nprog_id:\t41\n"), None);
        assert_eq!(parse("prog_type:\t26\nprog_id:\t41\n"), None);
        assert!(Links::read(&BTreeMap::new()).lost().is_empty());
    }
}
