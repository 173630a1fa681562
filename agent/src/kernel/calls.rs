//! System calls that tell by themselves, as data: what of each leaves the kernel, and what tells it from others of its
//! name. One program reports them all.

use super::error::KernelError;
use super::syscalls::numbers;
use agent_common::event::CallName;
use agent_common::settings::{CallRule, MAX_SYSCALLS, Registers};
use aya::Ebpf;
use aya::maps::Array;

const MAP: &str = "CALLS";

/// What one of the record's arguments is.
#[derive(Debug, Clone, Copy)]
enum Argument {
    /// An address, or nothing that tells.
    Absent,
    /// The call's own, by index.
    Own(usize),
    /// The same, and part of the behaviour.
    Keyed(usize),
    /// The word of the structure; part of the behaviour.
    Word,
}

use Argument::{Absent, Keyed, Own, Word};

/// A call's row.
#[derive(Debug, Clone, Copy)]
struct Call {
    name: &'static str,
    call: CallName,
    args: [Argument; 4],
    /// Index of the argument that is a name.
    text: Option<usize>,
    /// Index of the argument that points to a structure, and the offset of the word in it.
    structure: Option<(usize, u32)>,
    flags: u8,
}

const fn call(name: &'static str, call: CallName, args: [Argument; 4]) -> Call {
    Call {
        name,
        call,
        args,
        text: None,
        structure: None,
        flags: 0,
    }
}

impl Call {
    /// Its argument `index` is a name, part of the behaviour.
    const fn named(self, index: usize) -> Self {
        let flags = self.flags | CallRule::TEXT | CallRule::TEXT_KEYED;
        Self {
            text: Some(index),
            flags,
            ..self
        }
    }

    /// Its argument `index` is a name that may be another each time.
    const fn labelled(self, index: usize) -> Self {
        let flags = self.flags | CallRule::TEXT;
        Self {
            text: Some(index),
            flags,
            ..self
        }
    }

    /// The word is that at `offset` in what the argument `index` points to.
    const fn word(self, index: usize, offset: u32) -> Self {
        Self {
            structure: Some((index, offset)),
            ..self
        }
    }

    /// Reported only when the word is not zero.
    const fn unless_zero(self) -> Self {
        let flags = self.flags | CallRule::UNLESS_ZERO;
        Self { flags, ..self }
    }

    /// A universal rule may apply.
    const fn urgent(self) -> Self {
        let flags = self.flags | CallRule::DEVIATION;
        Self { flags, ..self }
    }

    /// What the program reads, where the registers are known.
    fn rule(&self, registers: &[u32; 6]) -> CallRule {
        let place = |index: usize| registers.get(index).copied().unwrap_or(0);
        let (structure, word) = self.structure.unwrap_or((0, 0));
        let mut rule = CallRule {
            call: self.call,
            text: self.text.map_or(0, place),
            structure: place(structure),
            word,
            flags: self.flags,
            ..CallRule::NONE
        };
        for (index, argument) in self.args.iter().enumerate() {
            match *argument {
                Absent => {}
                Own(own) => {
                    rule.args[index] = place(own);
                    rule.kept |= 1 << index;
                }
                Keyed(own) => {
                    rule.args[index] = place(own);
                    rule.kept |= 1 << index;
                    rule.keyed |= 1 << index;
                }
                Word => {
                    rule.words |= 1 << index;
                    rule.keyed |= 1 << index;
                }
            }
        }
        rule
    }
}

/// `io_uring_params.flags`, behind the sizes of both queues.
const RING_FLAGS: u32 = 8;

