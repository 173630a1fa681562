//! Taps: who watches, and what each watcher wants. Publishing never waits.

use crate::detect::Class;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Lines that a watcher may be behind: a second of a busy host.
const QUEUE: usize = 4096;

/// Which lines a watcher wants. Empty fields want everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Name, id, or the beginning of an id (at least 4 characters).
    pub container: Option<String>,
    /// Reference or a part of it.
    pub image: Option<String>,
    /// Only alerts of these classes.
    pub classes: Vec<Class>,
    /// Only these kinds of events, and alerts about them.
    pub kinds: Vec<String>,
}

/// What filters look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct TapItem<'a> {
    pub container_id: &'a str,
    pub container_name: &'a str,
    pub image: &'a str,
    pub kind: &'a str,
    /// `None`: activity, not an alert.
    pub class: Option<Class>,
}

impl Filter {
    /// True when the watcher wants the line.
    #[must_use]
    pub fn wants(&self, item: &TapItem<'_>) -> bool {
        let class = self.classes.is_empty() || item.class.is_some_and(|class| self.classes.contains(&class));
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == item.kind);
        class && kind && self.wants_container(item)
    }

    /// True when the watcher names containers or images, and this is one of them: then every single event of it
    /// is wanted, not only first occurrences.
    #[must_use]
    pub fn names(&self, item: &TapItem<'_>) -> bool {
        (self.container.is_some() || self.image.is_some()) && self.wants_container(item)
    }

    fn wants_container(&self, item: &TapItem<'_>) -> bool {
        let container = self.container.as_deref().is_none_or(|wanted| {
            wanted == item.container_name || (wanted.len() >= 4 && item.container_id.starts_with(wanted))
        });
        container
            && self
                .image
                .as_deref()
                .is_none_or(|wanted| item.image.contains(wanted))
    }
}

/// The watchers. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Taps(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    watchers: Mutex<Vec<Watcher>>,
    count: AtomicUsize,
    generation: AtomicU64,
    missed: AtomicU64,
}

#[derive(Debug)]
struct Watcher {
    id: u64,
    filter: Filter,
    lines: mpsc::Sender<Arc<str>>,
    missed: Arc<AtomicU64>,
}

/// The lines of one watcher. Dropping it ends the watch.
#[derive(Debug)]
pub struct TapStream {
    taps: Taps,
    id: u64,
    lines: mpsc::Receiver<Arc<str>>,
    missed: Arc<AtomicU64>,
}

/// What a watcher gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapLine {
    Line(Arc<str>),
    /// So many lines were not kept for it.
    Missed(u64),
}

impl Taps {
    /// Adds a watcher.
    #[must_use]
    pub fn watch(&self, filter: Filter) -> TapStream {
        let (sender, lines) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicU64::new(0));
        let id = self.0.generation.fetch_add(1, Ordering::AcqRel);
        self.change(|watchers| {
            watchers.push(Watcher {
                id,
                filter,
                lines: sender,
                missed: Arc::clone(&missed),
            });
        });
        TapStream {
            taps: self.clone(),
            id,
            lines,
            missed,
        }
    }

    /// Gives the line to every watcher who wants it; `render` runs only if there is one.
    pub fn publish(&self, item: &TapItem<'_>, render: impl FnOnce() -> Arc<str>) {
        if self.is_empty() {
            return;
        }
        let watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanting = watchers
            .iter()
            .filter(|watcher| watcher.filter.wants(item))
            .peekable();
        if wanting.peek().is_none() {
            return;
        }
        let line = render();
        for watcher in wanting {
            if watcher.lines.try_send(Arc::clone(&line)).is_err() {
                watcher.missed.fetch_add(1, Ordering::Relaxed);
                self.0.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// True when nobody watches: one atomic load.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Watchers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }

    /// Changes whenever a watcher comes or goes: the sign to ask [`Taps::wants_every_event`] again.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// True when a watcher names this container or its image.
    #[must_use]
    pub fn wants_every_event(&self, item: &TapItem<'_>) -> bool {
        let watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.iter().any(|watcher| watcher.filter.names(item))
    }

    /// Lines that watchers missed.
    #[must_use]
    pub fn missed_total(&self) -> u64 {
        self.0.missed.load(Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Watcher>)) {
        let mut watchers = self.0.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut watchers);
        self.0.count.store(watchers.len(), Ordering::Release);
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl TapStream {
    /// The next line, or how many were missed before it. `None` never comes while the daemon runs.
    pub async fn next(&mut self) -> Option<TapLine> {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 {
            return Some(TapLine::Missed(missed));
        }
        self.lines.recv().await.map(TapLine::Line)
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        self.taps
            .change(|watchers| watchers.retain(|watcher| watcher.id != self.id));
    }
}
