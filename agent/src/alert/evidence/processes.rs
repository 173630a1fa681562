//! Of processes, their rights, and the kernel itself.

use super::{Evidence, Near, names};
use crate::event::{
    Bpf, Call, Capable, ContainerOp, Credentials, CredentialsOp, Lifecycle, Module, ModuleOp, Namespaces,
    Ptrace, PtraceOp, Setns, Signal,
};

impl Evidence {
    pub(super) fn ptrace(&mut self, ptrace: &Ptrace, near: Near<'_>) {
        let operation = match ptrace.op {
            PtraceOp::PTRACE => "ptrace",
            PtraceOp::PROCESS_VM_READ => "process_vm_read",
            PtraceOp::PROCESS_VM_WRITE => "process_vm_write",
            PtraceOp::ACCESS_CHECK => "access_check",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.put("request", ptrace.request);
        self.put("target_host_pid", ptrace.target_tgid);
        self.target_container(ptrace.target_slot, near);
    }

    /// Whose slot it is. The event's own container may be gone when its alert is made: short-lived ones are.
    fn target_container(&mut self, slot: u32, near: Near<'_>) {
        let own = near
            .event
            .container
            .as_ref()
            .filter(|container| container.key.slot == slot);
        let container = own.cloned().or_else(|| near.neighbours.by_slot(slot));
        let id = container.map(|container| container.id.as_str().to_owned());
        self.put("target_container_id", id);
    }

    pub(super) fn setns(&mut self, setns: &Setns) {
        let named = |mask: u32| -> Vec<&str> {
            (0_u32..)
                .zip(Namespaces::NAMES)
                .filter(|(bit, _)| mask & (1 << bit) != 0)
                .map(|(_, name)| name)
                .collect()
        };
        self.put("host_namespaces", named(setns.host_mask));
        self.put("gained_namespaces", named(setns.gained_mask));
        self.put("nstype", setns.nstype);
    }

    pub(super) fn module(&mut self, module: &Module) {
        let operation = match module.op {
            ModuleOp::INIT => "init_module",
            ModuleOp::FINIT => "finit_module",
            ModuleOp::DELETE => "delete_module",
            ModuleOp::REQUEST => "request",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("module", &module.path);
        self.file(&module.file);
    }

    pub(super) fn bpf(&mut self, bpf: &Bpf) {
        self.put("cmd", bpf.cmd);
        self.put("subtype", bpf.subtype);
    }

    pub(super) fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        let operation = match lifecycle.op {
            ContainerOp::CREATED => "created",
            ContainerOp::LIVE => "live",
            ContainerOp::GONE => "gone",
            ContainerOp::LEFT => "left",
            _ => "unknown",
        };
        self.put("operation", operation);
        self.text("cgroup", &lifecycle.cgroup);
    }

    pub(super) fn signal(&mut self, signal: &Signal, near: Near<'_>) {
        self.put("signal", signal.signal);
        self.put("target_host_pid", signal.target_tgid);
        self.target_container(signal.target_slot, near);
    }

    pub(super) fn credentials(&mut self, credentials: &Credentials) {
        let operation = match credentials.op {
            CredentialsOp::SETUID => "setuid",
            CredentialsOp::CAPSET => "capset",
            CredentialsOp::AMBIENT => "ambient",
            _ => "unknown",
        };
        self.put("operation", operation);
        if credentials.op == CredentialsOp::SETUID {
            self.put("old_uid", credentials.old_uid);
            self.put("new_uid", credentials.new_uid);
        } else {
            self.put("capabilities_before", names::capabilities(credentials.before));
            self.put("capabilities", names::capabilities(credentials.after));
        }
    }

    pub(super) fn capable(&mut self, capable: &Capable) {
        self.put("capability", capable.name());
        self.put("user_namespace", capable.user_ns);
    }

    pub(super) fn call(&mut self, call: &Call) {
        self.put("name", call.call.name());
        self.put("args", call.args.to_vec());
        if !call.text.is_empty() {
            self.text("text", &call.text);
        }
    }
}
