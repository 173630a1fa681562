//! Absolute paths by walking dentries and mounts, bounded. `bpf_d_path` exists in few hooks and is relative
//! to the task's root only; the walk works everywhere and says when the root is a chroot's.
//!
//! All state of the loop is in scratch memory: with it in registers each iteration looks different to the
//! verifier and the program is refused ("BPF program is too large. Processed 1000001 insn", 6.12).

use crate::count;
use crate::global::offset;
use crate::kernel::Kptr;
use crate::scratch::{self, Memory, PATH_MASK, Scratch};
use agent_common::counter::KernelError;
use agent_common::event::StrRef;
use agent_common::limits::{MAX_NAME, MAX_PATH_DEPTH};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use core::ptr::{addr_of, addr_of_mut, read_volatile, write_volatile};

/// Mounts that are followed from a task's root to its namespace's.
const MAX_ROOT_MOUNTS: u32 = 4;
/// Mounts that are followed from a directory upwards.
const MAX_MOUNTS: u32 = 8;

/// `MNT_NS_INTERNAL`, an error number in place of a pointer.
const MNT_NS_INTERNAL: u64 = -22_i64 as u64;

/// A `struct path`: dentry and mount.
#[derive(Clone, Copy)]
pub struct Location {
    pub dentry: u64,
    pub mnt: u64,
}

impl Location {
    /// Reads the `struct path` at `path`.
    #[inline(always)]
    pub fn read(path: Kptr) -> Option<Self> {
        Some(Self {
            dentry: path.follow(offset!(path_dentry))?.0,
            mnt: path.follow(offset!(path_mnt))?.0,
        })
    }

    /// True on a mount that only the kernel has: no namespace shows it.
    #[inline(always)]
    pub fn is_internal(self) -> bool {
        let mount = Kptr(self.mnt.wrapping_sub(u64::from(offset!(mount_mnt))));
        mount.read_or_zero::<u64>(offset!(mount_ns)) == MNT_NS_INTERNAL
    }
}

/// Appends the path of `location` in the root `root` to the record.
#[inline(always)]
pub fn append(scratch: *mut Scratch, location: Location, root: Location) -> StrRef {
    begin(scratch, location, root);
    scratch::unpack(append_walked(scratch::number(scratch)))
}

/// Appends the path from the root of the file's own filesystem.
#[inline(always)]
pub fn append_in_filesystem(scratch: *mut Scratch, location: Location) -> StrRef {
    let location = Location { mnt: 0, ..location };
    append(scratch, location, Location { dentry: 0, mnt: 0 })
}

/// The path of what [`begin`] left in the buffer. Global: see [`scratch::append_bytes`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn append_walked(buffer: u32) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    for _ in 0..MAX_PATH_DEPTH {
        if step(scratch).is_none() {
            break;
        }
    }
    let path = finish(scratch);
    scratch::pack(u32::from(path.off), path.len)
}

#[inline(always)]
fn is_empty(scratch: *mut Scratch) -> bool {
    // SAFETY: a live map value.
    unsafe { read_volatile(addr_of!((*scratch).walk.start)) == PATH_MASK }
}

#[inline(always)]
fn begin(scratch: *mut Scratch, location: Location, root: Location) {
    // SAFETY: a live map value.
    unsafe {
        let walk = addr_of_mut!((*scratch).walk);
        write_volatile(addr_of_mut!((*walk).dentry), location.dentry);
        write_volatile(addr_of_mut!((*walk).mnt), location.mnt);
        write_volatile(addr_of_mut!((*walk).root_dentry), root.dentry);
        write_volatile(addr_of_mut!((*walk).root_mnt), root.mnt);
        write_volatile(addr_of_mut!((*walk).start), PATH_MASK);
        write_volatile(addr_of_mut!((*walk).complete), 0);
    }
}

