//! What a run of a program costs that does nothing, most of it the statistics' own reading of the clock.

use super::arena::Arena;
use super::kernel_time::spent;
use super::workload::Workload;
use anyhow::{Context, Result};
use aya::Ebpf;
use aya::programs::RawTracePoint;
use object::write::{Object, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

const NAME: &str = "nothing";
/// Where it is attached: the agent's busiest hook.
const TRACEPOINT: &str = "sys_exit";
/// `r0 = 0; exit`.
const INSTRUCTIONS: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// Nanoseconds, while `workload` runs. The statistics must be on.
pub(crate) fn measure(arena: &Arena, workload: &Workload) -> Result<f64> {
    let mut program = Ebpf::load(&object_file()?).context("an empty program does not load")?;
    let nothing: &mut RawTracePoint = program.program_mut(NAME).context("it is lost")?.try_into()?;
    nothing.load()?;
    nothing.attach(TRACEPOINT)?;
    let spent = spent(std::process::id(), arena, workload)?;
    Ok(spent.ns / spent.runs)
}

/// The program as a compiler would hand it over.
fn object_file() -> Result<Vec<u8>> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
    let license = object.add_section(Vec::new(), b"license".to_vec(), SectionKind::Data);
    object.append_section_data(license, b"GPL\0", 1);
    let name = format!("raw_tp/{TRACEPOINT}").into_bytes();
    let code = object.add_section(Vec::new(), name, SectionKind::Text);
    object.append_section_data(code, &INSTRUCTIONS, 8);
    object.add_symbol(Symbol {
        name: NAME.as_bytes().to_vec(),
        value: 0,
        size: INSTRUCTIONS.len() as u64,
        kind: SymbolKind::Text,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(code),
        flags: SymbolFlags::None,
    });
    Ok(object.write()?)
}
