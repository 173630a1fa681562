//! Empty on purpose: it lets the workspace hold the package without building BPF code for the host.
#![no_std]
