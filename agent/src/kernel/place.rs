//! Puts one program in its place, and takes it out.

use super::backend::{Attach, Hook};
use super::error::KernelError;
use super::feature::Features;
use aya::programs::cgroup_skb::CgroupSkbLinkId;
use aya::programs::cgroup_sock_addr::CgroupSockAddrLinkId;
use aya::programs::sock_ops::SockOpsLinkId;
use aya::programs::{CgroupAttachMode, Program, ProgramError, ProgramFd};
use aya::sys::SyscallError;
use aya::{Btf, Ebpf};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// By program: the cgroup, and the link to it, which others can detach.
pub(super) type CgroupLinks = BTreeMap<&'static str, (OwnedFd, CgroupLink)>;

/// A link to a cgroup, by the type of program.
pub(super) enum CgroupLink {
    SockAddr(CgroupSockAddrLinkId),
    SockOps(SockOpsLinkId),
    Skb(CgroupSkbLinkId),
}

/// Loads a program that is no handler of system calls, and attaches it; of one at a cgroup with its link.
pub(super) fn place(
    ebpf: &mut Ebpf,
    btf: &Btf,
    features: &Features,
    hook: &Hook,
) -> Result<Option<(OwnedFd, CgroupLink)>, ProgramError> {
    let program = ebpf
        .program_mut(hook.program)
        .ok_or(ProgramError::UnexpectedProgramType)?;
    match (hook.attach, program) {
        (Attach::Tracepoint(name), Program::BtfTracePoint(program)) => {
            program.load(name, btf)?;
            program.attach()?;
        }
        (Attach::Lsm(name), Program::Lsm(program)) => {
            program.load(name, btf)?;
            program.attach()?;
        }
        (Attach::Fentry(name), Program::FEntry(program)) => {
            program.load(name, btf)?;
            program.attach()?;
        }
        (Attach::Fexit(name), Program::FExit(program)) => {
            program.load(name, btf)?;
            program.attach()?;
        }
        (Attach::Shared, Program::BtfTracePoint(program)) => {
            program.fd()?;
        }
        (Attach::CgroupRoot, program) => {
            load_for_cgroup(program)?;
            let root = cgroup2_root(features)?;
            let link = attach_to_cgroup(program, root.as_fd())?;
            return Ok(Some((root, link)));
        }
        _ => return Err(ProgramError::UnexpectedProgramType),
    }
    Ok(None)
}

/// Loads a program that only [`super::bpf::run`] runs.
pub(super) fn unattached(ebpf: &mut Ebpf, name: &'static str) -> Result<ProgramFd, KernelError> {
    let load = |ebpf: &mut Ebpf| -> Result<ProgramFd, ProgramError> {
        let Some(Program::RawTracePoint(program)) = ebpf.program_mut(name) else {
            return Err(ProgramError::UnexpectedProgramType);
        };
        match program.load() {
            Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(error),
        }
        Ok(program.fd()?.try_clone()?)
    };
    load(ebpf).map_err(|error| KernelError::Identity {
        program: name,
        reason: error.to_string(),
    })
}

fn load_for_cgroup(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::CgroupSockAddr(program) => program.load(),
        Program::SockOps(program) => program.load(),
        Program::CgroupSkb(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

/// A link may share its place with others always; the kernel refuses flags that say so.
pub(super) fn attach_to_cgroup(
    program: &mut Program,
    root: BorrowedFd<'_>,
) -> Result<CgroupLink, ProgramError> {
    match program {
        Program::CgroupSockAddr(program) => {
            let link = program.attach(root, CgroupAttachMode::Single)?;
            Ok(CgroupLink::SockAddr(link))
        }
        Program::SockOps(program) => {
            let link = program.attach(root, CgroupAttachMode::Single)?;
            Ok(CgroupLink::SockOps(link))
        }
        Program::CgroupSkb(program) => {
            let direction = program
                .expected_attach_type()
                .ok_or(ProgramError::UnexpectedProgramType)?;
            let link = program.attach(root, direction, CgroupAttachMode::Single)?;
            Ok(CgroupLink::Skb(link))
        }
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

pub(super) fn detach_from_cgroup(program: &mut Program, link: CgroupLink) -> Result<(), ProgramError> {
    match (program, link) {
        (Program::CgroupSockAddr(program), CgroupLink::SockAddr(link)) => program.detach(link),
        (Program::SockOps(program), CgroupLink::SockOps(link)) => program.detach(link),
        (Program::CgroupSkb(program), CgroupLink::Skb(link)) => program.detach(link),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn cgroup2_root(features: &Features) -> Result<OwnedFd, SyscallError> {
    features.cgroup2_root().map_err(|io_error| SyscallError {
        call: "open of the cgroup2 root",
        io_error,
    })
}

pub(super) fn unload(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::BtfTracePoint(program) => program.unload(),
        Program::Lsm(program) => program.unload(),
        Program::FEntry(program) => program.unload(),
        Program::FExit(program) => program.unload(),
        Program::CgroupSockAddr(program) => program.unload(),
        Program::RawTracePoint(program) => program.unload(),
        Program::SockOps(program) => program.unload(),
        Program::CgroupSkb(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
