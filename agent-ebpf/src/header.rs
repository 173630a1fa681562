//! The head of every record, from the acting task.

use crate::cgroup;
use crate::global::offset;
use crate::kernel::{Kptr, Task};
use crate::maps::SLOT_STATE;
use crate::path::{self, Location};
use crate::task::Actor;
use agent_common::event::{EventHeader, EventKind, Namespaces, RecordFlags, Trust};
use agent_common::slot::{TaskFlags, TaskLabel};
use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use core::ptr::addr_of_mut;

/// `PF_IO_WORKER`: a thread that io_uring made.
const PF_IO_WORKER: u32 = 0x10;
/// How long records of a container that lost some say so, ns.
const LOSSY_NS: u64 = 10_000_000_000;

/// Where a record comes from; becomes bits of its flags.
#[derive(Clone, Copy)]
pub struct Origin {
    pub backend: u32,
    pub trust: Trust,
    /// How its hooks deny, as a bit of [`RecordFlags`]; 0: they cannot.
    pub means: u32,
}

impl Origin {
    /// Tracepoints of the scheduler and of sockets: the kernel's own objects.
    pub const TRACEPOINT: Self = Self {
        backend: 0,
        trust: Trust::RESOLVED,
        means: RecordFlags::KILLED,
    };
    /// A program on sockets that the kernel tells, and does not ask.
    pub const TOLD: Self = Self {
        means: 0,
        ..Self::TRACEPOINT
    };
    /// The same of a descriptor when its system call returned.
    pub const DESCRIPTOR_TOLD: Self = Self {
        means: 0,
        ..Self::DESCRIPTOR
    };
    /// A descriptor resolved when its system call returned.
    pub const DESCRIPTOR: Self = Self {
        trust: Trust::RACY,
        ..Self::TRACEPOINT
    };
    /// Arguments of a system call.
    pub const ARGUMENTS: Self = Self {
        trust: Trust::ARGUMENTS,
        ..Self::TRACEPOINT
    };
    /// The same of a function that the kernel calls for each; for sockets others deny.
    pub const FENTRY_TOLD: Self = Self {
        means: 0,
        ..Self::FENTRY
    };
    pub const FENTRY: Self = Self {
        backend: 1,
        ..Self::TRACEPOINT
    };
    pub const LSM: Self = Self {
        backend: 2,
        trust: Trust::RESOLVED,
        means: RecordFlags::DENIED,
    };
    /// The same of packets.
    pub const PACKET: Self = Self {
        means: 0,
        ..Self::CGROUP
    };
    /// A cgroup program before the deed: the address that was asked for.
    pub const CGROUP: Self = Self {
        backend: RecordFlags::CGROUP_BACKEND,
        ..Self::LSM
    };

    #[inline(always)]
    pub fn flags(self) -> u32 {
        self.backend << RecordFlags::BACKEND_SHIFT | self.trust.0 << RecordFlags::TRUST_SHIFT
    }
}

/// What a hook says of its record.
#[derive(Clone, Copy)]
pub struct Report {
    pub kind: EventKind,
    pub origin: Origin,
    /// Bits of [`RecordFlags`] that the hook knows.
    pub flags: u32,
    pub ret: i32,
}

/// Fills the head of the record, except for the behaviour's key.
#[inline(always)]
pub fn fill(header: *mut EventHeader, actor: &Actor, report: Report) {
    write(header, actor.task, &actor.label, report);
}

/// Fills the head of a record about `task`, except for the behaviour's key.
#[inline(always)]
pub fn write(header: *mut EventHeader, task: Task, label: &TaskLabel, report: Report) {
    let kernel = Kptr(task as u64);
    // SAFETY: the record is in scratch memory that this program took.
    unsafe {
        (*header).kind = report.kind;
        (*header).ret = report.ret;
        (*header).slot = label.slot;
        (*header).generation = label.generation;
        (*header).exec_id = label.exec_id;
        (*header).flags = RecordFlags(report.flags | report.origin.flags() | label_flags(label));
    }
    who(header, kernel);
}

#[inline(always)]
fn label_flags(label: &TaskLabel) -> u32 {
    if label.flags & TaskFlags::EXEC_SESSION != 0 {
        RecordFlags::EXEC_SESSION
    } else {
        0
    }
}

