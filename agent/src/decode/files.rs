//! Records about files and directories.

use super::{DecodeError, Record};
use crate::event::{
    Attempt, Attribute, Directory, FileObject, FileOpen, KernelString, Mapping, Mount, Name, UnixConnect,
};
use agent_common::event::{
    AttemptEvent, AttributeEvent, DirectoryEvent, FileOpenEvent, MmapEvent, MountEvent, NameEvent, StrRef,
    UnixConnectEvent,
};

impl Record<'_> {
    /// Path, and path in the filesystem. Where no file was resolved: what was asked for, in the directory that it was asked
    /// for in.
    fn asked(
        self,
        path: StrRef,
        fs_path: StrRef,
        file: &FileObject,
    ) -> Result<(KernelString, KernelString), DecodeError> {
        let (path, fs_path) = (self.text(path)?, self.text(fs_path)?);
        if *file == FileObject::default() {
            return Ok((path.resolved_in(&fs_path), KernelString::default()));
        }
        Ok((path, fs_path))
    }

    pub(super) fn file_open(self) -> Result<FileOpen, DecodeError> {
        let event: FileOpenEvent = self.fixed()?;
        let (path, fs_path) = self.asked(event.path, event.fs_path, &event.file)?;
        Ok(FileOpen {
            file: event.file,
            open_flags: event.open_flags,
            f_mode: event.f_mode,
            path,
            fs_path,
        })
    }

    pub(super) fn name(self) -> Result<Name, DecodeError> {
        let event: NameEvent = self.fixed()?;
        let (mut path, mut new_path) = (self.text(event.path)?, self.text(event.new_path)?);
        let mut fs_path = self.text(event.fs_path)?;
        if event.directory == FileObject::default() {
            // Only asked for: the name that changes stands in this directory.
            let directory = std::mem::take(&mut fs_path);
            if new_path.is_empty() {
                path = path.resolved_in(&directory);
            } else {
                new_path = new_path.resolved_in(&directory);
            }
        }
        Ok(Name {
            file: event.file,
            directory: event.directory,
            rename_flags: event.rename_flags,
            path,
            new_path,
            fs_path,
        })
    }

    pub(super) fn unix_connect(self) -> Result<UnixConnect, DecodeError> {
        let event: UnixConnectEvent = self.fixed()?;
        Ok(UnixConnect {
            file: event.file,
            peer_tgid: event.peer_tgid,
            peer_slot: event.peer_slot,
            path: self.text(event.path)?,
        })
    }

    pub(super) fn mount(self) -> Result<Mount, DecodeError> {
        let event: MountEvent = self.fixed()?;
        Ok(Mount {
            op: event.op,
            file: event.file,
            mount_flags: event.mount_flags,
            source: self.text(event.source)?,
            target: self.text(event.target)?,
            fstype: self.text(event.fstype)?,
        })
    }

    pub(super) fn directory(self) -> Result<Directory, DecodeError> {
        let event: DirectoryEvent = self.fixed()?;
        Ok(Directory {
            file: event.file,
            path: self.text(event.path)?,
            fs_path: self.text(event.fs_path)?,
            outside: event.outside != 0,
        })
    }

    pub(super) fn attribute(self) -> Result<Attribute, DecodeError> {
        let event: AttributeEvent = self.fixed()?;
        let (path, fs_path) = self.asked(event.path, event.fs_path, &event.file)?;
        Ok(Attribute {
            op: event.op,
            file: event.file,
            value: event.value,
            path,
            fs_path,
            name: self.text(event.name)?,
        })
    }

    pub(super) fn mapping(self) -> Result<Mapping, DecodeError> {
        let event: MmapEvent = self.fixed()?;
        Ok(Mapping {
            op: event.op,
            file: event.file,
            prot: event.prot,
            map_flags: event.map_flags,
            path: self.text(event.path)?,
            fs_path: self.text(event.fs_path)?,
        })
    }

    pub(super) fn attempt(self) -> Result<Attempt, DecodeError> {
        let event: AttemptEvent = self.fixed()?;
        let directory = self.text(event.directory)?;
        Ok(Attempt {
            path: self.text(event.path)?.resolved_in(&directory),
        })
    }
}
