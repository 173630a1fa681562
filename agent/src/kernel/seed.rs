//! What procfs tells of processes: the lineage of those that run before the sensor, so that ancestries reach back to init, and arguments
//! that the kernel half could not read.

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

/// Adds the arguments of a process that still executes what the entry says. One that is gone keeps none.
pub(super) fn add_arguments(entry: &mut LineageEntry) {
    let pid = entry.head.tgid;
    let Ok(args) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return;
    };
    let executes = stat(pid).map(|(_, start)| (start, file(pid).ino));
    if executes == Some((entry.head.start_boot_ns / tick_ns(), entry.head.file.ino)) {
        put_arguments(entry, &args);
    }
}

fn put_arguments(entry: &mut LineageEntry, args: &[u8]) {
    (entry.head.args_len, entry.head.flags) = put::<LINEAGE_ARGS>(
        args,
        &mut entry.args,
        entry.head.flags,
        LineageFlags::ARGS_TRUNCATED,
    );
}

/// Parent and start, in ticks of procfs since boot.
fn stat(pid: u32) -> Option<(u32, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything, parentheses too: fields count from the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

/// What procfs tells of a process (of the container in `slot`, or of the host); `None` when it is gone, or a thread of the kernel.
fn read(pid: u32, slot: Option<SlotRef>) -> Option<LineageEntry> {
    let (parent, start_ticks) = stat(pid)?;
    let args = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let exe = executable(pid, &args)?;
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let mut entry = LineageEntry::new_zeroed();
    entry.head.parent = if parent == 0 { 0 } else { exec_id(parent) };
    entry.head.start_boot_ns = start_ticks.saturating_mul(tick_ns());
    entry.head.time_boot_ns = entry.head.start_boot_ns;
    entry.head.tgid = pid;
    (entry.head.uid, entry.head.ns_tgid) = status(pid).unwrap_or((0, pid));
    (entry.head.slot, entry.head.generation) = slot.map_or((NO_SLOT, 0), |slot| (slot.slot, slot.generation));
    entry.head.file = file(pid);
    entry.head.flags = LineageFlags::FROM_PROCFS;
    (entry.head.path_len, entry.head.flags) = put::<LINEAGE_PATH>(
        &exe,
        &mut entry.path,
        entry.head.flags,
        LineageFlags::PATH_TRUNCATED,
    );
    put_arguments(&mut entry, &args);
    (entry.head.cwd_len, entry.head.flags) = put::<LINEAGE_CWD>(
        cwd.as_os_str().as_bytes(),
        &mut entry.cwd,
        entry.head.flags,
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

fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
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
        assert_eq!(
            (entry.head.slot, entry.head.generation, entry.head.tgid),
            (7, 2, own)
        );
        assert!(entry.head.args_len > 0 && entry.head.path_len > 0);
        assert_eq!(read(own, None).unwrap().head.slot, NO_SLOT);
    }

    #[test]
    fn arguments_are_added_of_the_image_that_is_meant() {
        let entry = read(std::process::id(), None).unwrap();
        let without = |change: fn(&mut LineageEntry)| {
            let mut entry = entry;
            entry.head.args_len = 0;
            change(&mut entry);
            add_arguments(&mut entry);
            entry.head.args_len
        };
        assert_eq!(without(|_| ()), entry.head.args_len);
        assert_eq!(without(|entry| entry.head.file.ino += 1), 0, "another image");
        assert_eq!(
            without(|entry| entry.head.start_boot_ns += 1_000_000_000),
            0,
            "another process"
        );
        assert_eq!(without(|entry| entry.head.tgid = u32::MAX), 0, "gone");
    }
}