const CALLS: [Call; 28] = [
    call(
        "userfaultfd",
        CallName::USERFAULTFD,
        [Own(0), Absent, Absent, Absent],
    )
    .urgent(),
    // The type stands for the attributes; the group's descriptor gives its place to the flags.
    call(
        "perf_event_open",
        CallName::PERF_EVENT_OPEN,
        [Word, Own(1), Own(2), Own(4)],
    )
    .word(0, 0)
    .urgent(),
    call("keyctl", CallName::KEYCTL, [Keyed(0), Absent, Absent, Absent]).urgent(),
    call("add_key", CallName::ADD_KEY, [Absent; 4]).named(0).urgent(),
    call("request_key", CallName::REQUEST_KEY, [Absent; 4])
        .named(0)
        .urgent(),
    call(
        "io_uring_setup",
        CallName::IO_URING_SETUP,
        [Own(0), Word, Absent, Absent],
    )
    .word(1, RING_FLAGS),
    call("iopl", CallName::IOPL, [Keyed(0), Absent, Absent, Absent]).urgent(),
    call("ioperm", CallName::IOPERM, [Own(0), Own(1), Keyed(2), Absent]).urgent(),
    call(
        "clock_settime",
        CallName::CLOCK_SETTIME,
        [Keyed(0), Absent, Absent, Absent],
    )
    .urgent(),
    call(
        "clock_settime64",
        CallName::CLOCK_SETTIME,
        [Keyed(0), Absent, Absent, Absent],
    )
    .urgent(),
    call("settimeofday", CallName::SETTIMEOFDAY, [Absent; 4]).urgent(),
    call("stime", CallName::SETTIMEOFDAY, [Absent; 4]).urgent(),
    // Modes: 0 only asks what time it is.
    call("adjtimex", CallName::ADJTIMEX, [Word, Absent, Absent, Absent])
        .word(0, 0)
        .unless_zero()
        .urgent(),
    call(
        "clock_adjtime",
        CallName::CLOCK_ADJTIME,
        [Keyed(0), Word, Absent, Absent],
    )
    .word(1, 0)
    .unless_zero()
    .urgent(),
    call(
        "clock_adjtime64",
        CallName::CLOCK_ADJTIME,
        [Keyed(0), Word, Absent, Absent],
    )
    .word(1, 0)
    .unless_zero()
    .urgent(),
    call("fsopen", CallName::FSOPEN, [Absent, Own(1), Absent, Absent])
        .named(0)
        .urgent(),
    call("fsconfig", CallName::FSCONFIG, [Absent, Keyed(1), Absent, Absent])
        .named(2)
        .urgent(),
    call(
        "kexec_load",
        CallName::KEXEC_LOAD,
        [Absent, Own(1), Absent, Keyed(3)],
    )
    .urgent(),
    call("kexec_file_load", CallName::KEXEC_FILE_LOAD, [Absent; 4])
        .labelled(3)
        .urgent(),
    call("reboot", CallName::REBOOT, [Own(0), Own(1), Keyed(2), Absent]).urgent(),
    call("syslog", CallName::SYSLOG, [Keyed(0), Absent, Own(2), Absent]),
    call("acct", CallName::ACCT, [Absent; 4]).named(0).urgent(),
    call("swapon", CallName::SWAPON, [Absent, Own(1), Absent, Absent])
        .named(0)
        .urgent(),
    call(
        "fanotify_init",
        CallName::FANOTIFY_INIT,
        [Keyed(0), Own(1), Absent, Absent],
    ),
    call(
        "memfd_create",
        CallName::MEMFD_CREATE,
        [Absent, Own(1), Absent, Absent],
    )
    .labelled(0),
    call(
        "sethostname",
        CallName::SETHOSTNAME,
        [Absent, Own(1), Absent, Absent],
    )
    .urgent(),
    call(
        "setdomainname",
        CallName::SETDOMAINNAME,
        [Absent, Own(1), Absent, Absent],
    )
    .urgent(),
    // The last one: see `NAMES`.
    call(
        "open_by_handle_at",
        CallName::OPEN_BY_HANDLE_AT,
        [Own(0), Absent, Own(2), Absent],
    )
    .urgent(),
];

/// Their names, for the attach set; but for the last one, whose file is reported too: `exit_open_by_handle` does both.
pub(super) static NAMES: [&str; CALLS.len() - 1] = names();

const fn names() -> [&'static str; CALLS.len() - 1] {
    let mut names = [""; CALLS.len() - 1];
    let mut index = 0;
    while index < names.len() {
        names[index] = CALLS[index].name;
        index += 1;
    }
    names
}

/// Tells the programs.
///
/// # Errors
/// When the object has no such map, or it cannot be written.
pub(super) fn write(ebpf: &mut Ebpf, registers: &Registers) -> Result<(), KernelError> {
    // Not taken: the program that reads it is loaded later, and needs its descriptor.
    let map = ebpf.map_mut(MAP).ok_or(KernelError::NoMap(MAP))?;
    let failed = |source| KernelError::Map { map: MAP, source };
    let mut table: Array<_, CallRule> = Array::try_from(map).map_err(failed)?;
    for call in &CALLS {
        let numbers = numbers(call.name);
        let native = numbers.native.map(|number| (number, &registers.args));
        let compat = numbers
            .compat
            .map(|number| (MAX_SYSCALLS + number, &registers.compat_args));
        for (index, registers) in native.into_iter().chain(compat) {
            table.set(index, call.rule(registers), 0).map_err(failed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERS: [u32; 6] = [10, 20, 30, 40, 50, 60];

    fn rule(name: &str) -> CallRule {
        let call = CALLS.iter().find(|call| call.name == name).unwrap();
        call.rule(&REGISTERS)
    }

    #[test]
    fn arguments_are_found_by_their_registers() {
        let reboot = rule("reboot");
        assert_eq!(
            (reboot.args, reboot.kept, reboot.keyed),
            ([10, 20, 30, 0], 0b111, 0b100)
        );
        assert_eq!(rule("fsconfig").text, 30);
    }

    #[test]
    fn a_word_of_a_structure_takes_the_place_of_its_address() {
        let ring = rule("io_uring_setup");
        assert_eq!((ring.structure, ring.word), (20, RING_FLAGS));
        assert_eq!((ring.kept, ring.words, ring.keyed), (0b01, 0b10, 0b10));
        assert_eq!(ring.flags, 0);
    }

    #[test]
    fn only_calls_with_a_word_depend_on_it() {
        for call in &CALLS {
            let rule = call.rule(&REGISTERS);
            let needs = rule.flags & CallRule::UNLESS_ZERO != 0;
            assert!(!needs || rule.words != 0, "{}", call.name);
            assert_eq!(rule.words != 0, call.structure.is_some(), "{}", call.name);
        }
    }
}
