//! Addresses of the kernel's own functions.

use std::fs::File;
use std::io::{BufRead, BufReader};

const SYMBOLS: &str = "/proc/kallsyms";

/// Where the function is; `None` when the kernel has none of the name, or hides where.
pub(super) fn address(function: &str) -> Option<u64> {
    let symbols = BufReader::new(File::open(SYMBOLS).ok()?);
    find(symbols, function)
}

/// Lines are `address type name`, and `[module]` behind a module's. Hidden addresses are zeroes.
fn find(symbols: impl BufRead, function: &str) -> Option<u64> {
    let lines = symbols.lines().map_while(Result::ok);
    let mut found = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
        let is_function = matches!(kind, "t" | "T") && name == function && words.next().is_none();
        is_function
            .then(|| u64::from_str_radix(address, 16).ok())
            .flatten()
    });
    found.next().filter(|address| *address != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(function: &str, symbols: &str) -> Option<u64> {
        find(symbols.as_bytes(), function)
    }

    #[test]
    fn the_kernels_own_function_is_found_by_its_whole_name() {
        let symbols = "ffffffff81000000 t __pfx_work\nffffffff81000010 D work\nffffffffc0000000 t work\t[module]\n\
                       ffffffff81000020 t work\nffffffff81000030 t work_next\n";
        assert_eq!(of("work", symbols), Some(0xffff_ffff_8100_0020));
        assert_eq!(of("other", symbols), None);
    }

    #[test]
    fn a_hidden_address_is_none() {
        assert_eq!(of("work", "0000000000000000 t work\n"), None);
        assert_eq!(of("work", "garbage\n\n"), None);
    }
}
