//! Giving back what loading took.

use rustix::mm::{Advice, madvise};
use std::fs;

/// Type information and objects took tens of megabytes for a moment; the allocator would keep half of it for good. And of the
/// program's own code most ran for the last time, its constants (the kernel half among them) were read for it.
pub(super) fn return_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time from any thread; it frees only what nobody uses.
    unsafe {
        libc::malloc_trim(0);
    }
    for (start, length) in own_pages() {
        // SAFETY: the range is a mapping of the executable's file that was never written, so dropped pages come back from the file
        // as they were, also under a thread that runs there.
        let dropped = unsafe { madvise(start as *mut _, length, Advice::LinuxDontNeed) };
        if let Err(error) = dropped {
            tracing::debug!(%error, "the code that ran at start stays in memory");
        }
    }
}

/// Where the executable's code and constants are mapped, and how long they are.
fn own_pages() -> Vec<(usize, usize)> {
    let (Ok(maps), Ok(own)) = (
        fs::read_to_string("/proc/self/maps"),
        fs::read_link("/proc/self/exe"),
    ) else {
        return Vec::new();
    };
    let own = own.to_string_lossy().into_owned();
    maps.lines()
        .filter(|line| line.ends_with(&own) && is_as_in_the_file(line))
        .filter_map(range)
        .collect()
}

/// Code, or the file's first part. Other parts that cannot be written are addresses that the dynamic linker wrote before: dropped, they
/// would come back without them.
fn is_as_in_the_file(line: &str) -> bool {
    let mut fields = line.split_ascii_whitespace().skip(1);
    match (fields.next(), fields.next()) {
        (Some("r-xp"), Some(_)) => true,
        (Some("r--p"), Some(offset)) => offset.bytes().all(|digit| digit == b'0'),
        _ => false,
    }
}

fn range(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    Some((start, end.checked_sub(start)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_code_is_found_and_still_runs_after_it_was_dropped() {
        let here = this_code_is_found_and_still_runs_after_it_was_dropped as *const () as usize;
        let found = own_pages()
            .into_iter()
            .any(|(start, length)| (start..start + length).contains(&here));
        assert!(found);
        return_memory();
        assert!(is_as_in_the_file("1000-3000 r--p 00000000 fe:00 7 /agent"));
        assert!(!is_as_in_the_file("1000-3000 r--p 00002000 fe:00 7 /agent"));
        assert!(!is_as_in_the_file("1000-3000 rw-p 00000000 fe:00 7 /agent"));
        assert_eq!(range("1000-3000 r-xp"), Some((0x1000, 0x2000)));
    }
}
