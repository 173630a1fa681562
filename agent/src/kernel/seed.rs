//! Processes that run before the sensor: their lineage from procfs, so that ancestries reach back to init.

use super::lineage::KernelLineage;
use super::slots::Slots;
use agent_common::event::FileObject;
use agent_common::limits::{LINEAGE_ARGS, LINEAGE_CWD, LINEAGE_PATH};
use agent_common::lineage::{EXEC_ID_FROM_PROCFS, LineageEntry, LineageFlags};
use agent_common::slot::{NO_SLOT, SlotRef};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use zerocopy::FromZeros;

/// Writes an entry for every process that has none; those of containers carry the slot that the scan gave them. Returns
/// how many did not fit.
pub(super) fn write(lineage: &mut KernelLineage, slots: &Slots) -> usize {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let processes = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .collect::<Vec<_>>();
    let mut left_out = 0;
    for pid in processes {
        if !lineage.is_planted(pid)
            && let Some(entry) = read(pid, slots.of_process(pid))
            && !lineage.plant(exec_id(pid), &entry)
        {
            left_out += 1;
        }
    }
    left_out
}

/// Exec id of a process that ran before the sensor.
fn exec_id(pid: u32) -> u64 {
    EXEC_ID_FROM_PROCFS | u64::from(pid)
}

/// What procfs tells of a process (of the container in `slot`, or of the host); `None` when it is gone, or a thread of the kernel.
fn read(pid: u32, slot: Option<SlotRef>) -> Option<LineageEntry> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything, parentheses too: fields count from the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let parent: u32 = fields.get(1)?.parse().ok()?;
    let start_ticks: u64 = fields.get(19)?.parse().ok()?;
    let args = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let exe = executable(pid, &args)?;
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let mut entry = LineageEntry::new_zeroed();
    entry.parent = if parent == 0 { 0 } else { exec_id(parent) };
    entry.start_boot_ns = start_ticks.saturating_mul(1_000_000_000 / ticks_per_second());
    entry.time_boot_ns = entry.start_boot_ns;
    entry.tgid = pid;
    (entry.uid, entry.ns_tgid) = status(pid).unwrap_or((0, pid));
    (entry.slot, entry.generation) = slot.map_or((NO_SLOT, 0), |slot| (slot.slot, slot.generation));
    entry.file = file(pid);
    entry.flags = LineageFlags::FROM_PROCFS;
    (entry.path_len, entry.flags) =
        put::<LINEAGE_PATH>(&exe, &mut entry.path, entry.flags, LineageFlags::PATH_TRUNCATED);
    (entry.args_len, entry.flags) =
        put::<LINEAGE_ARGS>(&args, &mut entry.args, entry.flags, LineageFlags::ARGS_TRUNCATED);
    (entry.cwd_len, entry.flags) = put::<LINEAGE_CWD>(
        cwd.as_os_str().as_bytes(),
        &mut entry.cwd,
        entry.flags,
        LineageFlags::CWD_TRUNCATED,
    );
    Some(entry)
}

/// Path of the executable; of a process that hides it (another user namespace, a hardened init), the name it was
/// called by. `None`: a thread of the kernel has none.
fn executable(pid: u32, args: &[u8]) -> Option<Vec<u8>> {
    match std::fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(path) => {
            let path = path.as_os_str().as_bytes();
            Some(path.strip_suffix(b" (deleted)").unwrap_or(path).to_vec())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(_) => Some(args.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
    }
}

fn put<const N: usize>(text: &[u8], field: &mut [u8; N], flags: u32, cut: u32) -> (u16, u32) {
    let len = text.len().min(N);
    field[..len].copy_from_slice(&text[..len]);
    let flags = if text.len() > N { flags | cut } else { flags };
    (u16::try_from(len).unwrap_or(0), flags)
}

fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// Effective uid, and the process id in the innermost namespace.
fn status(pid: u32) -> Option<(u32, u32)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::split_whitespace)
    };
    let uid = field("Uid:")?.nth(1)?.parse().ok()?;
    let ns_tgid = field("NStgid:")
        .and_then(Iterator::last)
        .and_then(|pid| pid.parse().ok());
    Some((uid, ns_tgid.unwrap_or(pid)))
}

/// Identity of the executable, as far as stat(2) tells it.
fn file(pid: u32) -> FileObject {
    let Ok(metadata) = std::fs::metadata(format!("/proc/{pid}/exe")) else {
        return FileObject::default();
    };
    FileObject {
        ino: metadata.ino(),
        dev: kernel_device(metadata.dev()),
        mode: u16::try_from(metadata.mode() & 0xffff).unwrap_or(0),
        nlink: u32::try_from(metadata.nlink()).unwrap_or(u32::MAX),
        uid: metadata.uid(),
        ..FileObject::default()
    }
}

/// From stat(2)'s encoding to the kernel's: major << 20 | minor.
fn kernel_device(dev: u64) -> u32 {
    rustix::fs::major(dev) << 20 | rustix::fs::minor(dev)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_whose_the_process_is() {
        let own = std::process::id();
        let slot = SlotRef {
            slot: 7,
            generation: 2,
        };
        let entry = read(own, Some(slot)).unwrap();
        assert_eq!((entry.slot, entry.generation, entry.tgid), (7, 2, own));
        assert!(entry.args_len > 0 && entry.path_len > 0);
        assert_eq!(read(own, None).unwrap().slot, NO_SLOT);
    }
}
