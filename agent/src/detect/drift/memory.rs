//! Code that comes into memory without an exec: made there, or mapped from a file that is not in the image.

use super::files::writable_mount;
use super::{finding, weighed};
use crate::detect::program::{BROUGHT, called};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity, described};
use crate::event::{FileFlags, FileObject, Mapping, MmapOp};
use crate::process::Process;
use crate::profile::ProfileState;
use agent_common::{magic, mode};

const EXECUTE: u32 = 4;
const WRITE_AND_EXECUTE: u32 = 2 | EXECUTE;
/// `MAP_TYPE` and `MAP_PRIVATE`: so loaders map code.
const MAP_TYPE: u32 = 0xf;
const MAP_PRIVATE: u32 = 2;
/// What has no name: compilers at run time share it with themselves, to write at one place and execute at another.
const NAMELESS: u16 = FileFlags::MEMFD | FileFlags::UNLINKED;
/// Programs that compile while they run, if only regular expressions.
const COMPILERS: [&str; 50] = [
    "java",
    "javac",
    "node",
    "nodejs",
    "deno",
    "bun",
    "dotnet",
    "mono",
    "mono-sgen",
    "pwsh",
    "julia",
    "beam.smp",
    "erl",
    "postgres",
    "mysqld",
    "mariadbd",
    "clickhouse",
    "clickhouse-server",
    "nginx",
    "openresty",
    "httpd",
    "apache2",
    "haproxy",
    "envoy",
    "mongod",
    "mongo",
    "couchjs",
    "gjs",
    "rspamd",
    "pdns_recursor",
    "dnsdist",
    "sysbench",
    "suricata",
    "snort",
    "grep",
    "git",
    "rg",
    "R",
    "sbcl",
    "chrome",
    "chromium",
    "chromium-browser",
    "headless_shell",
    "firefox",
    "firefox-esr",
    "electron",
    "wasmtime",
    "wasmer",
    "valgrind",
    "gdb",
];
/// The same with a version, or what they are for, in their names.
const FAMILIES: [&str; 8] = [
    "php",
    "ruby",
    "luajit",
    "pypy",
    "qemu-",
    "memcheck-",
    "graalvm",
    "wine",
];

pub(super) fn inspect(context: &DetectContext<'_>, mapping: &Mapping) -> Option<Finding> {
    if context.event.raw.header.ret < 0 {
        return None;
    }
    if mapping.file == FileObject::default() && mapping.path.is_empty() {
        anonymous(context, mapping)
    } else {
        of_file(context, mapping)
    }
}

fn anonymous(context: &DetectContext<'_>, mapping: &Mapping) -> Option<Finding> {
    let both = mapping.prot & WRITE_AND_EXECUTE == WRITE_AND_EXECUTE;
    // Who keeps the two apart writes first, and lets it be executed then.
    let flipped = mapping.op == MmapOp::MPROTECT && mapping.prot & EXECUTE != 0;
    ((both || flipped) && !compiles(&context.event.process)).then(|| {
        let did = if both {
            "has memory that it may write and execute at once"
        } else {
            "lets memory be executed that it could write"
        };
        let finding = finding(context, &drift::EXECUTABLE_MEMORY, &context.actor(), did);
        // What a complete profile has the image execute compiles for the image more often than for an intruder.
        if is_known(context) {
            finding.severity(Severity::Low)
        } else {
            finding
        }
    })
}

fn is_known(context: &DetectContext<'_>) -> bool {
    let profile = described::executions(context);
    profile.is_some_and(|profile| profile.state() == ProfileState::Complete)
        && described::executes(context, None) == Some(true)
}

/// A file of the image that is called like one of them.
fn compiles(process: &Process) -> bool {
    let name = called(process);
    let known = COMPILERS.iter().any(|known| known.as_bytes() == name);
    let of_family = FAMILIES.iter().any(|family| name.starts_with(family.as_bytes()));
    process.file.flags & BROUGHT == 0 && (known || of_family)
}