/// One component, or one mount, upwards. `None`: the top, or nothing more can be read.
#[inline(always)]
fn step(scratch: *mut Scratch) -> Option<()> {
    // SAFETY: a live map value.
    let (dentry, mnt, root_dentry, root_mnt) = unsafe {
        let walk = addr_of!((*scratch).walk);
        (
            Kptr(read_volatile(addr_of!((*walk).dentry))),
            Kptr(read_volatile(addr_of!((*walk).mnt))),
            read_volatile(addr_of!((*walk).root_dentry)),
            read_volatile(addr_of!((*walk).root_mnt)),
        )
    };
    if dentry.0 == root_dentry && mnt.0 == root_mnt {
        return top(scratch);
    }
    let named = Named::read(dentry)?;
    if mnt.0 == 0 && named.parent == dentry {
        // A file that no directory ever held, a memfd: its name is all there is. Nothing is remembered over `component`:
        // the verifier would follow each iteration once for each value ("Processed 785116 insn").
        if is_empty(scratch) {
            component(scratch, &named)?;
        }
        return top(scratch);
    }
    if mnt.0 != 0 && (named.parent == dentry || dentry == mnt.follow(offset!(vfsmount_root))?) {
        return cross_mount(scratch, mnt);
    }
    component(scratch, &named)
}

/// What a dentry says of itself.
#[derive(Clone, Copy)]
struct Named {
    parent: Kptr,
    len: u32,
    /// Address of its name.
    name: Kptr,
}

impl Named {
    /// In one read where the three stand together, as they did in every kernel so far.
    #[inline(always)]
    fn read(dentry: Kptr) -> Option<Self> {
        let from = offset!(dentry_parent);
        let together = offset!(dentry_name_len) == from.wrapping_add(12)
            && offset!(dentry_name) == from.wrapping_add(16);
        let [parent, len, name] = if together {
            let [parent, hash_and_len, name] = dentry.read::<[u64; 3]>(from)?;
            [parent, hash_and_len >> 32, name]
        } else {
            let len = dentry.read_or_zero::<u32>(offset!(dentry_name_len));
            [
                dentry.read_or_zero(from),
                u64::from(len),
                dentry.read_or_zero(offset!(dentry_name)),
            ]
        };
        (parent != 0 && name != 0).then_some(Self {
            parent: Kptr(parent),
            len: len as u32,
            name: Kptr(name),
        })
    }
}

#[inline(always)]
fn top(scratch: *mut Scratch) -> Option<()> {
    // SAFETY: a live map value.
    unsafe { write_volatile(addr_of_mut!((*scratch).walk.complete), 1) };
    None
}

/// From the root of a mount to where it is mounted.
#[inline(always)]
fn cross_mount(scratch: *mut Scratch, mnt: Kptr) -> Option<()> {
    let mount = Kptr(mnt.0.wrapping_sub(u64::from(offset!(mount_mnt))));
    let above = mount.follow(offset!(mount_parent))?;
    if above == mount {
        if !is_empty(scratch) {
            return top(scratch);
        }
        // The file is the root of a mount that hangs nowhere (runc executes itself so), or in no mount at all (a
        // memfd): go on in its own filesystem.
        // SAFETY: a live map value.
        unsafe { write_volatile(addr_of_mut!((*scratch).walk.mnt), 0) };
        return Some(());
    }
    let point = mount.follow(offset!(mount_mountpoint))?;
    // SAFETY: a live map value.
    unsafe {
        write_volatile(addr_of_mut!((*scratch).walk.dentry), point.0);
        write_volatile(
            addr_of_mut!((*scratch).walk.mnt),
            above.0.wrapping_add(u64::from(offset!(mount_mnt))),
        );
    }
    Some(())
}

/// Writes `/name` before what is there.
#[inline(always)]
fn component(scratch: *mut Scratch, named: &Named) -> Option<()> {
    let len = named.len & (MAX_NAME as u32 - 1);
    // SAFETY: a live map value; a masked position and one component stay within `path`.
    unsafe {
        let start = read_volatile(addr_of!((*scratch).walk.start));
        if start < len + 1 {
            return None;
        }
        let start = core::hint::black_box(start - len - 1) & PATH_MASK;
        write_volatile(addr_of_mut!((*scratch).walk.start), start);
        let to = addr_of_mut!((*scratch).path).cast::<u8>().add(start as usize);
        *to = b'/';
        bpf_probe_read_kernel(to.add(1).cast(), len, named.name.0 as *const _);
        write_volatile(addr_of_mut!((*scratch).walk.dentry), named.parent.0);
    }
    Some(())
}

