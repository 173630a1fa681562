//! Text of `/proc/PID/*` → fields. Pure: whoever seeds the lineage at start reads the files.

/// Fields of `/proc/PID/stat` that lineage needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    pub parent_pid: u32,
    /// Since boot, in clock ticks (`sysconf(_SC_CLK_TCK)`, 100 per second).
    pub start_ticks: u64,
}

impl Stat {
    /// Start of the process on the boot clock; `ticks_per_second` is never 0 on Linux.
    #[must_use]
    pub fn start_boot_ns(self, ticks_per_second: u64) -> u64 {
        let ns_per_tick = 1_000_000_000 / ticks_per_second.max(1);
        self.start_ticks.saturating_mul(ns_per_tick)
    }
}

/// Parses `/proc/PID/stat`. The thread's name, which the process chooses, may hold blanks, parentheses and
/// any byte: fields count from the last `)`.
#[must_use]
pub fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    Some(Stat {
        pid: pid.parse().ok()?,
        // Field 4; the first one after the name is 3.
        parent_pid: fields.nth(1)?.parse().ok()?,
        // Field 22.
        start_ticks: fields.nth(17)?.parse().ok()?,
    })
}

/// The last number of a `/proc/PID/status` line such as `NSpid:`: the value in the innermost namespace.
#[must_use]
pub fn innermost_pid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

/// Effective uid from `/proc/PID/status`.
#[must_use]
pub fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The arguments of `/proc/PID/cmdline`, at most `limit` bytes; true when they were cut.
#[must_use]
pub fn arguments(cmdline: &[u8], limit: usize) -> (&[u8], bool) {
    let cmdline = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    (&cmdline[..cmdline.len().min(limit)], cmdline.len() > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAIL: &str = "S 1 9 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 0 0";

    #[test]
    fn the_name_of_a_thread_cannot_shift_the_fields() {
        for name in ["bash", "a) R 77 (b", "((", ") ) )", "x\ny"] {
            let stat = format!("42 ({name}) {TAIL}\n");
            let expected = Stat {
                pid: 42,
                parent_pid: 1,
                start_ticks: 12_345,
            };
            assert_eq!(parse_stat(stat.as_bytes()), Some(expected), "{name}");
        }
    }

    #[test]
    fn this_process_parses() {
        let stat = parse_stat(&std::fs::read("/proc/self/stat").unwrap()).unwrap();
        assert_eq!(stat.pid, std::process::id());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(innermost_pid(&status).is_some() && effective_uid(&status).is_some());
    }

    #[test]
    fn arguments_are_cut_at_the_limit() {
        assert_eq!(arguments(b"nc\0-l\0", 10), (&b"nc\0-l"[..], false));
        assert_eq!(arguments(b"nc\0-l\0", 4), (&b"nc\0-"[..], true));
        assert_eq!(arguments(b"", 4), (&b""[..], false));
    }

    proptest! {
        #[test]
        fn any_bytes_are_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            std::hint::black_box(parse_stat(&bytes));
        }
    }
}
