//! Kernel modules: loaded, removed, asked for. What the kernel refuses before it asks a security module is
//! seen at the call's return only, with every backend.

use crate::emit;
use crate::escape;
use crate::file::{self, OpenFile};
use crate::header::{self, Origin, Report};
use crate::kernel::Kptr;
use crate::path;
use crate::policy;
use crate::syscall::{self, Syscall};
use crate::task::{self, Deed};
use crate::text::Text;
use agent_common::event::{EventKind, ModuleEvent, ModuleOp, RecordFlags, StrRef};
use agent_common::policy::Verdict;
use aya_ebpf::macros::{btf_tracepoint, fentry, lsm};
use aya_ebpf::programs::{BtfTracePointContext, FEntryContext, LsmContext};

const KIND: EventKind = EventKind::MODULE;
/// `READING_MODULE` and `LOADING_MODULE`.
const MODULE: u32 = 2;
const EPERM: i64 = 1;
/// In a key's access: the attempt failed.
const FAILED: u16 = 0x100;

/// What is done, to what.
#[derive(Clone, Copy)]
struct Operation {
    op: ModuleOp,
    /// The `struct file` of the module.
    file: Option<Kptr>,
    name: Text,
}

/// `kernel_read_file(struct file *file, enum kernel_read_file_id id, bool contents)`, all kernels.
#[lsm(hook = "kernel_read_file")]
pub fn lsm_module_file(ctx: LsmContext) -> i32 {
    denied(reads(ctx.arg(0), ctx.arg(1), Origin::LSM))
}

#[fentry(function = "security_kernel_read_file")]
pub fn fentry_module_file(ctx: FEntryContext) -> i32 {
    reads(ctx.arg(0), ctx.arg(1), Origin::FENTRY);
    0
}

/// `kernel_load_data(enum kernel_load_data_id id, bool contents)`, all kernels.
#[lsm(hook = "kernel_load_data")]
pub fn lsm_module_data(ctx: LsmContext) -> i32 {
    if ctx.arg::<u32>(0) != MODULE {
        return 0;
    }
    denied(before(ModuleOp::INIT, None, Text::Absent, Origin::LSM))
}

#[fentry(function = "security_kernel_load_data")]
pub fn fentry_module_data(ctx: FEntryContext) -> i32 {
    if ctx.arg::<u32>(0) == MODULE {
        before(ModuleOp::INIT, None, Text::Absent, Origin::FENTRY);
    }
    0
}

/// `kernel_module_request(char *kmod_name)`, all kernels.
#[lsm(hook = "kernel_module_request")]
pub fn lsm_module_request(ctx: LsmContext) -> i32 {
    before(ModuleOp::REQUEST, None, Text::kernel(ctx.arg(0)), Origin::LSM);
    0
}

#[fentry(function = "security_kernel_module_request")]
pub fn fentry_module_request(ctx: FEntryContext) -> i32 {
    before(ModuleOp::REQUEST, None, Text::kernel(ctx.arg(0)), Origin::FENTRY);
    0
}

/// `module_request(char *name, bool wait, unsigned long ip)`, all kernels that have modules; in the task that makes the kernel
/// ask, and only where it will.
#[btf_tracepoint(function = "module_request")]
pub fn module_request(ctx: BtfTracePointContext) -> i32 {
    before(
        ModuleOp::REQUEST,
        None,
        Text::kernel(ctx.arg(0)),
        Origin::TRACEPOINT,
    );
    0
}

/// What the hook returns for it; who sees the call return is told.
#[inline(always)]
fn denied(verdict: Verdict) -> i32 {
    escape::mark(task::current(), verdict);
    policy::errno(verdict)
}

#[inline(always)]
fn reads(file: u64, id: u32, origin: Origin) -> Verdict {
    if id == MODULE {
        before(ModuleOp::FINIT, Some(Kptr(file)), Text::Absent, origin)
    } else {
        Verdict::NONE
    }
}