/// Copies the path into the record.
#[inline(always)]
fn finish(scratch: *mut Scratch) -> StrRef {
    // SAFETY: a live map value.
    let (start, complete, path) = unsafe {
        (
            read_volatile(addr_of!((*scratch).walk.start)) & PATH_MASK,
            read_volatile(addr_of!((*scratch).walk.complete)),
            addr_of_mut!((*scratch).path).cast::<u8>(),
        )
    };
    let mut len = PATH_MASK - start;
    let mut from = path.wrapping_add(start as usize);
    if len == 0 && complete == 1 {
        // SAFETY: the first byte of a live map value.
        unsafe { *path = b'/' };
        from = path;
        len = 1;
    }
    // The root of a filesystem is named `/`, before which a separator stands.
    // SAFETY: a masked position is within `path`.
    if len == 2
        && unsafe { *path.wrapping_add((core::hint::black_box(start + 1) & PATH_MASK) as usize) } == b'/'
    {
        len = 1;
    }
    let mut path = scratch::append(scratch, Memory::Kernel(from as u64), len);
    if complete == 0 {
        count::error(KernelError::PATH_TOO_DEEP);
        path.len |= StrRef::TRUNCATED;
    }
    path
}

/// True when `root` is a directory inside its mount namespace's root: a chroot.
#[inline(always)]
pub fn is_chroot(root: Location) -> bool {
    let mut dentry = root.dentry;
    let mut mnt = Kptr(root.mnt);
    for _ in 0..MAX_ROOT_MOUNTS {
        let Some(mount_root) = mnt.follow(offset!(vfsmount_root)) else {
            return false;
        };
        if dentry != mount_root.0 {
            return true;
        }
        let mount = Kptr(mnt.0.wrapping_sub(u64::from(offset!(mount_mnt))));
        let Some(above) = mount.follow(offset!(mount_parent)) else {
            return false;
        };
        if above == mount {
            return false;
        }
        // A root that is stacked on another (pivot_root, an initramfs that was switched from) is mounted on its root.
        let Some(point) = mount.follow(offset!(mount_mountpoint)) else {
            return false;
        };
        dentry = point.0;
        mnt = Kptr(above.0.wrapping_add(u64::from(offset!(mount_mnt))));
    }
    false
}

/// True when `location` is not below `root`: a working directory that a chroot left behind, or one in another mount
/// namespace. What is deeper than is looked at counts as inside.
#[inline(always)]
pub fn is_outside(location: Location, root: Location) -> bool {
    climb_outside(location.dentry, location.mnt, root.dentry, root.mnt) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn climb_outside(dentry: u64, mnt: u64, root_dentry: u64, root_mnt: u64) -> u32 {
    let mut dentry = dentry;
    let mut mnt = Kptr(mnt);
    for _ in 0..MAX_MOUNTS {
        if mnt.0 == root_mnt {
            return u32::from(!is_below(dentry, root_dentry));
        }
        let mount = Kptr(mnt.0.wrapping_sub(u64::from(offset!(mount_mnt))));
        let above = mount.read_or_zero::<u64>(offset!(mount_parent));
        if above == 0 || above == mount.0 {
            return 1;
        }
        dentry = mount.read_or_zero(offset!(mount_mountpoint));
        mnt = Kptr(above.wrapping_add(u64::from(offset!(mount_mnt))));
    }
    0
}

/// Within one mount: `root` is `dentry` or one of its parents.
#[inline(always)]
fn is_below(dentry: u64, root: u64) -> bool {
    let mut dentry = dentry;
    for _ in 0..MAX_PATH_DEPTH {
        if dentry == root {
            return true;
        }
        let parent = Kptr(dentry).read_or_zero::<u64>(offset!(dentry_parent));
        if parent == 0 || parent == dentry {
            return false;
        }
        dentry = parent;
    }
    true
}
