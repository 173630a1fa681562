//! Lineage entries, read from the kernel's map on demand.

use super::error::KernelError;
use super::seed;
use crate::event::ExecId;
use crate::process::LineageReader;
use agent_common::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_PATH, LINEAGE_TEXT};
use agent_common::lineage::{LineageEntry, LineageFlags, LineageHead, LongLineage, Seed, ShortLineage};
use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use zerocopy::FromZeros;

/// Reader of the lineage maps.
#[derive(Debug)]
pub struct KernelLineage {
    entries: HashMap<MapData, u64, ShortLineage>,
    /// Of those whose text is cut there.
    long: HashMap<MapData, u64, LongLineage>,
    seed: HashMap<MapData, u32, Seed>,
}

impl KernelLineage {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            entries: super::map(ebpf, "LINEAGE", HashMap::try_from)?,
            long: super::map(ebpf, "LONG_LINEAGE", HashMap::try_from)?,
            seed: super::map(ebpf, "SEED", HashMap::try_from)?,
        })
    }

    /// Adds a process that ran before the sensor; false when the maps have no room.
    pub(super) fn plant(&mut self, exec_id: u64, entry: &LineageEntry) -> bool {
        let seed = Seed {
            exec_id,
            uid: entry.head.uid,
            reserved: 0,
        };
        self.insert(exec_id, entry).is_ok() && self.seed.insert(entry.head.tgid, seed, 0).is_ok()
    }

    fn insert(&mut self, exec_id: u64, entry: &LineageEntry) -> Result<(), MapError> {
        let mut long = packed(entry);
        if long.head.text_len() > u32::from(LINEAGE_TEXT) {
            self.long.insert(exec_id, long, 0)?;
            long.head.fit(LINEAGE_TEXT);
        }
        let mut short = ShortLineage {
            head: long.head,
            text: [0; LINEAGE_TEXT as usize],
        };
        short
            .text
            .copy_from_slice(&long.text[..usize::from(LINEAGE_TEXT)]);
        self.entries.insert(exec_id, short, 0)
    }

    pub(super) fn is_planted(&self, tgid: u32) -> bool {
        self.seed.get(&tgid, 0).is_ok()
    }
}

impl LineageReader for KernelLineage {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        let short = self.entries.get(&exec_id.0, 0).ok()?;
        let long = short.head.is_cut().then(|| self.long.get(&exec_id.0, 0).ok());
        let unpack = |long: LongLineage| unpacked(&long.head, &long.text);
        let mut entry = long
            .flatten()
            .map_or_else(|| unpacked(&short.head, &short.text), unpack);
        if entry.head.flags & LineageFlags::ARGS_IN_PROCFS != 0 {
            seed::add_arguments(&mut entry);
        }
        Some(entry)
    }
}

/// As the kernel keeps it.
fn packed(entry: &LineageEntry) -> LongLineage {
    let mut long = LongLineage::new_zeroed();
    long.head = entry.head;
    let strings: [(&[u8], u16); 3] = [
        (&entry.path, entry.head.path_len),
        (&entry.args, entry.head.args_len),
        (&entry.cwd, entry.head.cwd_len),
    ];
    let text = strings
        .iter()
        .flat_map(|(text, len)| text.iter().take(usize::from(*len)));
    long.text.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    long
}

/// Total: lengths that the kernel says are not trusted.
fn unpacked(head: &LineageHead, text: &[u8]) -> LineageEntry {
    let mut entry = LineageEntry::new_zeroed();
    entry.head = *head;
    let (path, rest) = text.split_at(text.len().min(head.path_len.into()).min(LINEAGE_PATH));
    let (args, rest) = rest.split_at(rest.len().min(head.args_len.into()).min(LINEAGE_ARGS));
    let cwd = &rest[..rest.len().min(head.cwd_len.into()).min(LINEAGE_CWD)];
    entry.path[..path.len()].copy_from_slice(path);
    entry.args[..args.len()].copy_from_slice(args);
    entry.cwd[..cwd.len()].copy_from_slice(cwd);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    fn entry(lengths: [u16; 3]) -> LineageEntry {
        let mut entry = LineageEntry::new_zeroed();
        (entry.head.parent, entry.head.tgid) = (7, 42);
        [entry.head.path_len, entry.head.args_len, entry.head.cwd_len] = lengths;
        let [path, args, cwd] = lengths.map(usize::from);
        entry.path[..path].fill(b'p');
        entry.args[..args].fill(b'a');
        entry.cwd[..cwd].fill(b'c');
        entry
    }

    #[test]
    fn an_entry_is_the_same_when_it_was_packed() {
        for lengths in [[9, 20, 1], [256, 256, 128], [0, 0, 0], [0, 256, 5]] {
            let entry = entry(lengths);
            let long = packed(&entry);
            assert_eq!(unpacked(&long.head, &long.text).as_bytes(), entry.as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_from_the_end_and_said() {
        let mut long = packed(&entry([100, 60, 20]));
        long.head.fit(168);
        let short = unpacked(&long.head, &long.text[..168]);
        assert_eq!(
            (short.head.path_len, short.head.args_len, short.head.cwd_len),
            (100, 60, 8)
        );
        assert_eq!(short.head.flags, LineageFlags::CWD_TRUNCATED);
        assert_eq!(&short.cwd[..9], b"cccccccc\0");
        long.head.fit(80);
        assert_eq!((long.head.path_len, long.head.text_len()), (80, 80));
        assert!(long.head.is_cut());
    }

    #[test]
    fn lengths_are_not_trusted() {
        let mut long = packed(&entry([1, 1, 1]));
        (long.head.path_len, long.head.cwd_len) = (u16::MAX, u16::MAX);
        assert_eq!(unpacked(&long.head, &long.text).path[0], b'p');
        assert_eq!(unpacked(&long.head, &[]).path[0], 0);
    }
}
