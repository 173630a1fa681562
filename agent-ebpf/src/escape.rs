//! What is denied in every container, whatever its profile says, while the daemon asks for it: see `agent_common::escape`. Asked like a
//! policy, once for each distinct deed; the verdict is remembered with it, and vanishes with the epoch.

use crate::count;
use crate::global::offset;
use crate::kernel::{Kptr, Task};
use crate::label;
use crate::maps::{SLOT_CONTROL, SLOT_STATE};
use crate::namespaces;
use crate::scratch::{self, Scratch};
use crate::syscall;
use crate::task::{self, Actor};
use crate::text;
use agent_common::counter::Outcome;
use agent_common::escape::{
    CGROUP_CONTROLS, KERNEL_MEMORY, PROC_CONTROLS, SYSFS_CONTROLS, TypeName, is_denied_device,
    is_denied_type, name_hashes,
};
use agent_common::event::{EventKind, FileOpenEvent, MountOp, Namespaces};
use agent_common::magic::{BINFMT, CGROUP, NAMESPACE, PROC, SYSFS};
use agent_common::mode::{FMODE_WRITE, S_IFBLK, S_IFCHR, S_IFMT};
use agent_common::name_hash;
use agent_common::policy::Verdict;
use agent_common::slot::{NO_SLOT, SlotControl, TaskFlags};
use aya_ebpf::helpers::generated::{bpf_probe_read_kernel_str, bpf_probe_read_user_str};
use core::ptr::addr_of;

/// io_uring_enter(2), the same number everywhere.
const IO_URING_ENTER: u32 = 426;
/// Number of the first user namespace: the same at each boot.
const FIRST_USER: u32 = 0xEFFF_FFFD;

/// The verdict of a deed, of which `escapes` says whether it is one; asked only where escapes are denied.
#[inline(always)]
pub fn verdict(actor: &Actor, escapes: impl FnOnce() -> bool) -> Verdict {
    if are_denied(u32::from(actor.control.flags)) != 0 && escapes() {
        Verdict::ESCAPE
    } else {
        Verdict::NONE
    }
}

/// Whether they are, by the flags of the container's slot. Global, as those in [`crate::scratch`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn are_denied(own: u32) -> u32 {
    let all = SLOT_CONTROL.get(NO_SLOT).map_or(0, |control| control.flags);
    let flags = own as u16;
    u32::from(flags & SlotControl::EXCEPTED == 0 && (flags | all) & SlotControl::DENY_ESCAPES != 0)
}

/// What of a mount is in its key's access when the task acts with rights in the first user namespace: in others the kernel itself keeps it
/// harmless.
pub const HOSTS_RIGHTS: u16 = 0x200;
/// The same for one that failed.
pub const FAILED: u16 = 0x100;
/// `MS_REMOUNT`, `MS_BIND`, `MS_MOVE`, and `MS_UNBINDABLE` to `MS_SHARED`: no filesystem is made.
const MS_OLD: u64 = 0x20 | 0x1000 | 0x2000 | 0xf << 17;

/// [`HOSTS_RIGHTS`], or 0. Without branches: see [`crate::namespaces`].
#[inline(always)]
pub fn rights(task: Task) -> u16 {
    let cred = Kptr(Kptr(task as u64).read_or_zero(offset!(task_cred)));
    let number = Kptr(cred.read_or_zero(offset!(cred_user_ns))).read_or_zero::<u32>(offset!(user_inum));
    let first = core::hint::black_box(u64::from(number ^ FIRST_USER).wrapping_sub(1)) >> 63;
    first as u16 * HOSTS_RIGHTS
}

/// A mount that makes a filesystem that steers the kernel, or one on a disk. `how`: what it is, as [`MountOp`], and the key's access in the
/// upper half; `device`: 0 when nothing is known of a block device; `name`: address of the type's name, in the caller's memory by `user`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_escape_by_mount(how: u32, flags: u64, device: u64, name: u64, user: u32) -> u32 {
    let (op, access) = (MountOp(how & 0xffff), (how >> 16) as u16);
    let makes = op == MountOp::MOUNT && flags & MS_OLD == 0 || op == MountOp::FSMOUNT;
    let may = access & (HOSTS_RIGHTS | FAILED) == HOSTS_RIGHTS;
    u32::from(makes && may && (device != 0 || is_type(name, user)))
}

