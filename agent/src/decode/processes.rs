//! Records about processes, their rights, and the kernel itself.

use super::{DecodeError, Record};
use crate::event::{Bpf, Call, Capable, Credentials, Exec, ExecId, Lifecycle, Module, Ptrace, Setns, Signal};
use agent_common::event::{
    BpfEvent, CapableEvent, ContainerEvent, CredentialsEvent, ExecEvent, ModuleEvent, PtraceEvent,
    SetnsEvent, SignalEvent, SyscallEvent,
};

impl Record<'_> {
    pub(super) fn exec(self) -> Result<Exec, DecodeError> {
        let event: ExecEvent = self.fixed()?;
        Ok(Exec {
            parent: ExecId(event.parent_exec_id),
            file: event.file,
            stdio: event.stdio,
            stdio_peer: event.stdio_peer,
            path: self.text(event.path)?,
            filename: self.text(event.filename)?,
            args: self.text(event.args)?,
            cwd: self.text(event.cwd)?,
        })
    }

    pub(super) fn ptrace(self) -> Result<Ptrace, DecodeError> {
        let event: PtraceEvent = self.fixed()?;
        Ok(Ptrace {
            op: event.op,
            request: event.request,
            target_tgid: event.target_tgid,
            target_slot: event.target_slot,
            target: ExecId(event.target_exec_id),
        })
    }

    pub(super) fn setns(self) -> Result<Setns, DecodeError> {
        let event: SetnsEvent = self.fixed()?;
        Ok(Setns {
            namespaces: event.namespaces,
            nstype: event.nstype,
            host_mask: event.host_mask,
            gained_mask: event.gained_mask,
        })
    }

    pub(super) fn module(self) -> Result<Module, DecodeError> {
        let event: ModuleEvent = self.fixed()?;
        Ok(Module {
            op: event.op,
            file: event.file,
            path: self.text(event.path)?,
        })
    }

    pub(super) fn bpf(self) -> Result<Bpf, DecodeError> {
        let event: BpfEvent = self.fixed()?;
        Ok(Bpf {
            cmd: event.cmd,
            subtype: event.subtype,
        })
    }

    pub(super) fn lifecycle(self) -> Result<Lifecycle, DecodeError> {
        let event: ContainerEvent = self.fixed()?;
        Ok(Lifecycle {
            op: event.op,
            slot_flags: event.slot_flags,
            id: self.text(event.id)?,
            cgroup: self.text(event.cgroup)?,
        })
    }

    pub(super) fn signal(self) -> Result<Signal, DecodeError> {
        let event: SignalEvent = self.fixed()?;
        Ok(Signal {
            signal: event.signal,
            target_tgid: event.target_tgid,
            target_slot: event.target_slot,
            target: ExecId(event.target_exec_id),
        })
    }

    pub(super) fn credentials(self) -> Result<Credentials, DecodeError> {
        let event: CredentialsEvent = self.fixed()?;
        let known = |uid: u32| (uid != CredentialsEvent::UNKNOWN).then_some(uid);
        Ok(Credentials {
            op: event.op,
            old_uid: known(event.old_uid),
            new_uid: known(event.new_uid),
            before: event.before,
            after: event.after,
        })
    }

    pub(super) fn capable(self) -> Result<Capable, DecodeError> {
        let event: CapableEvent = self.fixed()?;
        Ok(Capable {
            capability: event.capability,
            user_ns: event.user_ns,
        })
    }

    pub(super) fn call(self) -> Result<Call, DecodeError> {
        let event: SyscallEvent = self.fixed()?;
        Ok(Call {
            call: event.call,
            args: event.args,
            text: self.text(event.text)?,
        })
    }
}
