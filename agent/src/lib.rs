//! Vigia's daemon.
#![deny(unsafe_code)]

pub mod decode;
pub mod event;
pub mod container {
    #[derive(Debug)]
    pub struct Container;
}
pub mod process {
    #[derive(Debug)]
    pub struct Process;
}
