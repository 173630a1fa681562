//! A small reader of the kernel's type information (BTF): offsets of members, nothing else.
//!
//! Total: malformed data gives `None` or an error, never a panic. Only the position of each type is kept.

use std::collections::HashMap;
use std::path::Path;

use super::error::KernelError;
use super::feature::release;

/// Types of the running kernel.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// Modules whose types may stand apart (split BTF).
const MODULES: [&str; 1] = ["/sys/kernel/btf/overlay"];

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// Qualifiers that are looked through: typedef, volatile, const, restrict, type tag.
const KIND_QUALIFIERS: [u32; 5] = [8, 9, 10, 11, 18];
/// Anonymous structures within each other that are followed.
const MAX_NESTING: u32 = 8;

/// Type information of the kernel and of the modules that matter.
pub(super) struct KernelTypes {
    kernel: Btf,
    modules: Vec<Btf>,
}

impl KernelTypes {
    /// Reads the running kernel's. `wanted` names the structures that will be asked for.
    pub(super) fn read(wanted: &[&str]) -> Result<Self, KernelError> {
        let data = std::fs::read(VMLINUX).map_err(|source| KernelError::NoBtf {
            release: release(),
            source,
        })?;
        let kernel = Btf::parse(data, None, wanted).ok_or(KernelError::BadBtf)?;
        let modules = MODULES
            .iter()
            .filter(|path| Path::new(path).exists())
            .filter_map(|path| std::fs::read(path).ok())
            .filter_map(|data| Btf::parse(data, Some(&kernel), wanted))
            .collect();
        Ok(Self { kernel, modules })
    }

    /// Byte offset of `path` (`a.b.c`) in structure `name`; its size for [`agent_common::offsets::SIZE`].
    pub(super) fn offset(&self, name: &str, path: &str) -> Option<u32> {
        self.kernel.lookup(None, name, path).or_else(|| {
            self.modules
                .iter()
                .find_map(|module| module.lookup(Some(&self.kernel), name, path))
        })
    }

    /// Value of an enumerator of the kernel proper.
    pub(super) fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        self.kernel.enumerator(enumeration, name)
    }
}

/// One set of types; a module's refers to the kernel's for smaller ids and string offsets.
struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Position of each type, in the order of ids from `first_id`.
    positions: Vec<u32>,
    first_id: u32,
    first_string: u32,
    by_name: HashMap<String, u32>,
}

/// A member that was found: offset in bits, and its type.
struct Member {
    bits: u32,
    id: u32,
}

impl Btf {
    fn parse(data: Vec<u8>, base: Option<&Btf>, wanted: &[&str]) -> Option<Self> {
        let word = |at: usize| word(&data, at);
        if u16::try_from(word(0)? & 0xffff).ok()? != MAGIC {
            return None;
        }
        let header = word(4)? as usize;
        let types = header + word(8)? as usize;
        let end = types + word(12)? as usize;
        let mut btf = Self {
            strings: header + word(16)? as usize,
            positions: Vec::with_capacity((end - types) / 20),
            first_id: base.map_or(Some(1), Btf::next_id)?,
            first_string: base.map_or(Some(0), Btf::next_string)?,
            by_name: HashMap::new(),
            data,
        };
        btf.index(types, end, wanted)?;
        Some(btf)
    }

    fn index(&mut self, types: usize, end: usize, wanted: &[&str]) -> Option<()> {
        let mut at = types;
        while at < end {
            let (name, info) = (word(&self.data, at)?, word(&self.data, at + 4)?);
            let (kind, members) = (kind(info), members(info));
            if matches!(kind, KIND_STRUCT | KIND_UNION | 6) && name != 0 && name >= self.first_string {
                let text = self.own_string(name)?;
                if let Some(text) = wanted.iter().find(|wanted| wanted.as_bytes() == text) {
                    let id = self.next_id()?;
                    self.by_name.entry((*text).to_owned()).or_insert(id);
                }
            }
            self.positions.push(u32::try_from(at).ok()?);
            at += 12 + extra(kind, members)?;
        }
        Some(())
    }

    fn next_id(&self) -> Option<u32> {
        self.first_id
            .checked_add(u32::try_from(self.positions.len()).ok()?)
    }

    fn next_string(&self) -> Option<u32> {
        u32::try_from(self.data.len() - self.strings).ok()
    }