#[inline(never)]
fn who(header: *mut EventHeader, task: Kptr) -> u32 {
    // SAFETY: the record is in scratch memory that this program took.
    unsafe {
        (*header).time_boot_ns = bpf_ktime_get_boot_ns();
        (*header).tgid = task.read_or_zero(offset!(task_tgid));
        (*header).tid = task.read_or_zero(offset!(task_pid));
        let leader = task.follow(offset!(task_group_leader)).unwrap_or(task);
        (*header).start_boot_ns = leader.read_or_zero(offset!(task_start_boottime));
        let (ns_tgid, pid_ns) = innermost_pid(leader).unwrap_or((0, 0));
        (*header).ns_tgid = ns_tgid;
        (*header).pid_ns = pid_ns;
        (*header).cgroup_id = cgroup::id_of_task(task);
        // Not `cred`: overlayfs and the like act with another's for a while.
        let cred = task.follow(offset!(task_real_cred)).unwrap_or(Kptr(0));
        (*header).uid = cred.read_or_zero(offset!(cred_euid));
        (*header).cap_effective = cred.read_or_zero(offset!(cred_cap_effective));
        let nsproxy = task.follow(offset!(task_nsproxy)).unwrap_or(Kptr(0));
        (*header).mnt_ns = inum(nsproxy, offset!(nsproxy_mnt), offset!(mnt_inum));
        (*header).net_ns = inum(nsproxy, offset!(nsproxy_net), offset!(net_inum));
        (*header).comm = bpf_get_current_comm().unwrap_or_default();
        let flags = addr_of_mut!((*header).flags.0);
        if is_ring_worker(task) {
            *flags |= RecordFlags::IO_URING;
        }
        if root(task).is_some_and(path::is_chroot) {
            *flags |= RecordFlags::CHROOTED;
        }
        if is_lossy((*header).slot, (*header).time_boot_ns) {
            *flags |= RecordFlags::LOSSY;
        }
    }
    0
}

/// True for a thread that io_uring made.
#[inline(always)]
pub fn is_ring_worker(task: Kptr) -> bool {
    task.read_or_zero::<u32>(offset!(task_flags)) & PF_IO_WORKER != 0
}

#[inline(always)]
fn is_lossy(slot: u32, now: u64) -> bool {
    SLOT_STATE
        .get(slot)
        .is_some_and(|state| state.lost_boot_ns != 0 && now.wrapping_sub(state.lost_boot_ns) < LOSSY_NS)
}

/// Root directory of a task.
#[inline(always)]
pub fn root(task: Kptr) -> Option<Location> {
    Location::read(task.follow(offset!(task_fs))?.field(offset!(fs_root))?)
}

/// Working directory of a task.
#[inline(always)]
pub fn working_directory(task: Kptr) -> Option<Location> {
    Location::read(task.follow(offset!(task_fs))?.field(offset!(fs_pwd))?)
}

#[inline(always)]
fn inum(nsproxy: Kptr, namespace: u32, field: u32) -> u32 {
    // Reading through a null pointer gives zero too. A branch per namespace is what 6.1 finds too large in setns
    // ("BPF program is too large. Processed 1000001 insn").
    Kptr(nsproxy.read_or_zero(namespace)).read_or_zero(field)
}

/// Number of a task in its innermost pid namespace, and that namespace.
#[inline(always)]
pub fn innermost_pid(task: Kptr) -> Option<(u32, u32)> {
    let pid = task.follow(offset!(task_thread_pid))?;
    let level = pid.read::<u32>(offset!(pid_level))? & 31;
    let upid = Kptr(
        pid.field(offset!(pid_numbers))?
            .0
            .wrapping_add(u64::from(level) * u64::from(offset!(upid_size))),
    );
    let namespace = upid.follow(offset!(upid_ns))?;
    Some((
        upid.read(offset!(upid_nr))?,
        namespace.read(offset!(pid_ns_inum))?,
    ))
}

/// Inode number of a task's mount namespace.
#[inline(always)]
pub fn mount_namespace(task: Kptr) -> u32 {
    let nsproxy = task.follow(offset!(task_nsproxy)).unwrap_or(Kptr(0));
    inum(nsproxy, offset!(nsproxy_mnt), offset!(mnt_inum))
}

/// Inode number of a task's network namespace.
#[inline(always)]
pub fn network_namespace(task: Kptr) -> u32 {
    let nsproxy = task.follow(offset!(task_nsproxy)).unwrap_or(Kptr(0));
    inum(nsproxy, offset!(nsproxy_net), offset!(net_inum))
}

/// All namespaces of a task.
#[inline(always)]
pub fn namespaces(task: Kptr) -> Namespaces {
    let nsproxy = task.follow(offset!(task_nsproxy)).unwrap_or(Kptr(0));
    let user = task
        .follow(offset!(task_real_cred))
        .and_then(|cred| cred.follow(offset!(cred_user_ns)));
    Namespaces {
        mnt: inum(nsproxy, offset!(nsproxy_mnt), offset!(mnt_inum)),
        pid: innermost_pid(task).map_or(0, |(_, namespace)| namespace),
        net: inum(nsproxy, offset!(nsproxy_net), offset!(net_inum)),
        ipc: inum(nsproxy, offset!(nsproxy_ipc), offset!(ipc_inum)),
        uts: inum(nsproxy, offset!(nsproxy_uts), offset!(uts_inum)),
        cgroup: inum(nsproxy, offset!(nsproxy_cgroup), offset!(cgroup_ns_inum)),
        user: user.map_or(0, |user| user.read_or_zero(offset!(user_inum))),
        time: inum(nsproxy, offset!(nsproxy_time), offset!(time_inum)),
    }
}
