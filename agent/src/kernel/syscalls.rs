//! Numbers of system calls, by name, for the tracepoint backend's table.

/// Number in the table of this architecture, and in the one of 32-bit programs on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    pub(super) native: Option<u32>,
    pub(super) compat: Option<u32>,
}

/// Name, x86_64, i386, aarch64 (the generic table).
type Row = (&'static str, Option<u32>, Option<u32>, Option<u32>);

const TABLE: &[Row] = &[
    ("open", Some(2), Some(5), None),
    ("creat", Some(85), Some(8), None),
    ("openat", Some(257), Some(295), Some(56)),
    ("openat2", Some(437), Some(437), Some(437)),
    ("execve", Some(59), Some(11), Some(221)),
    ("execveat", Some(322), Some(358), Some(281)),
    ("chroot", Some(161), Some(61), Some(51)),
    ("chdir", Some(80), Some(12), Some(49)),
    ("fchdir", Some(81), Some(133), Some(50)),
    ("ioctl", Some(16), Some(54), Some(29)),
    ("chmod", Some(90), Some(15), None),
    ("fchmod", Some(91), Some(94), Some(52)),
    ("fchmodat", Some(268), Some(306), Some(53)),
    ("fchmodat2", Some(452), Some(452), Some(452)),
    ("setxattr", Some(188), Some(226), Some(5)),
    ("lsetxattr", Some(189), Some(227), Some(6)),
    ("fsetxattr", Some(190), Some(228), Some(7)),
    ("setxattrat", Some(463), Some(463), Some(463)),
    ("truncate", Some(76), Some(92), Some(45)),
    ("utimensat", Some(280), Some(320), Some(88)),
    ("utime", Some(132), Some(30), None),
    ("utimes", Some(235), Some(271), None),
    ("open_by_handle_at", Some(304), Some(342), Some(265)),
    ("bind", Some(49), Some(361), Some(200)),
    ("listen", Some(50), Some(363), Some(201)),
    ("connect", Some(42), Some(362), Some(203)),
    ("mount", Some(165), Some(21), Some(40)),
    ("umount2", Some(166), Some(52), Some(39)),
    ("move_mount", Some(429), Some(429), Some(429)),
    ("fsmount", Some(432), Some(432), Some(432)),
    ("open_tree", Some(428), Some(428), Some(428)),
    ("pivot_root", Some(155), Some(217), Some(41)),
    ("ptrace", Some(101), Some(26), Some(117)),
    ("process_vm_readv", Some(310), Some(347), Some(270)),
    ("process_vm_writev", Some(311), Some(348), Some(271)),
    ("pidfd_getfd", Some(438), Some(438), Some(438)),
    ("setns", Some(308), Some(346), Some(268)),
    ("init_module", Some(175), Some(128), Some(105)),
    ("finit_module", Some(313), Some(350), Some(273)),
    ("delete_module", Some(176), Some(129), Some(106)),
    ("bpf", Some(321), Some(357), Some(280)),
    ("unlink", Some(87), Some(10), None),
    ("unlinkat", Some(263), Some(301), Some(35)),
    ("rename", Some(82), Some(38), None),
    ("renameat", Some(264), Some(302), Some(38)),
    ("renameat2", Some(316), Some(353), Some(276)),
];

/// Numbers of the call `name`; none where the architecture has no such call.
pub(super) fn numbers(name: &str) -> Numbers {
    let Some((_, x86_64, i386, generic)) = TABLE.iter().find(|row| row.0 == name) else {
        return Numbers::default();
    };
    if cfg!(target_arch = "x86_64") {
        Numbers {
            native: *x86_64,
            compat: *i386,
        }
    } else {
        Numbers {
            native: *generic,
            compat: None,
        }
    }
}

/// Members of `pt_regs` that hold the number, the arguments, and the arguments of a 32-bit call.
pub(super) struct RegisterNames {
    pub(super) number: &'static str,
    pub(super) args: [&'static str; 6],
    pub(super) compat_args: Option<[&'static str; 6]>,
}

/// Of this architecture. aarch64's first argument is kept apart: its register carries the result.
pub(super) const REGISTERS: RegisterNames = if cfg!(target_arch = "x86_64") {
    RegisterNames {
        number: "orig_ax",
        args: ["di", "si", "dx", "r10", "r8", "r9"],
        compat_args: Some(["bx", "cx", "dx", "si", "di", "bp"]),
    }
} else {
    RegisterNames {
        number: "syscallno",
        args: ["orig_x0", "regs", "regs", "regs", "regs", "regs"],
        compat_args: None,
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_attach_set_has_a_number() {
        use crate::kernel::backend::Attach;
        use crate::kernel::plan::plans;
        for hook in plans().flat_map(|plan| plan.ways).flat_map(|way| way.hooks) {
            let Attach::Syscalls(names) = hook.attach else {
                continue;
            };
            for name in names {
                assert!(TABLE.iter().any(|row| row.0 == *name), "{name}");
            }
        }
    }
}
