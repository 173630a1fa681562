//! The kernel programs, embedded by the build.

/// Aligned as an ELF reader expects it.
#[repr(C, align(8))]
struct Aligned<Bytes: ?Sized>(Bytes);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/agent-ebpf")));

/// The object; empty when the agent was built without it.
pub(super) fn bytes() -> &'static [u8] {
    &OBJECT.0
}