    fn own_string(&self, offset: u32) -> Option<&[u8]> {
        let start = self.strings + offset.checked_sub(self.first_string)? as usize;
        let tail = self.data.get(start..)?;
        Some(&tail[..tail.iter().position(|byte| *byte == 0)?])
    }

    fn string<'a>(&'a self, base: Option<&'a Btf>, offset: u32) -> Option<&'a [u8]> {
        if offset >= self.first_string {
            self.own_string(offset)
        } else {
            base?.own_string(offset)
        }
    }

    /// The set that holds type `id`, and its position there.
    fn locate<'a>(&'a self, base: Option<&'a Btf>, id: u32) -> Option<(&'a Btf, usize)> {
        let set = if id >= self.first_id { self } else { base? };
        let index = id.checked_sub(set.first_id)? as usize;
        Some((set, *set.positions.get(index)? as usize))
    }

    fn lookup(&self, base: Option<&Btf>, name: &str, path: &str) -> Option<u32> {
        let mut id = *self.by_name.get(name)?;
        if path == agent_common::offsets::SIZE {
            let (set, at) = self.locate(base, id)?;
            return word(&set.data, at + 8);
        }
        let mut bits = 0;
        for part in path.split('.') {
            let member = self.member(base, self.resolve(base, id)?, part.as_bytes(), MAX_NESTING)?;
            bits += member.bits;
            id = member.id;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Looks through qualifiers and typedefs.
    fn resolve(&self, base: Option<&Btf>, mut id: u32) -> Option<u32> {
        for _ in 0..16 {
            let (set, at) = self.locate(base, id)?;
            if !KIND_QUALIFIERS.contains(&kind(word(&set.data, at + 4)?)) {
                return Some(id);
            }
            id = word(&set.data, at + 8)?;
        }
        None
    }

    /// Finds a member, also inside anonymous structures and unions.
    fn member(&self, base: Option<&Btf>, id: u32, name: &[u8], depth: u32) -> Option<Member> {
        let (set, at) = self.locate(base, id)?;
        let own_base = if std::ptr::eq(set, self) { base } else { None };
        let info = word(&set.data, at + 4)?;
        if !matches!(kind(info), KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let bitfields = info >> 31 == 1;
        for index in 0..members(info) {
            let entry = at + 12 + index * 12;
            let (text, id, offset) = (
                word(&set.data, entry)?,
                word(&set.data, entry + 4)?,
                word(&set.data, entry + 8)?,
            );
            let bits = if bitfields { offset & 0xff_ffff } else { offset };
            if text != 0 {
                if set.string(own_base, text)? == name {
                    return Some(Member { bits, id });
                }
                continue;
            }
            if depth == 0 {
                continue;
            }
            let inner = self.resolve(base, id)?;
            if let Some(found) = self.member(base, inner, name, depth - 1) {
                return Some(Member {
                    bits: bits + found.bits,
                    id: found.id,
                });
            }
        }
        None
    }

    fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        let (set, at) = self.locate(None, *self.by_name.get(enumeration)?)?;
        for index in 0..members(word(&set.data, at + 4)?) {
            let entry = at + 12 + index * 8;
            if set.own_string(word(&set.data, entry)?)? == name.as_bytes() {
                return word(&set.data, entry + 4);
            }
        }
        None
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn members(info: u32) -> usize {
    (info & 0xffff) as usize
}

/// Bytes that follow a type's common part.
fn extra(kind: u32, members: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => members * 12,
        6 | 13 => members * 8,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_and_foreign_data_is_no_btf() {
        assert!(Btf::parse(Vec::new(), None, &[]).is_none());
        assert!(Btf::parse(vec![0x7f; 64], None, &[]).is_none());
        let mut header = vec![0u8; 24];
        header[..2].copy_from_slice(&MAGIC.to_ne_bytes());
        header[4..8].copy_from_slice(&24u32.to_ne_bytes());
        header[12..16].copy_from_slice(&4096u32.to_ne_bytes());
        assert!(Btf::parse(header, None, &[]).is_none());
    }

    #[test]
    fn members_of_nested_and_anonymous_structures_are_found() {
        let Ok(types) = KernelTypes::read(&["task_struct", "inode"]) else {
            // skipped: this kernel has no BTF
            return;
        };
        assert!(types.offset("task_struct", "tgid").is_some());
        assert!(types.offset("inode", "i_nlink").is_some());
        assert_eq!(types.offset("inode", "no_such_member"), None);
    }
}
