//! What root of another process can do to the sensor's maps and links: by their ids.

use crate::lab::raw::check;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const MAP_UPDATE_ELEM: i64 = 2;
const MAP_DELETE_ELEM: i64 = 3;
const MAP_GET_NEXT_KEY: i64 = 4;
const MAP_GET_FD_BY_ID: i64 = 14;
const LINK_GET_FD_BY_ID: i64 = 30;
const LINK_DETACH: i64 = 34;

/// `union bpf_attr`, as words.
fn bpf(command: i64, attributes: &[u64]) -> io::Result<i64> {
    // SAFETY: the kernel reads as many bytes as the size says; addresses among them are of memory that outlives the call, as large as
    // the map's keys and values.
    check(unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_ptr(),
            size_of_val(attributes),
        )
    })
}

fn by_id(command: i64, id: u32) -> io::Result<OwnedFd> {
    let number = bpf(command, &[id.into(), 0])?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(number).unwrap_or(-1)) })
}

fn number(descriptor: &OwnedFd) -> u64 {
    u64::try_from(descriptor.as_raw_fd()).unwrap_or(u64::MAX)
}

/// A map of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) id: u32,
    /// `BPF_MAP_TYPE_*`.
    pub(crate) kind: u32,
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    pub(crate) entries: u32,
}

impl Map {
    /// Writes zeros to the entry whose key is zeros.
    pub(crate) fn write(&self) -> io::Result<()> {
        let (map, key, value) = (
            self.open()?,
            vec![0u8; self.key_size.max(8)],
            vec![0u8; self.value_size.max(8)],
        );
        bpf(
            MAP_UPDATE_ELEM,
            &[number(&map), key.as_ptr() as u64, value.as_ptr() as u64, 0],
        )
        .map(drop)
    }

    /// Deletes the entry.
    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<()> {
        let (map, mut bytes) = (self.open()?, vec![0u8; self.key_size.max(8)]);
        bytes[..key.len()].copy_from_slice(key);
        bpf(MAP_DELETE_ELEM, &[number(&map), bytes.as_ptr() as u64, 0, 0]).map(drop)
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> io::Result<usize> {
        let map = self.open()?;
        let (mut last, mut next) = (vec![0u8; self.key_size.max(8)], vec![0u8; self.key_size.max(8)]);
        for count in 0.. {
            let after = if count == 0 { 0 } else { last.as_ptr() as u64 };
            match bpf(
                MAP_GET_NEXT_KEY,
                &[number(&map), after, next.as_mut_ptr() as u64, 0],
            ) {
                Ok(_) => std::mem::swap(&mut last, &mut next),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(usize::MAX)
    }

    fn open(&self) -> io::Result<OwnedFd> {
        by_id(MAP_GET_FD_BY_ID, self.id)
    }
}

/// Detaches a link.
pub(crate) fn detach(link: u32) -> io::Result<()> {
    let link = by_id(LINK_GET_FD_BY_ID, link)?;
    bpf(LINK_DETACH, &[number(&link)]).map(drop)
}

/// Fields of this process's descriptors, as procfs shows them.
fn descriptors() -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir("/proc/self/fdinfo")?;
    // One of them is the folder's own and gone by now.
    Ok(entries
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .collect())
}

fn field<T: std::str::FromStr>(text: &str, name: &str) -> Option<T> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| *field == name)?.1.trim().parse().ok()
}

/// Maps that this process holds, each once.
pub(crate) fn maps() -> io::Result<Vec<Map>> {
    let map = |text: &String| {
        Some(Map {
            id: field(text, "map_id")?,
            kind: field(text, "map_type")?,
            key_size: field(text, "key_size")?,
            value_size: field(text, "value_size")?,
            entries: field(text, "max_entries")?,
        })
    };
    let mut maps: Vec<Map> = descriptors()?.iter().filter_map(map).collect();
    maps.sort_by_key(|map| map.id);
    maps.dedup();
    Ok(maps)
}

/// Links to a cgroup that this process holds: their ids, of those attached.
pub(crate) fn cgroup_links() -> io::Result<Vec<u32>> {
    let link = |text: &String| {
        let attached = field::<u64>(text, "cgroup_id")? != 0;
        attached.then(|| field(text, "link_id")).flatten()
    };
    Ok(descriptors()?.iter().filter_map(link).collect())
}

/// Bytes of kernel memory that the maps take, as the kernel says.
pub(crate) fn memory() -> io::Result<u64> {
    let mut maps: Vec<(u32, u64)> = descriptors()?
        .iter()
        .filter_map(|text| Some((field(text, "map_id")?, field(text, "memlock")?)))
        .collect();
    maps.sort_unstable();
    maps.dedup();
    Ok(maps.iter().map(|(_, bytes)| bytes).sum())
}