/// The main program is mapped by execve, which EXEC reports; a loader that was told to run it is no execve.
fn of_file(context: &DetectContext<'_>, mapping: &Mapping) -> Option<Finding> {
    let path: &[u8] = &mapping.path.bytes;
    let main = mapping.path.bytes == context.event.process.exe.bytes;
    let regular = mapping.file.mode & mode::S_IFMT == mode::S_IFREG;
    let shared = mapping.map_flags & MAP_TYPE != MAP_PRIVATE && mapping.file.flags & NAMELESS != 0;
    if mapping.op != MmapOp::MMAP || main || !regular || shared {
        return None;
    }
    let brought = mapping.file.flags & BROUGHT != 0 || mapping.file.magic == magic::TMPFS;
    let on_volume =
        !brought && mapping.file.flags & FileFlags::OVERLAY == 0 && writable_mount(context, path).is_some();
    if !brought && !on_volume {
        return None;
    }
    let path = mapping.path.to_text();
    let did = format!("loaded code from {path}, which is not in the image");
    // What is installed brings dozens: they are one deed.
    let finding = finding(context, &drift::LIBRARY_OUTSIDE_IMAGE, &path, &did)
        .with("library", path)
        .step_of("code from outside the image");
    Some(if on_volume {
        finding.severity(Severity::Medium)
    } else {
        weighed(context, finding)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::testing::{Scene, image_file, scene};
    use crate::event::{KernelString, Payload};

    const UPPER: u16 = FileFlags::OVERLAY | FileFlags::UPPER;
    const MAP_SHARED: u32 = 1;

    fn mapped(file: FileObject, path: &str, prot: u32) -> Mapping {
        Mapping {
            op: MmapOp::MMAP,
            file,
            prot,
            map_flags: MAP_PRIVATE,
            path: path.into(),
            fs_path: KernelString::default(),
        }
    }

    fn anonymous(op: MmapOp, prot: u32) -> Mapping {
        Mapping {
            op,
            map_flags: 0x20 | MAP_PRIVATE,
            ..mapped(FileObject::default(), "", prot)
        }
    }

    fn found(mut scene: Scene, mapping: Mapping) -> Vec<(&'static str, Severity)> {
        let findings = scene.inspect(Payload::Mmap(mapping));
        findings
            .iter()
            .map(|finding| (finding.rule.id, finding.severity))
            .collect()
    }

    fn by(exe: &str) -> Scene {
        scene("acme/app", exe).below(&["/bin/sh"])
    }

    #[test]
    fn memory_that_is_written_and_executed_is_found_unless_a_compiler_has_it() {
        let both = [("drift.executable_memory", Severity::Medium)];
        for exe in ["/usr/bin/python3", "/app/server", "/bin/bash"] {
            assert_eq!(found(by(exe), anonymous(MmapOp::MMAP, 7)), both, "{exe}");
            assert_eq!(found(by(exe), anonymous(MmapOp::MPROTECT, 6)), both, "{exe}");
            assert_eq!(found(by(exe), anonymous(MmapOp::MPROTECT, 5)), both, "{exe}");
            assert_eq!(found(by(exe), anonymous(MmapOp::MPROTECT, 3)), [], "{exe}");
        }
        for exe in [
            "/usr/bin/java",
            "/usr/bin/node",
            "/usr/bin/php8.2",
            "/usr/sbin/nginx",
            "/usr/bin/qemu-x86_64",
        ] {
            assert_eq!(found(by(exe), anonymous(MmapOp::MMAP, 7)), [], "{exe}");
            assert_eq!(found(by(exe), anonymous(MmapOp::MPROTECT, 5)), [], "{exe}");
        }
        let mut brought = by("/tmp/java");
        brought.exe.file.flags = UPPER;
        assert_eq!(found(brought, anonymous(MmapOp::MMAP, 7)), both);
        let known = by("/usr/bin/python3").with_profile("state: complete\nexec: [{path: /usr/bin/python3}]");
        let low = [("drift.executable_memory", Severity::Low)];
        assert_eq!(found(known, anonymous(MmapOp::MMAP, 7)), low);
        let stranger = by("/usr/bin/python3").with_profile("state: complete\nexec: [{path: /app/server}]");
        assert_eq!(found(stranger, anonymous(MmapOp::MMAP, 7)), both);
    }

    fn file(flags: u16, magic: u32) -> FileObject {
        FileObject {
            flags,
            magic,
            ..image_file()
        }
    }

    #[test]
    fn a_library_that_is_not_in_the_image_is_found_wherever_it_is() {
        let high = [("drift.library_outside_image", Severity::High)];
        for (of, path) in [
            (file(UPPER, magic::OVERLAY), "/tmp/lib.so"),
            (file(UPPER, magic::OVERLAY), "/usr/lib/x86_64-linux-gnu/libm.so.6"),
            (file(0, magic::TMPFS), "/dev/shm/p.so"),
            (file(FileFlags::MEMFD, magic::TMPFS), "memfd:x"),
            (file(UPPER | FileFlags::UNLINKED, magic::OVERLAY), "/tmp/gone.so"),
        ] {
            assert_eq!(found(by("/bin/true"), mapped(of, path, 5)), high, "{path}");
        }
        let loader = by("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        assert_eq!(
            found(loader, mapped(file(UPPER, magic::OVERLAY), "/tmp/nox", 5)),
            high
        );
    }

    #[test]
    fn what_the_image_and_its_compilers_map_is_no_library_from_outside() {
        let upper = file(UPPER, magic::OVERLAY);
        assert_eq!(found(by("/tmp/x"), mapped(upper, "/tmp/x", 5)), [], "itself");
        let two_views = Mapping {
            map_flags: MAP_SHARED,
            ..mapped(file(FileFlags::MEMFD, magic::TMPFS), "memfd:jit", 5)
        };
        assert_eq!(found(by("/usr/bin/python3"), two_views), []);
        let on_disk = file(FileFlags::BIND_MOUNT, 0xef53);
        assert_eq!(
            found(by("/app/server"), mapped(on_disk, "/usr/lib/libcuda.so.1", 5)),
            [],
            "the runtime mounted it"
        );
        let built = scene("a", "/usr/bin/python3").below(&["/usr/bin/make"]);
        assert_eq!(
            found(built, mapped(upper, "/srv/a.so", 5)),
            [("drift.library_outside_image", Severity::Medium)]
        );
    }

    #[test]
    fn libraries_on_a_writable_volume_weigh_less() {
        let mut mounted = by("/app/server");
        mounted.known.mounts = vec![crate::container::MountPoint {
            source: "plugins".into(),
            destination: "/plugins".into(),
            writable: true,
            bind: false,
        }];
        let on_disk = file(FileFlags::BIND_MOUNT, 0xef53);
        assert_eq!(
            found(mounted, mapped(on_disk, "/plugins/a.so", 5)),
            [("drift.library_outside_image", Severity::Medium)]
        );
    }
}
