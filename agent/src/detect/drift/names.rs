//! Names that say something else than what they stand for, and names that tell it.

use super::finding;
use super::interpreters::is_interpreter;
use crate::detect::program::{called, is_of_image, is_relay, is_service, is_shell};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding};
use crate::event::{Call, CallName, Exec, KernelString};
use bstr::ByteSlice;

/// Options of prctl(2).
const PR_SET_NAME: u64 = 15;
const PR_SET_MM: u64 = 35;
/// Beginnings of names that threads of the kernel have.
const KERNEL_THREADS: [&[u8]; 19] = [
    b"kworker/",
    b"ksoftirqd/",
    b"kthreadd",
    b"migration/",
    b"rcu_",
    b"kswapd",
    b"kdevtmpfs",
    b"watchdog/",
    b"irq/",
    b"scsi_eh_",
    b"jbd2/",
    b"cpuhp/",
    b"kcompactd",
    b"khugepaged",
    b"khungtaskd",
    b"kblockd",
    b"kauditd",
    b"kintegrityd",
    b"oom_reaper",
];
/// Programs that restore others, or say in their arguments what they do.
const FORGERS: [&str; 5] = ["criu", "systemd", "(sd-pam)", "lxc-start", "lxc-init"];
const MULTI_CALL: [&[u8]; 2] = [b"busybox", b"toybox"];
/// Beginnings of miners' names, in small letters.
const MINERS: [&[u8]; 22] = [
    b"xmrig",
    b"xmr-stak",
    b"xmr_stak",
    b"minerd",
    b"cpuminer",
    b"ccminer",
    b"cgminer",
    b"bfgminer",
    b"sgminer",
    b"ethminer",
    b"nbminer",
    b"lolminer",
    b"teamredminer",
    b"phoenixminer",
    b"srbminer",
    b"nanominer",
    b"wildrig",
    b"claymore",
    b"hellminer",
    b"kinsing",
    b"kdevtmpfsi",
    b"kthrotlds",
];
/// The same where more letters make another name.
const SHORT_MINERS: [&[u8]; 3] = [b"t-rex", b"gminer", b"miniz"];
/// Programs that look for a text, or show one.
const SEARCHERS: [&str; 22] = [
    "grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "ugrep", "sed", "awk", "gawk", "mawk", "find",
    "strings", "cat", "echo", "printf", "jq", "yara", "clamscan", "logger", "pgrep",
];

/// Of `argv[0]`.
pub(super) fn executed(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let first = exec.arguments().next()?;
    let name: &[u8] = &first.bytes;
    let bracketed = name.len() > 2 && name.starts_with(b"[") && name.ends_with(b"]");
    if bracketed || is_kernel_thread(name) {
        return Some(like_kernel(context, name));
    }
    masquerade(context, &first)
}

/// Of the thread's name, and of what procfs shows of the process.
pub(super) fn renamed(context: &DetectContext<'_>, call: &Call) -> Option<Finding> {
    if call.call != CallName::PRCTL {
        return None;
    }
    let name: &[u8] = &call.text.bytes;
    match call.args[0] {
        PR_SET_NAME if is_kernel_thread(name.strip_prefix(b"[").unwrap_or(name)) => {
            Some(like_kernel(context, name))
        }
        PR_SET_MM if !is_of_image(&context.event.process, &FORGERS) => {
            let did = "changed, or tried to change, what the kernel says of its file and arguments";
            Some(finding(context, &drift::PROCESS_FORGED, &context.actor(), did))
        }
        _ => None,
    }
}

fn is_kernel_thread(name: &[u8]) -> bool {
    KERNEL_THREADS.iter().any(|known| name.starts_with(known))
}

fn like_kernel(context: &DetectContext<'_>, name: &[u8]) -> Finding {
    let bare = name.strip_prefix(b"[").unwrap_or(name);
    let bare = bare.strip_suffix(b"]").unwrap_or(bare);
    let shown = KernelString::from(bare).to_text();
    let did = format!("calls itself {shown}, like a thread of the kernel");
    finding(context, &drift::KERNEL_THREAD_NAME, &shown, &did)
}

/// What runs anything says that it is a service.
fn masquerade(context: &DetectContext<'_>, first: &KernelString) -> Option<Finding> {
    let (own, claimed): (&[u8], &[u8]) = (context.event.process.exe_name(), first.file_name());
    let anything = is_shell(own) || is_relay(own) || is_interpreter(own);
    if !anything || MULTI_CALL.contains(&own) || !is_service(claimed) {
        return None;
    }
    let claimed = KernelString::from(claimed).to_text();
    let did = format!("calls itself {claimed}");
    Some(finding(context, &drift::MASQUERADE, &claimed, &did))
}

/// By its name, or by what only miners are told.
pub(super) fn miner(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let process = &context.event.process;
    let arguments: Vec<KernelString> = exec.arguments().collect();
    let (first, told) = arguments.split_first().unzip();
    let names = [
        Some(process.exe_name()),
        Some(exec.filename.file_name()),
        first.map(KernelString::file_name),
    ];
    let named = names.into_iter().flatten().any(|name| is_miner(name));
    let shows = is_shell(&called(process)) || is_of_image(process, &SEARCHERS);
    let mines = named || !shows && is_told_to_mine(told.unwrap_or_default());
    mines.then(|| {
        let did = "mines a currency, by its name or what it was told";
        finding(context, &drift::MINER, &context.actor(), did)
    })
}

