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
    ("file_setattr", Some(469), Some(469), Some(469)),
    ("truncate", Some(76), Some(92), Some(45)),
    ("truncate64", None, Some(193), None),
    ("ftruncate", Some(77), Some(93), Some(46)),
    ("ftruncate64", None, Some(194), None),
    ("utimensat", Some(280), Some(320), Some(88)),
    ("utimensat_time64", None, Some(412), None),
    ("futimesat", Some(261), Some(299), None),
    ("utime", Some(132), Some(30), None),
    ("utimes", Some(235), Some(271), None),
    ("open_by_handle_at", Some(304), Some(342), Some(265)),
    ("socket", Some(41), Some(359), Some(198)),
    ("bind", Some(49), Some(361), Some(200)),
    ("listen", Some(50), Some(363), Some(201)),
    ("connect", Some(42), Some(362), Some(203)),
    ("recvmsg", Some(47), Some(372), Some(212)),
    ("recvmmsg", Some(299), Some(337), Some(243)),
    ("recvmmsg_time64", None, Some(417), None),
    ("mount", Some(165), Some(21), Some(40)),
    ("umount2", Some(166), Some(52), Some(39)),
    ("umount", None, Some(22), None),
    ("move_mount", Some(429), Some(429), Some(429)),
    ("fsmount", Some(432), Some(432), Some(432)),
    ("open_tree", Some(428), Some(428), Some(428)),
    ("open_tree_attr", Some(467), Some(467), Some(467)),
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
    ("link", Some(86), Some(9), None),
    ("linkat", Some(265), Some(303), Some(37)),
    ("symlink", Some(88), Some(83), None),
    ("symlinkat", Some(266), Some(304), Some(36)),
    ("mknod", Some(133), Some(14), None),
    ("mknodat", Some(259), Some(297), Some(33)),
    ("mmap", Some(9), Some(192), Some(222)),
    ("mprotect", Some(10), Some(125), Some(226)),
    ("pkey_mprotect", Some(329), Some(380), Some(288)),
    ("unshare", Some(272), Some(310), Some(97)),
    ("setuid", Some(105), Some(213), Some(146)),
    ("setreuid", Some(113), Some(203), Some(145)),
    ("setresuid", Some(117), Some(208), Some(147)),
    ("setfsuid", Some(122), Some(215), Some(151)),
    ("setuid16", None, Some(23), None),
    ("setreuid16", None, Some(70), None),
    ("setresuid16", None, Some(164), None),
    ("setfsuid16", None, Some(138), None),
    ("capset", Some(126), Some(185), Some(91)),
    ("kill", Some(62), Some(37), Some(129)),
    ("tkill", Some(200), Some(238), Some(130)),
    ("tgkill", Some(234), Some(270), Some(131)),
    ("rt_sigqueueinfo", Some(129), Some(178), Some(138)),
    ("rt_tgsigqueueinfo", Some(297), Some(335), Some(240)),
    ("pidfd_send_signal", Some(424), Some(424), Some(424)),
    ("mount_setattr", Some(442), Some(442), Some(442)),
    ("prctl", Some(157), Some(172), Some(167)),
    ("splice", Some(275), Some(313), Some(76)),
    ("setsockopt", Some(54), Some(366), Some(208)),
    ("userfaultfd", Some(323), Some(374), Some(282)),
    ("perf_event_open", Some(298), Some(336), Some(241)),
    ("keyctl", Some(250), Some(288), Some(219)),
    ("add_key", Some(248), Some(286), Some(217)),
    ("request_key", Some(249), Some(287), Some(218)),
    ("io_uring_setup", Some(425), Some(425), Some(425)),
    ("iopl", Some(172), Some(110), None),
    ("ioperm", Some(173), Some(101), None),
    ("clock_settime", Some(227), Some(264), Some(112)),
    ("clock_settime64", None, Some(404), None),
    ("stime", None, Some(25), None),
    ("settimeofday", Some(164), Some(79), Some(170)),
    ("adjtimex", Some(159), Some(124), Some(171)),
    ("clock_adjtime", Some(305), Some(343), Some(266)),
    ("clock_adjtime64", None, Some(405), None),
    ("fsopen", Some(430), Some(430), Some(430)),
    ("fsconfig", Some(431), Some(431), Some(431)),
    ("kexec_load", Some(246), Some(283), Some(104)),
    ("kexec_file_load", Some(320), None, Some(294)),
    ("reboot", Some(169), Some(88), Some(142)),
    ("syslog", Some(103), Some(103), Some(116)),
    ("acct", Some(163), Some(51), Some(89)),
    ("swapon", Some(167), Some(87), Some(224)),
    ("fanotify_init", Some(300), Some(338), Some(262)),
    ("memfd_create", Some(319), Some(356), Some(279)),
    ("sethostname", Some(170), Some(74), Some(161)),
    ("setdomainname", Some(171), Some(121), Some(162)),
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
    use agent_common::x32;
    use std::str::FromStr;
    use syscalls::{aarch64, x86, x86_64};

    #[test]
    fn numbers_are_those_of_each_machine() {
        for (name, native, compat, generic) in TABLE {
            let on_i386 = |name: &str| x86::Sysno::from_str(name).ok().map(|call| call as u32);
            // Those with ids of 16 bits, which have the plain names there.
            if let Some(narrow) = name.strip_suffix("16") {
                assert_eq!(
                    [None, on_i386(narrow), None],
                    [*native, *compat, *generic],
                    "{name}"
                );
                continue;
            }
            // Calls with wider ids (`setuid32`), or with their arguments in registers (`mmap2`), took the place of others.
            let wider = ["32", "2"].map(|suffix| on_i386(&format!("{name}{suffix}")));
            let compat_known = wider
                .into_iter()
                .flatten()
                .next()
                .filter(|wider| *compat == Some(*wider));
            let known = [
                x86_64::Sysno::from_str(name).ok().map(|call| call as u32),
                compat_known.or_else(|| on_i386(name)),
                // The crate has calls with 64-bit times there that only 32-bit machines have.
                aarch64::Sysno::from_str(name)
                    .ok()
                    .map(|call| call as u32)
                    .filter(|call| !(403..=423).contains(call)),
            ];
            assert_eq!(known, [*native, *compat, *generic], "{name}");
        }
    }

    #[test]
    fn calls_that_only_x32_numbers_are_the_native_ones() {
        // In the order of the kernel's table, from 512 on.
        let names = "rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace rt_sigpending \
            rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid set_robust_list \
            get_robust_list vmsplice move_pages preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv \
            process_vm_writev setsockopt getsockopt io_setup io_submit execveat preadv2 pwritev2";
        let native: Vec<u16> = names
            .split_whitespace()
            .map(|name| u16::try_from(x86_64::Sysno::from_str(name).unwrap() as u32).unwrap())
            .collect();
        assert_eq!(native, x32::NATIVE);
        assert_eq!(x32::FIRST, 512);
    }

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
