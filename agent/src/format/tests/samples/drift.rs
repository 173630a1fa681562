//! Code that comes without an exec, and programs that do what the image's work does not need.

use super::{READ, WRITE, calls, executed, pod, raise, raised};
use crate::alert::Alert;
use crate::detect::testing::{SECOND, Scene, image_file, open, process};
use crate::event::{
    Attempt, CallName, ExecId, FileFlags, FileObject, KernelString, Mapping, MmapOp, Payload, Ptrace,
    PtraceOp,
};

const MAP_PRIVATE: u32 = 2;
const MAP_ANONYMOUS: u32 = 0x20;

pub(super) fn drift(rule: &str) -> Option<Alert> {
    match rule.strip_prefix("drift.")? {
        "exec_refused" => refused("/dev/shm/y"),
        "loader_used" => executed(
            "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
            &["/lib64/ld-linux-x86-64.so.2", "/tmp/nox"],
        ),
        "library_outside_image" => mapped(upper(), "/tmp/lib.so", 5),
        "executable_memory" => mapped(FileObject::default(), "", 7),
        "script_dropped" => {
            let mut shell = pod("/bin/sh");
            shell.exe.args = "sh\0/opt/x.sh".into();
            raise(&mut shell, open(upper(), "/opt/x.sh", "", READ))
        }
        "startup_file" => raise(
            &mut pod("/bin/sh"),
            open(image_file(), "/root/.bashrc", "", WRITE),
        ),
        "shell_from_service" => started(&["sh", "-c", "id"], |pod| pod.below(&["/usr/sbin/nginx"])),
        "piped_script" => started(&["sh"], |mut pod| {
            pod.exe.host_pid += 1;
            pod
        }),
        "exec_session_shell" => started(&["sh"], |pod| pod.below(&[]).attached()),
        "masquerade" => executed("/bin/bash", &["nginx", "-c", "id"]),
        "kernel_thread_name" => executed("/bin/sleep", &["[kworker/0:1]", "9"]),
        "process_forged" => calls(CallName::PRCTL, [35, 13, 0, 0]),
        "miner" => executed("/opt/a", &["a", "-o", "stratum+tcp://pool.example:3333"]),
        "package_manager" => executed("/usr/bin/apt-get", &["apt-get", "install", "nmap"]),
        "discovery_burst" => looked_around(rule),
        "process_traced" => traced(),
        "anti_debug" => calls(CallName::PTRACE, [0; 4]),
        _ => None,
    }
}

fn upper() -> FileObject {
    FileObject {
        flags: FileFlags::OVERLAY | FileFlags::UPPER,
        ..image_file()
    }
}

fn refused(path: &str) -> Option<Alert> {
    let mut shell = pod("/bin/sh");
    shell.ret = -13;
    raise(&mut shell, Payload::ExecAttempt(Attempt { path: path.into() }))
}

fn mapped(file: FileObject, path: &str, prot: u32) -> Option<Alert> {
    let anonymous = if path.is_empty() { MAP_ANONYMOUS } else { 0 };
    let mapping = Mapping {
        op: MmapOp::MMAP,
        file,
        prot,
        map_flags: MAP_PRIVATE | anonymous,
        path: path.into(),
        fs_path: KernelString::default(),
    };
    raise(&mut pod("/usr/bin/python3"), Payload::Mmap(mapping))
}

fn started(args: &[&str], place: impl FnOnce(Scene) -> Scene) -> Option<Alert> {
    let mut shell = place(pod("/bin/sh"));
    let executed = shell.executed(args);
    raise(&mut shell, executed)
}

fn looked_around(rule: &str) -> Option<Alert> {
    let mut scene = pod("/bin/true");
    ["id", "whoami", "uname", "ps", "ip"]
        .into_iter()
        .find_map(|program| {
            scene.exe = process(&format!("/usr/bin/{program}"));
            scene.now_ns += SECOND;
            let exec = scene.exec();
            raised(rule, &mut scene, Payload::Exec(exec))
        })
}

fn traced() -> Option<Alert> {
    let access = Ptrace {
        op: PtraceOp::PTRACE,
        request: 4,
        target_tgid: 99,
        target_slot: 1,
        target: ExecId(0),
    };
    raise(&mut pod("/usr/bin/python3"), Payload::Ptrace(access))
}