fn is_miner(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let watches = name.ends_with(b"exporter");
    let known = MINERS.iter().any(|known| name.starts_with(known));
    !watches && (known || SHORT_MINERS.contains(&name.as_slice()))
}

fn is_told_to_mine(arguments: &[KernelString]) -> bool {
    let begins = |beginning: &[u8]| {
        arguments
            .iter()
            .any(|argument| argument.bytes.starts_with(beginning))
    };
    let stratum = arguments.iter().any(|argument| {
        let text = argument.bytes.as_slice();
        text.contains_str(b"stratum+t") || text.contains_str(b"stratum+s")
    });
    let pool = begins(b"--url=") || arguments.windows(2).any(|pair| is_pool(&pair[0], &pair[1]));
    stratum || begins(b"--donate-level") || pool && (begins(b"--algo") || begins(b"--coin"))
}

/// `-o HOST:PORT`.
fn is_pool(option: &KernelString, value: &KernelString) -> bool {
    matches!(option.bytes.as_slice(), b"-o" | b"--url") && value.bytes.contains(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, scene};
    use crate::event::Payload;

    fn executed(exe: &str, args: &[&str]) -> Vec<&'static str> {
        let mut scene = scene("acme/app", exe).below(&["/bin/bash"]);
        let payload = scene.executed(args);
        scene.rules(payload)
    }

    fn told(mut scene: Scene, option: u64, text: &str) -> Vec<&'static str> {
        scene.rules(Payload::Syscall(Call {
            call: CallName::PRCTL,
            args: [option, 13, 0, 0],
            text: text.into(),
        }))
    }

    fn python() -> Scene {
        scene("acme/app", "/usr/bin/python3").below(&["/bin/bash"])
    }

    #[test]
    fn nobody_in_a_container_is_a_thread_of_the_kernel() {
        let like = ["drift.kernel_thread_name"];
        for name in ["[kworker/0:1]", "[anything]", "kworker/u8:0", "kswapd0"] {
            assert_eq!(executed("/bin/sleep", &[name, "1"]), like, "{name}");
        }
        for name in ["kworker/0:1", "[kworker/0:1", "rcu_sched"] {
            assert_eq!(told(python(), PR_SET_NAME, name), like, "{name}");
        }
        for name in ["[", "/usr/bin/[", "sleep", "watchdog"] {
            assert!(executed("/usr/bin/[", &[name, "1", "]"]).is_empty(), "{name}");
        }
        for name in ["migrations", "[worker-1]", "watchdogd"] {
            assert!(told(python(), PR_SET_NAME, name).is_empty(), "{name}");
        }
    }

    #[test]
    fn an_interpreter_is_no_service_whatever_it_calls_itself() {
        let masked = ["drift.masquerade"];
        assert_eq!(executed("/bin/bash", &["nginx", "-c", "true"]), masked);
        assert_eq!(
            executed("/usr/bin/python3.11", &["/usr/sbin/nginx", "x.py"]),
            masked
        );
        assert_eq!(executed("/usr/bin/socat", &["postgres", "-V"]), masked);
        assert!(executed("/bin/busybox", &["httpd", "-f"]).is_empty());
        assert!(executed("/usr/sbin/nginx", &["nginx", "-g", "daemon off;"]).is_empty());
        assert!(executed("/bin/bash", &["bash", "/app/nginx"]).is_empty());
    }

    #[test]
    fn what_the_kernel_says_of_a_process_is_not_the_process_s_to_change() {
        let forged = ["drift.process_forged"];
        assert_eq!(told(python(), PR_SET_MM, ""), forged);
        let mut refused = python();
        refused.ret = -1;
        assert_eq!(told(refused, PR_SET_MM, ""), forged);
        let criu = scene("acme/app", "/usr/sbin/criu").below(&["/bin/bash"]);
        assert!(told(criu, PR_SET_MM, "").is_empty());
        assert!(told(python(), 4, "").is_empty());
    }

    #[test]
    fn miners_are_known_by_name_and_by_what_they_are_told() {
        let miner = ["drift.miner"];
        assert_eq!(executed("/usr/bin/true", &["/tmp/xmrig"]), miner);
        assert_eq!(executed("/opt/SRBMiner-MULTI", &["./SRBMiner-MULTI"]), miner);
        for args in [
            vec!["a", "-o", "stratum+tcp://pool:3333"],
            vec!["a", "--donate-level", "1"],
            vec!["a", "-o", "pool.example:3333", "--algo", "rx/0"],
            vec!["a", "--url=pool.example:3333", "--coin=monero"],
        ] {
            assert_eq!(executed("/opt/a", &args), miner, "{args:?}");
        }
        assert!(executed("/bin/grep", &["grep", "-r", "xmrig"]).is_empty());
        assert!(executed("/bin/grep", &["grep", "stratum+tcp://", "/var/log/x"]).is_empty());
        assert!(executed("/usr/bin/curl", &["curl", "-o", "a:b", "https://x"]).is_empty());
        assert!(executed("/usr/bin/xmrig_exporter", &["xmrig_exporter"]).is_empty());
    }
}
