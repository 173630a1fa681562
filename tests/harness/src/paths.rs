//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace's root.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder.
#[must_use]
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The agent under test: `VIGIA_TEST_AGENT`, which `cargo xtask test` sets, else the development build.
#[must_use]
pub fn agent_binary() -> PathBuf {
    env::var_os("VIGIA_TEST_AGENT").map_or_else(|| target_dir().join("debug/agent"), PathBuf::from)
}

/// What takes long to make and outlives a checkout: `$XDG_CACHE_HOME/vigia`, else `~/.cache/vigia`.
#[must_use]
pub fn cache_dir() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    base.unwrap_or_else(home).join("vigia")
}

/// Programs that `cargo xtask setup` fetched for this project: `VIGIA_TOOLS`, else under the user's cache.
#[must_use]
pub fn tools_dir() -> PathBuf {
    env::var_os("VIGIA_TOOLS").map_or_else(|| cache_dir().join("tools"), PathBuf::from)
}

/// A file among them.
#[must_use]
pub fn tool(path: &str) -> PathBuf {
    tools_dir().join(path)
}

/// Scratch space of one run. Short, because unix sockets live in it and their paths end at 107 bytes.
#[must_use]
pub fn scratch_dir() -> PathBuf {
    env::temp_dir().join("vigia-lab")
}

/// A program on PATH, or in the system folders that PATH lacks for ordinary users.
#[must_use]
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
