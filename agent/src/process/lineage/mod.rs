//! [`Lineage`]: exec id → process, and the chain of its ancestors. A bounded cache before the kernel's map.

use super::{ExecSession, LineageReader, Process};
use crate::event::{BootTime, Exec, ExecId, KernelString, RawEvent, RecordFlags, SlotKey};
use agent_common::limits::MAX_ANCESTORS;
use agent_common::lineage::{LineageEntry, LineageFlags};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Processes kept: some 500 bytes each.
const CACHED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

/// A process's ancestors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chain {
    /// Parent first.
    pub ancestors: Vec<Arc<Process>>,
    pub completeness: Completeness,
}

/// Whether a chain reaches the host's init.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Completeness {
    Complete,
    /// An ancestor was evicted, is older than the sensor, or lies beyond [`MAX_ANCESTORS`].
    #[default]
    Truncated,
}

/// Lookups and what they found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineageStats {
    pub cached: usize,
    /// Entries read from the kernel's map.
    pub read: u64,
    /// Exec ids that the kernel's map no longer had.
    pub missing: u64,
    /// Chains that led back to themselves: ids are hostile or the map is damaged.
    pub cycles: u64,
}

/// Bounded cache of processes by exec id.
#[derive(Debug)]
pub struct Lineage {
    cache: lru::LruCache<ExecId, Arc<Process>>,
    stats: LineageStats,
}

impl Default for Lineage {
    fn default() -> Self {
        Self::new(CACHED)
    }
}

impl Lineage {
    /// A cache of `capacity` processes.
    #[must_use]
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            cache: lru::LruCache::new(capacity),
            stats: LineageStats::default(),
        }
    }

    /// Keeps the new image of an EXEC record: its strings are longer than those in the kernel's map.
    pub fn remember(&mut self, process: Arc<Process>) {
        if process.exec_id != ExecId::NONE {
            self.cache.put(process.exec_id, process);
        }
    }

    /// The process of `exec_id`, read from the kernel's map on a miss.
    pub fn get(&mut self, exec_id: ExecId, reader: &mut dyn LineageReader) -> Option<Arc<Process>> {
        if exec_id == ExecId::NONE {
            return None;
        }
        if let Some(process) = self.cache.get(&exec_id) {
            return Some(Arc::clone(process));
        }
        let Some(entry) = reader.read(exec_id) else {
            self.stats.missing += 1;
            return None;
        };
        self.stats.read += 1;
        let process = Arc::new(from_entry(exec_id, &entry));
        self.cache.put(exec_id, Arc::clone(&process));
        Some(process)
    }

    /// The ancestors of `process`, at most [`MAX_ANCESTORS`].
    pub fn chain(&mut self, process: &Process, reader: &mut dyn LineageReader) -> Chain {
        let mut chain = Chain::default();
        let mut visited = vec![process.exec_id];
        let (mut next, mut last_pid) = (process.parent, process.host_pid);
        while chain.ancestors.len() < MAX_ANCESTORS {
            if next == ExecId::NONE {
                chain.completeness = ended_at(last_pid);
                return chain;
            }
            if visited.contains(&next) {
                self.stats.cycles += 1;
                return chain;
            }
            let Some(ancestor) = self.get(next, reader) else {
                return chain;
            };
            visited.push(next);
            (next, last_pid) = (ancestor.parent, ancestor.host_pid);
            chain.ancestors.push(ancestor);
        }
        if next == ExecId::NONE {
            chain.completeness = ended_at(last_pid);
        }
        chain
    }

    /// Processes that the cache can hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.cache.cap().get()
    }

    /// Sizes and misses.
    #[must_use]
    pub fn stats(&self) -> LineageStats {
        LineageStats {
            cached: self.cache.len(),
            ..self.stats
        }
    }
}

/// Only init has no parent; any other end is an ancestor that is not known.
fn ended_at(host_pid: u32) -> Completeness {
    if host_pid == 1 {
        Completeness::Complete
    } else {
        Completeness::Truncated
    }
}

/// The process that a lineage entry describes. Total: lengths in the entry are not trusted.
#[must_use]
pub fn from_entry(exec_id: ExecId, entry: &LineageEntry) -> Process {
    Process {
        exec_id,
        parent: ExecId(entry.head.parent),
        host_pid: entry.head.tgid,
        pid: entry.head.ns_tgid,
        start: BootTime(entry.head.start_boot_ns),
        uid: entry.head.uid,
        slot: slot_key(entry.head.slot, entry.head.generation),
        file: entry.head.file,
        exe: text(
            &entry.path,
            entry.head.path_len,
            entry.head.flags & LineageFlags::PATH_TRUNCATED,
        ),
        args: text(
            &entry.args,
            entry.head.args_len,
            entry.head.flags & LineageFlags::ARGS_TRUNCATED,
        ),
        cwd: text(
            &entry.cwd,
            entry.head.cwd_len,
            entry.head.flags & LineageFlags::CWD_TRUNCATED,
        ),
        exec_session: session(entry.head.flags & LineageFlags::EXEC_SESSION),
    }
}

/// The image that an EXEC record reports, with strings of full length.
#[must_use]
pub fn from_exec(event: &RawEvent, exec: &Exec) -> Process {
    let header = &event.header;
    Process {
        exec_id: event.exec_id(),
        parent: exec.parent,
        host_pid: header.tgid,
        pid: header.ns_tgid,
        start: BootTime(header.start_boot_ns),
        uid: header.uid,
        slot: event.slot(),
        file: exec.file,
        exe: exec.path.clone(),
        args: exec.args.clone(),
        cwd: exec.cwd.clone(),
        exec_session: session(header.flags.0 & RecordFlags::EXEC_SESSION),
    }
}

/// What a record's header alone says of its process: no executable, no arguments.
#[must_use]
pub fn from_header(event: &RawEvent) -> Process {
    let header = &event.header;
    Process {
        exec_id: event.exec_id(),
        parent: ExecId::NONE,
        host_pid: header.tgid,
        pid: header.ns_tgid,
        start: BootTime(header.start_boot_ns),
        uid: header.uid,
        slot: event.slot(),
        file: crate::event::FileObject::default(),
        exe: KernelString::default(),
        args: KernelString::default(),
        cwd: KernelString::default(),
        exec_session: session(header.flags.0 & RecordFlags::EXEC_SESSION),
    }
}

fn slot_key(slot: u32, generation: u32) -> Option<SlotKey> {
    (slot != agent_common::slot::NO_SLOT).then_some(SlotKey { slot, generation })
}

/// The first `len` bytes; `cut_flag` not 0: the original was longer.
fn text(buffer: &[u8], len: u16, cut_flag: u32) -> KernelString {
    let len = usize::from(len);
    KernelString {
        bytes: buffer.get(..len).unwrap_or(buffer).into(),
        truncated: cut_flag != 0 || len > buffer.len(),
    }
}

fn session(attached_flag: u32) -> ExecSession {
    if attached_flag != 0 {
        ExecSession::Attached
    } else {
        ExecSession::Entrypoint
    }
}

#[cfg(test)]
mod tests;
