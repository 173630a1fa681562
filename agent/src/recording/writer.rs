use super::{MAGIC, MAX_FRAME, RecordingError, Start, VERSION, kind};
use crate::container::SlotReader;
use crate::engine::{Input, KernelView, Occurrences};
use crate::event::ExecId;
use crate::process::LineageReader;
use agent_common::behaviour::BehaviourKey;
use agent_common::lineage::LineageEntry;
use agent_common::slot::{NO_SLOT, SlotState};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zerocopy::IntoBytes;

/// Writes a recording up to a size; then it stops and counts what it left out.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    path: String,
    left_bytes: u64,
    /// Frames that came after the size was reached or a write failed.
    skipped: u64,
}

impl Writer {
    /// Creates `path` (mode 0600; it must not exist) for at most `max_bytes`.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn create(path: &Path, max_bytes: u64, start: &Start) -> Result<Self, RecordingError> {
        let name = path.display().to_string();
        let open = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = open.map_err(|source| RecordingError::Io {
            path: name.clone(),
            source,
        })?;
        let mut writer = Self {
            file: BufWriter::new(file),
            path: name,
            left_bytes: max_bytes,
            skipped: 0,
        };
        writer.put(&[&MAGIC[..], &VERSION.to_le_bytes()]);
        writer.frame_json(kind::START, start);
        if writer.skipped > 0 {
            return Err(writer.io_error(std::io::Error::other(
                "the start did not fit or could not be written",
            )));
        }
        Ok(writer)
    }

    /// Adds one input of the engine.
    pub fn input(&mut self, input: &Input) {
        match input {
            Input::Record(bytes) => self.frame(kind::RECORD, &[bytes]),
            Input::Runtime(event) => self.frame_json(kind::RUNTIME, event),
            Input::Sensor(finding) => self.frame_json(kind::SENSOR, finding),
            Input::Running(container) => self.frame_json(kind::RUNNING, container),
            Input::Ended(container) => self.frame_json(kind::ENDED, container),
            Input::Host(host) => self.frame_json(kind::HOST, host),
            Input::Profiles(profiles) => {
                let documents: Vec<_> = profiles.iter().map(|profile| profile.document()).collect();
                self.frame_json(kind::PROFILES, &documents);
            }
            Input::Rules(rules) => self.frame_json(kind::RULES, &rules.sources()),
            Input::Tick(time) => self.frame(kind::TICK, &[&time.0.to_le_bytes()]),
            Input::End => self.frame(kind::END, &[]),
        }
    }

    /// Frames that are missing because the recording was full.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Writes out what is buffered, so that an agent that is killed leaves a recording.
    pub fn flush(&mut self) {
        if self.file.flush().is_err() {
            self.skipped += 1;
        }
    }

    /// Writes out what is buffered. Returns the frames that are missing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<u64, RecordingError> {
        self.file.flush().map_err(|source| self.io_error(source))?;
        Ok(self.skipped)
    }

    fn io_error(&self, source: std::io::Error) -> RecordingError {
        RecordingError::Io {
            path: self.path.clone(),
            source,
        }
    }

    fn frame_json<T: serde::Serialize>(&mut self, kind: u8, value: &T) {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.frame(kind, &[&bytes]),
            Err(_) => self.skipped += 1,
        }
    }

    fn frame(&mut self, kind: u8, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let Some(len_bytes) = u32::try_from(len).ok().filter(|_| len <= MAX_FRAME) else {
            self.skipped += 1;
            return;
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&[kind]);
        parts.iter().for_each(|part| crc.update(part));
        let head = [
            &[kind][..],
            &len_bytes.to_le_bytes(),
            &crc.finalize().to_le_bytes(),
        ]
        .concat();
        let whole: Vec<&[u8]> = std::iter::once(&head[..]).chain(parts.iter().copied()).collect();
        self.put(&whole);
    }

    fn put(&mut self, parts: &[&[u8]]) {
        let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if self.skipped > 0 || len > self.left_bytes {
            self.skipped += 1;
            return;
        }
        self.left_bytes -= len;
        if parts
            .iter()
            .try_for_each(|part| self.file.write_all(part))
            .is_err()
        {
            self.skipped += 1;
        }
    }
}

/// A kernel view that writes down each answer it passes on.
pub struct RecordingKernel<'a> {
    pub kernel: &'a mut dyn KernelView,
    pub writer: &'a mut Writer,
}

impl std::fmt::Debug for RecordingKernel<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordingKernel").finish_non_exhaustive()
    }
}

impl LineageReader for RecordingKernel<'_> {
    fn read(&mut self, exec_id: ExecId) -> Option<LineageEntry> {
        let entry = self.kernel.read(exec_id).map(without_host_secrets);
        self.writer.frame(
            kind::LINEAGE,
            &[entry.as_ref().map_or(&[][..], |entry| entry.as_bytes())],
        );
        entry
    }
}

/// Arguments of host processes hold passwords and tokens, and what lies behind the end of a text belongs to whichever
/// process used the kernel's buffer before. The run that is recorded does without them too, so that it and its replay
/// are one.
fn without_host_secrets(mut entry: LineageEntry) -> LineageEntry {
    if entry.head.slot == NO_SLOT {
        (entry.head.args_len, entry.head.cwd_len) = (0, 0);
    }
    wipe(&mut entry.path, entry.head.path_len);
    wipe(&mut entry.args, entry.head.args_len);
    wipe(&mut entry.cwd, entry.head.cwd_len);
    entry
}

fn wipe(field: &mut [u8], len: u16) {
    if let Some(rest) = field.get_mut(usize::from(len)..) {
        rest.fill(0);
    }
}

impl KernelView for RecordingKernel<'_> {
    fn forget(&mut self, behaviour: &BehaviourKey) -> Option<Occurrences> {
        let counted = self.kernel.forget(behaviour);
        let bytes = counted.map(|counted| [counted.count, counted.last.0].map(u64::to_le_bytes).concat());
        self.writer.frame(kind::REPEATS, &[&bytes.unwrap_or_default()]);
        counted
    }
}

impl SlotReader for RecordingKernel<'_> {
    fn slot(&mut self, slot: u32) -> Option<SlotState> {
        let state = self.kernel.slot(slot);
        self.writer.frame(
            kind::SLOT,
            &[state.as_ref().map_or(&[][..], |state| state.as_bytes())],
        );
        state
    }
}
