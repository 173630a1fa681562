//! What is in the package, and where.

use super::licences;
use crate::shell;
use agent_tests::image;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const PROGRAM: &str = "usr/bin/vigia";
pub(super) const UNIT: &str = "usr/lib/systemd/system/vigia.service";
const DOCUMENTATION: &str = "usr/share/doc/vigia";

/// Files that are in the package as they are here.
const FILES: [(&str, &str); 9] = [
    ("deploy/systemd/vigia.service", UNIT),
    ("docs/config.example.yaml", "etc/vigia/config.yaml"),
    (
        "deploy/completions/vigia.bash",
        "usr/share/bash-completion/completions/vigia",
    ),
    (
        "deploy/completions/_vigia",
        "usr/share/zsh/vendor-completions/_vigia",
    ),
    (
        "deploy/completions/vigia.fish",
        "usr/share/fish/vendor_completions.d/vigia.fish",
    ),
    ("deploy/debian/copyright", "usr/share/doc/vigia/copyright"),
    (
        "deploy/debian/lintian-overrides",
        "usr/share/lintian/overrides/vigia",
    ),
    (
        "deploy/prometheus/rules.yaml",
        "usr/share/doc/vigia/examples/prometheus-rules.yaml",
    ),
    (
        "docs/config.schema.json",
        "usr/share/doc/vigia/examples/config.schema.json",
    ),
];

/// Folders that are empty until somebody writes something.
const FOLDERS: [&str; 3] = ["etc/vigia/conf.d", "etc/vigia/profiles", "etc/vigia/rules.d"];
/// What an upgrade asks about before it is replaced.
const CONFFILES: &str = "/etc/vigia/config.yaml\n";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

/// The package's files below one folder.
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Everything but the description.
    ///
    /// # Errors
    /// When something is missing or cannot be written.
    pub(super) fn lay_out(root: PathBuf, agent: &Path) -> Result<Self> {
        let tree = Self { root };
        let program = tree.place(PROGRAM, 0o755)?;
        image::strip(agent, &program)?;
        for (from, to) in FILES {
            tree.copy(&shell::workspace().join(from), to, 0o644)?;
        }
        for folder in FOLDERS {
            tree.folder(&tree.root.join(folder))?;
        }
        for page in pages()? {
            let name = page.file_name().unwrap_or_default().to_string_lossy();
            tree.compressed(&format!("usr/share/man/man1/{name}"), &fs::read(&page)?)?;
        }
        let changelog = fs::read(shell::workspace().join("deploy/debian/changelog"))?;
        tree.compressed(&format!("{DOCUMENTATION}/changelog"), &changelog)?;
        let licences = licences::text()?;
        tree.compressed(&format!("{DOCUMENTATION}/third-party.txt"), licences.as_bytes())?;
        Ok(tree)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes what dpkg has to know; `fields` fill the description.
    ///
    /// # Errors
    /// When something cannot be written.
    pub(super) fn describe(&self, fields: &[(&str, &str)]) -> Result<()> {
        let size = self.installed_kib()?.to_string();
        let sums = self.sums()?;
        let source = shell::workspace().join("deploy/debian");
        for script in SCRIPTS {
            self.copy(&source.join(script), &format!("DEBIAN/{script}"), 0o755)?;
        }
        let mut control = fs::read_to_string(source.join("control"))?;
        for (name, value) in fields.iter().chain(&[("Installed-Size", size.as_str())]) {
            control = control.replace(&format!("${{{name}}}"), value);
        }
        // A program that loads no library depends on none.
        let control = control.replace("Depends: \n", "");
        for (name, text) in [
            ("control", &*control),
            ("conffiles", CONFFILES),
            ("md5sums", &sums),
        ] {
            fs::write(self.place(&format!("DEBIAN/{name}"), 0o644)?, text)?;
        }
        Ok(())
    }

    /// As dpkg counts: whole KiB of each file and folder.
    fn installed_kib(&self) -> Result<u64> {
        let text = agent_tests::command::run(
            Command::new("du")
                .args(["--apparent-size", "--block-size=1024", "-s"])
                .arg(&self.root),
        )?;
        let size = text.split_whitespace().next().unwrap_or_default();
        size.parse().with_context(|| format!("du says: {text}"))
    }

    /// Of every file that is no conffile.
    fn sums(&self) -> Result<String> {
        let mut find = Command::new("find");
        find.args(["usr", "-type", "f", "-exec", "md5sum", "{}", "+"]);
        Ok(agent_tests::command::run(find.current_dir(&self.root))? + "\n")
    }

    fn copy(&self, from: &Path, to: &str, mode: u32) -> Result<()> {
        let content = fs::read(from).with_context(|| from.display().to_string())?;
        fs::write(self.place(to, mode)?, content)?;
        Ok(())
    }

    fn compressed(&self, path: &str, content: &[u8]) -> Result<()> {
        let file = self.place(path, 0o644)?;
        fs::write(&file, content)?;
        // Without the name and the time, which would differ each time.
        agent_tests::command::run(Command::new("gzip").arg("-9n").arg(&file))?;
        Ok(())
    }

    /// An empty file with this mode.
    fn place(&self, path: &str, mode: u32) -> Result<PathBuf> {
        let file = self.root.join(path);
        self.folder(file.parent().unwrap_or(&self.root))?;
        fs::write(&file, [])?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        Ok(file)
    }

    /// Whatever the umask is: everybody may read what is in a package.
    fn folder(&self, path: &Path) -> Result<()> {
        fs::create_dir_all(path)?;
        for folder in path
            .ancestors()
            .take_while(|folder| folder.starts_with(&self.root))
        {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }
}

/// Manual pages, which the agent's tests keep current.
fn pages() -> Result<Vec<PathBuf>> {
    let folder = shell::workspace().join("docs/man");
    let pages = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut pages: Vec<_> = pages
        .map(|page| page.map(|page| page.path()))
        .collect::<std::io::Result<_>>()?;
    pages.sort();
    Ok(pages)
}
