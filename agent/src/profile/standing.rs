use super::Protocol;
use crate::event::KernelString;
use std::net::IpAddr;

/// What a container is doing at one moment: processes and listeners whose start nobody saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Executables of its processes.
    pub programs: Vec<KernelString>,
    pub listeners: Vec<StandingListener>,
}

/// A socket that waits for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingListener {
    pub proto: Protocol,
    pub address: IpAddr,
    pub port: u16,
    /// Of the process that holds it.
    pub exe: KernelString,
}