#[inline(always)]
fn before(op: ModuleOp, file: Option<Kptr>, name: Text, origin: Origin) -> Verdict {
    let report = Report {
        kind: KIND,
        origin,
        flags: 0,
        ret: 0,
    };
    changes(&Operation { op, file, name }, report)
}

/// init_module(image, len, parameters).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_init_module(ctx: BtfTracePointContext) -> i32 {
    loaded_from_memory(&Syscall::of(&ctx));
    0
}

/// finit_module(fd, parameters, flags).
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_finit_module(ctx: BtfTracePointContext) -> i32 {
    loaded_from_file(&Syscall::of(&ctx));
    0
}

/// init_module(2) beside the hooks on objects: only what they did not see.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_init_module(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == -EPERM && !escape::was_told(KIND) {
        loaded_from_memory(&call);
    }
    0
}

/// finit_module(2) beside the hooks on objects.
#[btf_tracepoint(function = "sys_exit")]
pub fn refused_finit_module(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    if call.ret == -EPERM && !escape::was_told(KIND) {
        loaded_from_file(&call);
    }
    0
}

/// delete_module(name, flags). No hook on objects sees it.
#[btf_tracepoint(function = "sys_exit")]
pub fn exit_delete_module(ctx: BtfTracePointContext) -> i32 {
    let call = Syscall::of(&ctx);
    let operation = Operation {
        op: ModuleOp::DELETE,
        file: None,
        name: Text::user(call.arg::<0>()),
    };
    changes(&operation, returned(&call, Origin::ARGUMENTS));
    0
}

#[inline(always)]
fn loaded_from_memory(call: &Syscall) {
    let operation = Operation {
        op: ModuleOp::INIT,
        file: None,
        name: Text::Absent,
    };
    changes(&operation, returned(call, Origin::ARGUMENTS));
}

#[inline(always)]
fn loaded_from_file(call: &Syscall) {
    let operation = Operation {
        op: ModuleOp::FINIT,
        file: syscall::file(call.arg::<0>() as u32),
        name: Text::Absent,
    };
    changes(&operation, returned(call, Origin::DESCRIPTOR));
}

#[inline(always)]
fn returned(call: &Syscall, origin: Origin) -> Report {
    Report {
        kind: KIND,
        origin,
        flags: call.flags(),
        ret: call.result(),
    }
}

#[inline(always)]
fn changes(operation: &Operation, report: Report) -> Verdict {
    let Some(actor) = task::enter(KIND) else {
        return Verdict::NONE;
    };
    let failed = if report.ret < 0 { FAILED } else { 0 };
    let open = operation.file.and_then(OpenFile::read);
    let object = match (operation.file, open) {
        (Some(file), Some(open)) => [file::identity(file, &open.object), u64::from(open.object.dev)],
        _ => [operation.name.identity(), 0],
    };
    let deed = Deed {
        access: operation.op.0 as u16 | failed,
        object,
        detail: 0,
    };
    let draft = match emit::draft(&actor, KIND, deed) {
        Ok(draft) => draft,
        Err(verdict) => return verdict,
    };
    let report = Report {
        flags: report.flags | RecordFlags::DEVIATION,
        ..report
    };
    let record: *mut ModuleEvent = draft.begin(&actor, report);
    // SAFETY: scratch memory that this program took.
    unsafe {
        (*record).file = open.map_or_else(Default::default, |open| open.object);
        (*record).op = operation.op;
        (*record).path = StrRef::default();
        match open {
            Some(open) => {
                if let Some(root) = header::root(Kptr(actor.task as u64)) {
                    (*record).path = path::append(draft.scratch, open.location, root);
                }
            }
            None => (*record).path = operation.name.append(draft.scratch),
        }
    }
    // Elsewhere it is too late: a module runs before its loader could be ended.
    let can_deny = report.origin.means == RecordFlags::DENIED;
    let loads = operation.op == ModuleOp::INIT || operation.op == ModuleOp::FINIT;
    let verdict = escape::verdict(&actor, || can_deny && loads);
    draft.submit_judged(verdict, report.origin.means);
    verdict
}
