//! What a container's policy says of a deed: asked once for each distinct one, when its record is there. See
//! `agent_common::policy` for the tables.

mod actor;
mod network;
mod path;

use crate::maps::POLICIES;
use crate::scratch::{self, Scratch};
use actor::{own_classes, parent_classes};
use agent_common::event::{ExecEvent, FileOpenEvent};
use agent_common::mode::{FMODE_READ, FMODE_WRITE};
use agent_common::policy::{
    ANYBODY, EVERY_POLICY, Form, PolicyEntry, PolicyKey, Section, Table, Verdict, decide,
};
use aya_ebpf::helpers::generated::bpf_send_signal;
use network::judge_net;
use path::{packed, path_entries, script};

const SIGKILL: u32 = 9;
/// What a call that is denied returns, negated.
pub const EPERM: i32 = 1;
/// Every class of actors.
const ANY_CLASS: u64 = ANYBODY - 1;
/// In place of the classes of an actor whom nobody knows.
const NOT_KNOWN: u64 = ANYBODY;

/// Of the EXEC record in the buffer.
#[inline(always)]
pub fn exec(scratch: *mut Scratch, policy: u16) -> Verdict {
    ask(policy, || judge_exec(scratch::number(scratch), u32::from(policy)))
}

/// Of the FILE_OPEN record in the buffer.
#[inline(always)]
pub fn open(scratch: *mut Scratch, policy: u16) -> Verdict {
    ask(policy, || judge_open(scratch::number(scratch), u32::from(policy)))
}

/// Of the BIND, LISTEN, CONNECT or SEND record in the buffer.
#[inline(always)]
pub fn net(scratch: *mut Scratch, policy: u16) -> Verdict {
    ask(policy, || judge_net(scratch::number(scratch), u32::from(policy)))
}

/// Of a capability that is used.
#[inline(always)]
pub fn capability(capability: u32, policy: u16) -> Verdict {
    ask(policy, || judge_capability(capability, u32::from(policy)))
}

/// A number beyond those that a profile can name is in none.
#[inline(always)]
fn judge_capability(capability: u32, policy: u32) -> u32 {
    let info = info(policy, Section::CAPABILITIES);
    if info == 0 {
        return Verdict::NONE.0;
    }
    let named = entry(&PolicyKey::single(policy, Table::CAPABILITIES));
    let allowed = if capability < u64::BITS && named >> capability & 1 != 0 {
        ANYBODY
    } else {
        0
    };
    decide(info, Section::CAPABILITIES, allowed, 0, 0).0
}

#[inline(always)]
fn ask(policy: u16, judge: impl FnOnce() -> u32) -> Verdict {
    if policy == 0 {
        Verdict::NONE
    } else {
        Verdict(judge())
    }
}

/// True when the profile does not know it.
#[inline(always)]
pub fn deviates(verdict: Verdict) -> bool {
    verdict.0 & Verdict::DEVIATION.0 != 0
}

/// True when the deed is to be denied.
#[inline(always)]
pub fn denies(verdict: Verdict) -> bool {
    verdict.0 & Verdict::DENY != 0
}

