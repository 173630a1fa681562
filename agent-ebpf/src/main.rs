//! Vigia's kernel programs. Built for `bpfel-unknown-none` by `cargo xtask build`.
//!
//! Every program follows one path: whose task is it ([`task::enter`]), is the behaviour known
//! ([`emit::admit`]), and only then the expensive part: record, paths, arguments. Errors allow and are
//! counted; every invocation for a container has exactly one outcome in the books.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]
#![allow(
    unsafe_code,
    reason = "kernel memory, helpers and map values are raw pointers; the verifier checks each access"
)]

mod arguments;
mod atomic;
mod behaviours;
mod cgroup;
mod count;
mod directory;
mod dns;
mod emit;
mod escape;
mod file;
mod global;
mod hash;
mod header;
mod heartbeat;
mod hooks;
mod kernel;
mod label;
mod lineage;
mod maps;
mod message;
mod namespaces;
mod path;
mod policy;
mod process;
mod procfs;
mod quota;
mod scratch;
mod slot;
mod socket;
mod stdio;
mod storage;
mod syscall;
mod task;
mod text;
mod unix;
mod user;

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
