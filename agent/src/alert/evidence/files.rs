//! Of files, directories and mounts.

use super::{Evidence, names};
use crate::event::{
    Attribute, AttributeOp, Directory, FileFlags, FileObject, FileOpen, Mapping, MmapOp, Mount, MountOp,
    Name, UnixConnect,
};

impl Evidence {
    pub(super) fn file_open(&mut self, open: &FileOpen) {
        self.text("path", &open.path);
        if !open.fs_path.is_empty() {
            self.text("fs_path", &open.fs_path);
        }
        self.file(&open.file);
        let access = match (open.reads(), open.writes()) {
            (true, true) => "read_write",
            (false, true) => "write",
            _ => "read",
        };
        self.put("access", access);
        self.put("open_flags", open.open_flags);
    }

    pub(super) fn file(&mut self, file: &FileObject) {
        if file.magic == 0 {
            return;
        }
        self.put("filesystem", names::filesystem(file.magic));
        self.put("inode", file.ino);
        self.put("device", names::device(file.dev));
        if file.flags & FileFlags::OVERLAY != 0 {
            self.put("in_image", file.flags & FileFlags::UPPER == 0);
        }
        if file.rdev != 0 {
            self.put("device_node", names::device(file.rdev));
        }
    }

    pub(super) fn unix_connect(&mut self, connect: &UnixConnect) {
        self.text("path", &connect.path);
        self.file(&connect.file);
        self.put("peer_pid", connect.peer_tgid);
    }

    pub(super) fn mount(&mut self, mount: &Mount) {
        let operation = match mount.op {
            MountOp::MOUNT => "mount",
            MountOp::MOVE_MOUNT => "move_mount",
            MountOp::FSMOUNT => "fsmount",
            MountOp::OPEN_TREE => "open_tree",
            MountOp::UMOUNT => "umount",
            MountOp::PIVOT_ROOT => "pivot_root",
            MountOp::SETATTR => "mount_setattr",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("source", &mount.source);
        self.text("target", &mount.target);
        self.text("fstype", &mount.fstype);
        self.put("mount_flags", mount.mount_flags);
    }

    pub(super) fn name(&mut self, name: &Name) {
        self.text("path", &name.path);
        if !name.new_path.is_empty() {
            self.text("new_path", &name.new_path);
        }
        if name.rename_flags != 0 {
            self.put("rename_flags", name.rename_flags);
        }
        self.changed(name);
        self.file(&name.file);
    }

    /// Where the name stands that changes.
    fn changed(&mut self, name: &Name) {
        if !name.fs_path.is_empty() {
            self.text("fs_path", &name.fs_path);
        }
        if name.directory.magic != 0 {
            self.put("directory_filesystem", names::filesystem(name.directory.magic));
            self.put("directory_device", names::device(name.directory.dev));
        }
    }

    pub(super) fn node(&mut self, name: &Name) {
        self.text("path", &name.path);
        self.put("type", names::file_type(name.file.mode));
        self.changed(name);
        self.put("device_node", names::device(name.file.rdev));
    }

    pub(super) fn directory(&mut self, directory: &Directory) {
        self.text("path", &directory.path);
        if !directory.fs_path.is_empty() {
            self.text("fs_path", &directory.fs_path);
        }
        self.put("outside", directory.outside);
        self.file(&directory.file);
    }

    pub(super) fn attribute(&mut self, attribute: &Attribute) {
        let operation = match attribute.op {
            AttributeOp::CHMOD => "chmod",
            AttributeOp::UTIMES => "utimes",
            AttributeOp::SETXATTR => "setxattr",
            AttributeOp::SETFLAGS => "setflags",
            AttributeOp::TRUNCATE => "truncate",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("path", &attribute.path);
        if !attribute.fs_path.is_empty() {
            self.text("fs_path", &attribute.fs_path);
        }
        self.put("value", attribute.value);
        if !attribute.name.is_empty() {
            self.text("name", &attribute.name);
        }
        self.file(&attribute.file);
    }

    pub(super) fn mapping(&mut self, mapping: &Mapping) {
        let operation = match mapping.op {
            MmapOp::MMAP => "mmap",
            MmapOp::MPROTECT => "mprotect",
            _ => "unknown",
        };
        self.put("operation", operation);
        if mapping.file.magic != 0 {
            self.text("path", &mapping.path);
        }
        if !mapping.fs_path.is_empty() {
            self.text("fs_path", &mapping.fs_path);
        }
        self.put("prot", mapping.prot);
        self.put("mmap_flags", mapping.map_flags);
        self.file(&mapping.file);
    }

    pub(super) fn unix_bind(&mut self, bind: &UnixConnect) {
        self.text("path", &bind.path);
        self.file(&bind.file);
    }
}