/// Ends the current process for what it did, where nothing could keep it from it.
#[inline(always)]
pub fn end(verdict: Verdict) {
    if denies(verdict) {
        // SAFETY: always valid. It fails for processes that are gone.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}

/// What an LSM program returns for it.
#[inline(always)]
pub fn errno(verdict: Verdict) -> i32 {
    if denies(verdict) { -EPERM } else { 0 }
}

/// What a cgroup program returns for it.
#[inline(always)]
pub fn permission(verdict: Verdict) -> i32 {
    i32::from(!denies(verdict))
}

#[inline(always)]
fn entry(key: &PolicyKey) -> u64 {
    form_entry(key, Form::EXACT)
}

#[inline(always)]
fn form_entry(key: &PolicyKey, form: Form) -> u64 {
    // SAFETY: a copy of a plain number.
    unsafe { POLICIES.get(key) }.map_or(0, |entry: &PolicyEntry| entry.of(form))
}

/// What the policy says of a section; 0: nothing.
#[inline(always)]
fn info(policy: u32, section: Section) -> u64 {
    let info = entry(&PolicyKey::single(policy, Table::INFO));
    if section.has(info, Section::JUDGES) {
        info
    } else {
        0
    }
}

/// Global, as the others here: see [`scratch::append_bytes`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_exec(buffer: u32, policy: u32) -> u32 {
    let info = info(policy, Section::EXEC);
    let Some(scratch) = scratch::taken(buffer).filter(|_| info != 0) else {
        return Verdict::NONE.0;
    };
    let record: *const ExecEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let path = unsafe { (*record).path };
    let mut allowed = path_entries(buffer, packed(path), policy, u32::from(Table::EXEC.0));
    if allowed & ANYBODY == 0 {
        let script = script(scratch);
        allowed |= path_entries(buffer, packed(script), policy, u32::from(Table::EXEC.0));
    }
    let actor = if needs_actor(allowed) {
        parent_classes(buffer, policy)
    } else {
        0
    };
    conclude(policy, info, Section::EXEC, allowed, actor)
}

/// An open for both is judged as both; one deviation is enough.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_open(buffer: u32, policy: u32) -> u32 {
    let Some(scratch) = scratch::taken(buffer) else {
        return Verdict::NONE.0;
    };
    let record: *const FileOpenEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let mode = unsafe { (*record).f_mode };
    let mut verdict = Verdict::NONE.0;
    if mode & FMODE_WRITE != 0 {
        verdict = judge_write(buffer, policy);
    }
    if mode & FMODE_READ != 0 && verdict & Verdict::DEVIATION.0 == 0 {
        verdict |= judge_read(buffer, policy);
    }
    verdict
}

/// Reading is judged of sensitive files only, and of those that the profile itself names.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_read(buffer: u32, policy: u32) -> u32 {
    let info = info(policy, Section::READ);
    let Some(scratch) = scratch::taken(buffer).filter(|_| info != 0) else {
        return Verdict::NONE.0;
    };
    let record: *const FileOpenEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let path = packed(unsafe { (*record).path });
    let allowed = path_entries(buffer, path, policy, u32::from(Table::READ.0));
    if allowed == 0 && path_entries(buffer, path, EVERY_POLICY, u32::from(Table::SENSITIVE.0)) == 0 {
        return Verdict::NONE.0;
    }
    let actor = actor(allowed, buffer, policy);
    conclude(policy, info, Section::READ, allowed, actor)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_write(buffer: u32, policy: u32) -> u32 {
    let info = info(policy, Section::WRITE);
    let Some(scratch) = scratch::taken(buffer).filter(|_| info != 0) else {
        return Verdict::NONE.0;
    };
    let record: *const FileOpenEvent = scratch::record(scratch).cast();
    // SAFETY: scratch memory that this program took.
    let path = unsafe { (*record).path };
    let allowed = path_entries(buffer, packed(path), policy, u32::from(Table::WRITE.0));
    let actor = actor(allowed, buffer, policy);
    conclude(policy, info, Section::WRITE, allowed, actor)
}

#[inline(always)]
fn needs_actor(allowed: u64) -> bool {
    allowed != 0 && allowed & ANYBODY == 0
}

/// Classes of the current task where it matters who does it.
#[inline(always)]
fn actor(allowed: u64, buffer: u32, policy: u32) -> u64 {
    if needs_actor(allowed) {
        own_classes(buffer, policy)
    } else {
        0
    }
}

/// The verdict of a section about which `allowed` may do something. `actor`: the classes of who does it.
#[inline(always)]
fn conclude(policy: u32, info: u64, section: Section, allowed: u64, actor: u64) -> u32 {
    let unresolved = if actor == NOT_KNOWN {
        ANY_CLASS
    } else {
        entry(&PolicyKey::single(policy, Table::UNRESOLVED))
    };
    decide(info, section, allowed, actor & !NOT_KNOWN, unresolved).0
}