/// Whether a type of filesystem is denied by its name.
#[inline(always)]
fn is_type(address: u64, user: u32) -> bool {
    let mut name: TypeName = [0; 2];
    let to = name.as_mut_ptr().cast();
    let room = size_of::<TypeName>() as u32;
    // SAFETY: the helpers check the address, and write at most the array.
    unsafe {
        if user == 0 {
            bpf_probe_read_kernel_str(to, room, address as *const _);
        } else {
            bpf_probe_read_user_str(to, room, address as *const _);
        }
    }
    is_denied_type(name)
}

/// Of the FILE_OPEN record in the buffer; `dentry`: the file's.
#[inline(always)]
pub fn is_open(scratch: *mut Scratch, dentry: u64) -> bool {
    let buffer = scratch::number(scratch);
    // One after the other, not within each other: stack is short.
    let name = text::dentry_hash(dentry);
    is_escape_by_open(buffer, name) != 0 || is_escape_by_namespace(buffer) != 0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_escape_by_open(buffer: u32, name: u64) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let record: *const FileOpenEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (mode, device, magic, writes) = unsafe {
        let file = addr_of!((*record).file);
        (
            (*file).mode & S_IFMT,
            (*file).rdev,
            (*file).magic,
            (*record).f_mode & FMODE_WRITE != 0,
        )
    };
    if mode == S_IFBLK || mode == S_IFCHR {
        return u32::from(is_denied_device(mode == S_IFBLK, device));
    }
    let escapes = match magic {
        BINFMT => writes,
        PROC | SYSFS | CGROUP => is_control(magic, name, writes),
        _ => false,
    };
    u32::from(escapes)
}

/// A file that steers the kernel, by the hash of its name.
#[inline(always)]
fn is_control(magic: u32, name: u64, writes: bool) -> bool {
    const PROCFS: [u64; 8] = name_hashes(PROC_CONTROLS);
    const OF_SYSFS: [u64; 1] = name_hashes(SYSFS_CONTROLS);
    const OF_CGROUPS: [u64; 2] = name_hashes(CGROUP_CONTROLS);
    const MEMORY: u64 = name_hash(KERNEL_MEMORY.as_bytes());
    match magic {
        PROC => name == MEMORY || writes && PROCFS.contains(&name),
        SYSFS => writes && OF_SYSFS.contains(&name),
        _ => writes && OF_CGROUPS.contains(&name),
    }
}

/// A namespace of the host that the container did not have when it started.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn is_escape_by_namespace(buffer: u32) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return 0;
    };
    let record: *const FileOpenEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let (magic, number, slot) = unsafe {
        let file = addr_of!((*record).file);
        ((*file).magic, (*file).ino as u32, (*record).header.slot)
    };
    if magic != NAMESPACE {
        return 0;
    }
    let everywhere = Namespaces {
        mnt: number,
        pid: number,
        net: number,
        ipc: number,
        uts: number,
        cgroup: number,
        user: number,
        time: number,
    };
    u32::from(namespaces::compare(&everywhere, slot).gained != 0)
}

/// Whether a slot is the host's: also one that only might become a container's.
#[inline(always)]
pub fn is_of_host(slot: u32) -> bool {
    slot == NO_SLOT || SLOT_STATE.get(slot).is_none_or(label::is_mere_candidate)
}

/// The call will return, and whoever sees that need not tell it again. A ring's requests return nowhere.
#[inline(always)]
pub fn mark(task: Task, verdict: Verdict) {
    if verdict.0 & Verdict::DENY == 0 || syscall::current_number() == IO_URING_ENTER {
        return;
    }
    if let Some(label) = label::of(task) {
        // SAFETY: a live map value; only its own task changes these flags.
        unsafe { (*label).flags |= TaskFlags::DENIED };
    }
}

/// True when the call that returns was denied by a hook on objects, which reported it. Books that.
#[inline(always)]
pub fn was_told(kind: EventKind) -> bool {
    let Some(label) = label::of(task::current()) else {
        return false;
    };
    // SAFETY: as above.
    let told = unsafe {
        let told = (*label).flags & TaskFlags::DENIED != 0;
        (*label).flags &= !TaskFlags::DENIED;
        told
    };
    if told && let Some(actor) = task::enter(kind) {
        count::outcome(kind, Outcome::SUPPRESSED_DUPLICATE, actor.slot());
    }
    told
}
