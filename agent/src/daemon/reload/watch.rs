//! Notices that the files of the configuration and of rules change, by inotify: costs nothing while they do not.
//!
//! Folders are watched, not files: editors put a new file in the old one's place, and the kubelet a new link `..data`
//! beside links that stay. A file that is a link is also watched where it leads to.

use super::ReloadState;
use crate::config::{Place, is_fragment};
use crate::control::ReloadRequest;
use crate::shutdown::Tasks;
use futures_util::StreamExt;
use inotify::{Event, EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Files are read when nothing has changed for so long: who writes several is done then.
const QUIET: Duration = Duration::from_millis(500);
/// Files that never rest are read after so long.
const LONGEST: Duration = Duration::from_secs(5);
/// Bytes of events that are read at once.
const BUFFER: usize = 4096;

/// The folders and what matters in them.
pub(super) struct ConfigWatch {
    place: Place,
    /// Knows the folder of rules: a reload may choose another.
    state: ReloadState,
    rules_dir: PathBuf,
    events: EventStream<[u8; BUFFER]>,
    watched: Vec<Watched>,
}

struct Watched {
    descriptor: WatchDescriptor,
    names: Names,
}

/// Names that matter in a folder.
enum Names {
    /// The main file's, and `conf.d`.
    Main(OsString),
    Fragments,
    /// What a link leads to.
    Only(OsString),
}

impl Names {
    fn contain(&self, name: &OsStr) -> bool {
        let swapped = name.as_bytes() == b"..data";
        match self {
            Self::Main(file) => swapped || name == file || name == "conf.d",
            Self::Fragments => swapped || is_fragment(name),
            Self::Only(file) => name == file,
        }
    }
}

/// Asks for a reload whenever files have changed. Where that cannot be noticed, SIGHUP still works.
pub(in crate::daemon) fn start(
    place: Place,
    state: ReloadState,
    reloads: mpsc::Sender<ReloadRequest>,
    tasks: &Tasks,
) {
    let mut watch = match ConfigWatch::new(place, state) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "changes of the configuration's files are not noticed: send SIGHUP after them");
            return;
        }
    };
    let stop = tasks.token();
    tasks.spawn("config watch", async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = watch.changed() => if let Err(error) = changed {
                    tracing::warn!(%error, "changes of the configuration's files are not noticed any more");
                    return Ok(());
                },
            }
            let (reply, done) = oneshot::channel();
            if reloads.send(ReloadRequest { reply }).await.is_err() {
                return Ok(());
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = done => {}
            }
            watch.follow();
        }
    });
}

impl ConfigWatch {
    pub(super) fn new(place: Place, state: ReloadState) -> io::Result<Self> {
        let mut watch = Self {
            place,
            rules_dir: state.rules_dir(),
            state,
            events: Inotify::init()?.into_event_stream([0; BUFFER])?,
            watched: Vec::new(),
        };
        watch.look();
        Ok(watch)
    }

    /// Waits until files have changed and rest.
    pub(super) async fn changed(&mut self) -> io::Result<()> {
        self.event().await?;
        let begun = Instant::now();
        while begun.elapsed() < LONGEST {
            match tokio::time::timeout(QUIET, self.event()).await {
                Ok(event) => event?,
                Err(_) => break,
            }
        }
        // Before the files are read: what changes after the reading is an event.
        self.look();
        Ok(())
    }

    /// Watches what is there now; watching a folder twice is watching it once.
    fn look(&mut self) {
        self.watched.clear();
        let file = self.place.file.clone();
        self.watch_beside(&file, Names::Main);
        self.watch(&self.place.fragments.clone(), Names::Fragments);
        if let Ok(target) = file.canonicalize() {
            self.watch_beside(&target, Names::Only);
        }
        let rules = self.rules_dir.clone();
        // Also where it comes later.
        self.watch_beside(&rules, Names::Only);
        self.watch(&rules, Names::Fragments);
    }

    /// The folder of rules may be another one since the last reload. What changed there between the reading and now is read with the next
    /// change.
    fn follow(&mut self) {
        let rules_dir = self.state.rules_dir();
        if rules_dir != self.rules_dir {
            self.rules_dir = rules_dir;
            self.look();
        }
    }

    fn watch_beside(&mut self, file: &Path, names: fn(OsString) -> Names) {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new("."));
        if let Some(name) = file.file_name() {
            self.watch(folder, names(name.to_owned()));
        }
    }

    fn watch(&mut self, folder: &Path, names: Names) {
        let what = WatchMask::CREATE
            | WatchMask::CLOSE_WRITE
            | WatchMask::MOVE
            | WatchMask::DELETE
            | WatchMask::ONLYDIR;
        match self.events.watches().add(folder, what) {
            Ok(descriptor) => self.watched.push(Watched { descriptor, names }),
            // The folder that is above it tells when it comes; the default one need not come.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => {
                let folder = folder.display();
                tracing::warn!(%folder, %error, "changes in this folder are not noticed: send SIGHUP after them");
            }
        }
    }

    /// Waits for one that matters.
    async fn event(&mut self) -> io::Result<()> {
        loop {
            let next = self.events.next().await;
            let event = next.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            if self.matters(&event) {
                return Ok(());
            }
        }
    }

    fn matters(&self, event: &Event<OsString>) -> bool {
        let name = event.name.as_deref().unwrap_or_default();
        let named = |watched: &Watched| watched.descriptor == event.wd && watched.names.contain(name);
        // After an overflow nobody knows what was missed.
        event.mask.contains(EventMask::Q_OVERFLOW) || self.watched.iter().any(named)
    }
}
