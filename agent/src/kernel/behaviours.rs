//! The cache of behaviours that left the kernel. Closed to every writer but programs: what the daemon takes out a program takes out for it.

use super::bpf;
use super::error::KernelError;
use agent_common::behaviour::{BehaviourKey, BehaviourValue};
use aya::Ebpf;
use aya::maps::{HashMap, MapData};
use aya::programs::{Program, ProgramError, ProgramFd};
use std::io;
use std::os::fd::AsFd;
use zerocopy::IntoBytes;

const PROGRAM: &str = "forget";

pub(super) struct Behaviours {
    map: HashMap<MapData, BehaviourKey, BehaviourValue>,
    forget: ProgramFd,
}

impl Behaviours {
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            map: super::map(ebpf, "BEHAVIOURS", HashMap::try_from)?,
            forget: load(ebpf).map_err(|error| KernelError::Identity {
                program: PROGRAM,
                reason: error.to_string(),
            })?,
        })
    }

    /// What was counted; `None` when the behaviour was evicted, or never there.
    pub(super) fn counted(&self, key: &BehaviourKey) -> Option<BehaviourValue> {
        self.map.get(key, 0).ok()
    }

    /// Takes it out; one that is not there is ignored.
    pub(super) fn forget(&self, key: &BehaviourKey) -> io::Result<()> {
        let (words, _) = key.as_bytes().as_chunks();
        let words: Vec<u64> = words.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        bpf::run(self.forget.as_fd(), &words)
    }
}

/// It is never attached.
fn load(ebpf: &mut Ebpf) -> Result<ProgramFd, ProgramError> {
    let Some(Program::RawTracePoint(program)) = ebpf.program_mut(PROGRAM) else {
        return Err(ProgramError::UnexpectedProgramType);
    };
    program.load()?;
    Ok(program.fd()?.try_clone()?)
}
