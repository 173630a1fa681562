//! Symbolic links that containers made. Where no hook on objects loads, a name is known as it was asked for; below such a link it
//! stands in the folder that the link leads to.

use crate::event::{KernelString, Name, Payload, RawEvent, SlotKey, Trust};
use lru::LruCache;
use std::collections::VecDeque;
use std::num::NonZeroUsize;

/// Containers whose links are remembered, the latest.
const CONTAINERS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
/// Links of each, the latest.
const LINKS: usize = 16;
/// What is longer is not remembered, bytes.
const LONGEST: usize = 256;
/// Links that lead to links.
const STEPS: usize = 8;

/// Links by container.
#[derive(Debug)]
pub(super) struct Links {
    containers: LruCache<SlotKey, VecDeque<Link>>,
}

#[derive(Debug)]
struct Link {
    path: KernelString,
    target: KernelString,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            containers: LruCache::new(CONTAINERS),
        }
    }
}

impl Links {
    /// Follows known links in what the record names, and remembers the one that it makes.
    pub(super) fn follow(&mut self, raw: &mut RawEvent) {
        let Some(container) = raw.slot() else { return };
        if raw.header.flags.trust() == Trust::ARGUMENTS
            && let Some(links) = self.containers.get(&container)
        {
            asked(&mut raw.payload)
                .into_iter()
                .for_each(|path| resolve(links, path));
        }
        if let Payload::Symlink(made) = &raw.payload
            && raw.header.ret >= 0
        {
            self.remember(container, made);
        }
    }

    fn remember(&mut self, container: SlotKey, made: &Name) {
        let folder = parent(&made.new_path);
        let target = made.path.resolved_in(&folder);
        let short = target.bytes.len().max(made.new_path.bytes.len()) <= LONGEST;
        if !short || target.truncated || made.new_path.truncated {
            return;
        }
        let links = self.containers.get_or_insert_mut(container, VecDeque::new);
        links.retain(|link| link.path != made.new_path);
        if links.len() == LINKS {
            links.pop_front();
        }
        links.push_back(Link {
            path: made.new_path.clone(),
            target,
        });
    }
}

/// The paths of a record that were asked for. The text of a link is none of them.
fn asked(payload: &mut Payload) -> Vec<&mut KernelString> {
    match payload {
        Payload::Unlink(name) | Payload::Rename(name) | Payload::Link(name) => {
            vec![&mut name.path, &mut name.new_path]
        }
        Payload::Symlink(name) => vec![&mut name.new_path],
        Payload::Setattr(change) => vec![&mut change.path],
        Payload::FileOpen(open) => vec![&mut open.path],
        Payload::Mknod(made) => vec![&mut made.path],
        _ => Vec::new(),
    }
}

fn resolve(links: &VecDeque<Link>, path: &mut KernelString) {
    for _ in 0..STEPS {
        let below = links.iter().rev().find_map(|link| link.below(path));
        match below {
            Some(resolved) => *path = resolved,
            None => return,
        }
    }
}

impl Link {
    /// `None`: the path does not lead through it.
    fn below(&self, path: &KernelString) -> Option<KernelString> {
        let rest = path.bytes.strip_prefix(self.path.bytes.as_slice())?;
        let rest = rest.strip_prefix(b"/").filter(|rest| !rest.is_empty())?;
        let mut rest = KernelString::from(rest);
        rest.truncated = path.truncated;
        Some(rest.resolved_in(&self.target))
    }
}

fn parent(path: &KernelString) -> KernelString {
    let end = path.bytes.len() - path.file_name().len();
    KernelString::from(&path.bytes[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventHeader, FileObject, RecordFlags};
    use zerocopy::FromZeros;

    fn name(path: &str, new_path: &str) -> Name {
        Name {
            file: FileObject::default(),
            directory: FileObject::default(),
            rename_flags: 0,
            path: path.into(),
            new_path: new_path.into(),
            fs_path: KernelString::default(),
        }
    }

    fn trusted(trust: Trust) -> RecordFlags {
        RecordFlags(trust.0 << RecordFlags::TRUST_SHIFT)
    }

    fn record(slot: u32, payload: Payload) -> RawEvent {
        let mut header = EventHeader::new_zeroed();
        (header.slot, header.generation) = (slot, 1);
        header.flags = trusted(Trust::ARGUMENTS);
        RawEvent { header, payload }
    }

    /// The names of a rename after the links were made.
    fn renamed(links: &[(&str, &str)], path: &str, new_path: &str) -> (String, String) {
        let mut known = Links::default();
        for (text, link) in links {
            known.follow(&mut record(3, Payload::Symlink(name(text, link))));
        }
        let mut moved = record(3, Payload::Rename(name(path, new_path)));
        known.follow(&mut moved);
        let Payload::Rename(moved) = moved.payload else {
            unreachable!("a rename")
        };
        (moved.path.to_text(), moved.new_path.to_text())
    }

    #[test]
    fn a_name_below_a_link_stands_where_the_link_leads() {
        for (text, link) in [("/etc", "/tmp/e"), ("../etc", "/tmp/e"), ("/etc/", "/tmp/e")] {
            let (_, placed) = renamed(&[(text, link)], "/tmp/p", "/tmp/e/cron.d/x");
            assert_eq!(placed, "/etc/cron.d/x", "{text}");
        }
        let chain = [("/etc", "/tmp/a"), ("/tmp/a", "/tmp/b")];
        let both = renamed(&chain, "/tmp/b/passwd", "/tmp/b/cron.d/x");
        assert_eq!(both, ("/etc/passwd".to_owned(), "/etc/cron.d/x".to_owned()));
        let anew = [("/srv", "/tmp/e"), ("/etc", "/tmp/e")];
        assert_eq!(renamed(&anew, "/tmp/p", "/tmp/e/x").1, "/etc/x");
    }

    #[test]
    fn other_names_are_left_as_they_are() {
        let links = [("/etc", "/tmp/e"), ("/tmp/d", "/tmp/c"), ("/tmp/c", "/tmp/d")];
        for path in ["/tmp/e", "/tmp/ee/x", "/srv/tmp/e/x"] {
            assert_eq!(renamed(&links, "/p", path).1, path);
        }
        renamed(&links, "/p", "/tmp/c/x");
    }

    #[test]
    fn links_are_those_of_their_container_and_few() {
        let mut known = Links::default();
        known.follow(&mut record(3, Payload::Symlink(name("/etc", "/tmp/e"))));
        let mut resolved = record(3, Payload::Unlink(name("/tmp/e/passwd", "")));
        resolved.header.flags = trusted(Trust::RESOLVED);
        for mut other in [record(4, Payload::Unlink(name("/tmp/e/passwd", ""))), resolved] {
            known.follow(&mut other);
            assert!(matches!(other.payload, Payload::Unlink(name) if name.path == "/tmp/e/passwd".into()));
        }
        for number in 0..100 {
            let link = format!("/tmp/{number}");
            known.follow(&mut record(3, Payload::Symlink(name("/etc", &link))));
        }
        let links = known
            .containers
            .peek(&SlotKey {
                slot: 3,
                generation: 1,
            })
            .unwrap();
        assert_eq!(links.len(), LINKS);
        let failed = &mut record(5, Payload::Symlink(name("/etc", "/tmp/e")));
        failed.header.ret = -17;
        known.follow(failed);
        assert_eq!(known.containers.len(), 1);
    }
}
