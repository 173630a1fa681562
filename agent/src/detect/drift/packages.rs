//! Package managers: images are complete, and what is installed in a container that runs is gone with it.

use super::interpreters::is_interpreter;
use super::{BUILDING, finding, is_below_builder, profile};
use crate::detect::program::{called, is_build_step};
use crate::detect::rules::drift;
use crate::detect::{DetectContext, Finding, Severity};
use crate::event::{Exec, KernelString};

/// Of the system: nobody else has a use for them, whatever they are asked.
const SYSTEM: [&[u8]; 14] = [
    b"apt",
    b"apt-get",
    b"aptitude",
    b"dpkg",
    b"rpm",
    b"dnf",
    b"dnf5",
    b"microdnf",
    b"tdnf",
    b"yum",
    b"zypper",
    b"apk",
    b"pacman",
    b"opkg",
];
/// Of languages: applications are started by some of them.
const LANGUAGES: [&[u8]; 17] = [
    b"pip",
    b"pipx",
    b"uv",
    b"conda",
    b"mamba",
    b"npm",
    b"pnpm",
    b"yarn",
    b"npx",
    b"gem",
    b"bundle",
    b"composer",
    b"cargo",
    b"cpan",
    b"cpanm",
    b"luarocks",
    b"go",
];
const INSTALLING: [&[u8]; 9] = [
    b"install", b"i", b"add", b"ci", b"require", b"update", b"upgrade", b"sync", b"get",
];

/// Who installs below a package manager or build tool does its work; the first of them is told.
pub(super) fn inspect(context: &DetectContext<'_>, exec: &Exec) -> Option<Finding> {
    let (tool, arguments) = tool(context, exec);
    let installs = SYSTEM.contains(&tool.as_slice()) || is_install(&tool, &arguments);
    if !installs || is_below_builder(context) || profile::executes(context, exec) == Some(true) {
        return None;
    }
    let tool = KernelString::from(tool.as_slice()).to_text();
    let did = format!("runs the package manager {tool}");
    let found = finding(context, &drift::PACKAGE_MANAGER, "packages", &did);
    let severity = if is_build_step(context.event) {
        Severity::Low
    } else {
        found.severity
    };
    Some(found.severity(severity).with("tool", tool).step_of(BUILDING))
}

/// Many are scripts, or modules that an interpreter is told.
fn tool(context: &DetectContext<'_>, exec: &Exec) -> (Vec<u8>, Vec<KernelString>) {
    if let Some(script) = exec.script() {
        return (script.path.file_name().to_vec(), script.arguments);
    }
    let name = called(&context.event.process);
    let arguments: Vec<KernelString> = exec.arguments().skip(1).collect();
    match arguments.as_slice() {
        [option, module, told @ ..] if is_interpreter(&name) && option.bytes == "-m" => {
            (module.bytes.to_vec(), told.to_vec())
        }
        _ => (name, arguments),
    }
}

/// `pip3.11 install`, `npm --silent ci`.
fn is_install(tool: &[u8], arguments: &[KernelString]) -> bool {
    let versioned = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let end = tool
        .iter()
        .rposition(|byte| !versioned(byte))
        .map_or(0, |last| last + 1);
    let verb = arguments
        .iter()
        .find(|argument| !argument.bytes.starts_with(b"-"));
    LANGUAGES.contains(&&tool[..end]) && verb.is_some_and(|verb| INSTALLING.contains(&verb.bytes.as_slice()))
}

#[cfg(test)]
mod tests {
    use crate::detect::testing::{Scene, scene};
    use crate::event::Payload;

    const TOLD: [&str; 1] = ["drift.package_manager"];

    fn by(exe: &str) -> Scene {
        scene("acme/app", exe).below(&["/bin/bash", "/app/server"])
    }

    fn executed(mut scene: Scene, args: &[&str]) -> Vec<&'static str> {
        let payload = scene.executed(args);
        scene.rules(payload)
    }

    #[test]
    fn package_managers_are_found_and_those_of_languages_when_they_install() {
        for (exe, args) in [
            ("/usr/bin/dpkg", vec!["dpkg", "-l"]),
            ("/usr/bin/apt-get", vec!["apt-get", "-s", "install", "x"]),
            ("/sbin/apk", vec!["apk", "add", "curl"]),
            ("/usr/bin/pip3.11", vec!["pip3.11", "install", "x"]),
            (
                "/usr/bin/python3",
                vec!["python3", "-m", "pip", "--quiet", "install", "x"],
            ),
            ("/usr/bin/npm", vec!["npm", "ci"]),
        ] {
            assert_eq!(executed(by(exe), &args), TOLD, "{args:?}");
        }
        let mut script = by("/usr/bin/python3");
        script.exe.args = "/usr/bin/python3\0/usr/bin/dnf\0install\0x".into();
        let mut exec = script.exec();
        exec.filename = "/usr/bin/dnf".into();
        assert_eq!(script.rules(Payload::Exec(exec)), TOLD);
    }

    #[test]
    fn what_starts_an_application_or_is_known_installs_nothing() {
        assert!(executed(by("/usr/bin/npm"), &["npm", "start"]).is_empty());
        assert!(executed(by("/usr/bin/pip3"), &["pip3", "list"]).is_empty());
        assert!(executed(by("/usr/bin/python3"), &["python3", "-m", "http.server"]).is_empty());
        let unpacking = scene("acme/app", "/usr/bin/dpkg").below(&["/usr/bin/apt-get", "/bin/sh"]);
        assert!(executed(unpacking, &["dpkg", "--unpack", "x"]).is_empty());
        let known = by("/usr/bin/dpkg").with_profile("state: complete\nexec: [{path: /usr/bin/dpkg}]");
        assert!(executed(known, &["dpkg", "-i", "x.deb"]).is_empty());
    }
}
