use super::{EventHeader, StrRef};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// SYSCALL: a call that tells by itself.
#[repr(C)]
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SyscallEvent {
    pub header: EventHeader,
    /// The first arguments as they were given: numbers. Addresses are left out (0).
    pub args: [u64; 4],
    pub call: CallName,
    /// A name that the call is about, where it has one.
    pub text: StrRef,
}
const _: () = assert!(size_of::<SyscallEvent>() == 192);

/// Which call: the same on every architecture. Numbers are never reused.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct CallName(pub u32);

macro_rules! calls {
    ($($constant:ident = $number:literal $name:literal;)*) => {
        impl CallName {
            $(pub const $constant: Self = Self($number);)*

            /// Every call with its name.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$constant, $name)),*];
        }
    };
}

calls! {
    USERFAULTFD = 1 "userfaultfd";
    PERF_EVENT_OPEN = 2 "perf_event_open";
    KEYCTL = 3 "keyctl";
    ADD_KEY = 4 "add_key";
    REQUEST_KEY = 5 "request_key";
    IO_URING_SETUP = 6 "io_uring_setup";
    IOPL = 7 "iopl";
    IOPERM = 8 "ioperm";
    CLOCK_SETTIME = 9 "clock_settime";
    SETTIMEOFDAY = 10 "settimeofday";
    ADJTIMEX = 11 "adjtimex";
    CLOCK_ADJTIME = 12 "clock_adjtime";
    FSOPEN = 13 "fsopen";
    FSCONFIG = 14 "fsconfig";
    PRCTL = 15 "prctl";
    PTRACE = 16 "ptrace";
    SPLICE = 17 "splice";
    IOCTL = 18 "ioctl";
    SETSOCKOPT = 19 "setsockopt";
    KEXEC_LOAD = 20 "kexec_load";
    KEXEC_FILE_LOAD = 21 "kexec_file_load";
    REBOOT = 22 "reboot";
    SYSLOG = 23 "syslog";
    ACCT = 24 "acct";
    SWAPON = 25 "swapon";
    FANOTIFY_INIT = 26 "fanotify_init";
    SETHOSTNAME = 27 "sethostname";
    NETLINK = 28 "netlink";
    MEMFD_CREATE = 29 "memfd_create";
    USERMODEHELPER = 30 "usermodehelper";
    SETDOMAINNAME = 31 "setdomainname";
    OPEN_BY_HANDLE_AT = 32 "open_by_handle_at";
}

impl CallName {
    /// Name of the call; `unknown` for numbers this version does not know.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(call, _)| *call == self)
            .map_or("unknown", |(_, name)| name)
    }
}
