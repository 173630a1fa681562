//! What entries find around them: images, a network with a sink, and the folder that they call `$LAB`.

use super::Corpus;
use crate::command;
use crate::image::{CORPUS_ATTACK, CORPUS_BENIGN, Set};
use crate::lab::Docker;
use anyhow::{Context, Result};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

const NETWORK: &str = "corpus";
const SINK: &str = "corpus-sink";
/// Of its own, so that no profile of the attacks' image is learned from it.
const SINK_IMAGE: &str = "corpus/sink";
const SINK_BASE: &str = "corpus/attack";
const SINK_ADDRESS: &str = "10.222.0.10";

/// The images of the corpus: how entries call them, and what they are made of.
const IMAGES: [(&str, Set, &str); 2] = [
    (SINK_BASE, Set::CorpusAttack, CORPUS_ATTACK),
    ("corpus/benign", Set::CorpusBenign, CORPUS_BENIGN),
];

/// Everything is removed when it is dropped.
#[derive(Debug)]
pub struct Stage<'a> {
    pub(super) docker: &'a Docker,
    lab: PathBuf,
    victim: Child,
    api: FakeApi,
}

impl<'a> Stage<'a> {
    /// Makes it for these entries.
    ///
    /// # Errors
    /// When an image cannot be made, or the daemon refuses something.
    pub fn set(docker: &'a Docker, corpus: &Corpus) -> Result<Self> {
        let lab = docker.folder().join("corpus");
        let victim = prepare_folder(&lab)?;
        let stage = Self {
            docker,
            api: FakeApi::serve(&lab.join("docker.sock"))?,
            lab,
            victim,
        };
        let named = |image: &str| corpus.entries.iter().any(|entry| entry.image() == image);
        for (image, set, base) in IMAGES {
            if image == SINK_BASE || named(image) {
                stage.make_image(image, set, base, corpus)?;
            }
        }
        stage.start_sink()?;
        Ok(stage)
    }

    /// `$LAB`.
    #[must_use]
    pub fn lab(&self) -> &Path {
        &self.lab
    }

    /// A container of an image that does nothing; its id.
    ///
    /// # Errors
    /// When the daemon refuses it.
    pub fn idle(&self, image: &str) -> Result<String> {
        let options = ["run", "--detach", "--network", "none", "--entrypoint", "sleep"];
        self.docker.docker(options.into_iter().chain([image, "100000"]))
    }

    /// Ends one.
    ///
    /// # Errors
    /// When there is none of the id.
    pub fn remove(&self, id: &str) -> Result<()> {
        self.docker.docker(["rm", "--force", id]).map(drop)
    }

    /// Adds the cases to what is cached: they change more often than packages.
    fn make_image(&self, image: &str, set: Set, base: &str, corpus: &Corpus) -> Result<()> {
        self.docker.load(set)?;
        let folder = self.lab.join("opt");
        corpus.write_folder(&folder)?;
        let container = self.docker.docker(["create", base, "true"])?;
        let target = format!("{container}:/opt/corpus");
        self.docker
            .docker(["cp".as_ref(), folder.as_os_str(), target.as_ref()])?;
        let entrypoint = "ENTRYPOINT [\"/opt/corpus/gate\"]";
        self.docker
            .docker(["commit", "--change", entrypoint, &container, image])?;
        self.docker.docker(["rm", &container])?;
        Ok(())
    }

    /// The attacks' image by another name and with another id.
    fn make_sink(&self) -> Result<()> {
        let container = self.docker.docker(["create", SINK_BASE])?;
        let label = ["commit", "--change", "LABEL role=sink", &container, SINK_IMAGE];
        self.docker.docker(label)?;
        self.docker.docker(["rm", &container])?;
        Ok(())
    }

    fn start_sink(&self) -> Result<()> {
        self.make_sink()?;
        self.docker.docker([
            "network",
            "create",
            "--internal",
            "--subnet",
            "10.222.0.0/24",
            NETWORK,
        ])?;
        let options = [
            "run",
            "--detach",
            "--name",
            SINK,
            "--network",
            NETWORK,
            "--ip",
            SINK_ADDRESS,
        ];
        let command = ["--entrypoint", "python3", SINK_IMAGE, "/opt/corpus/sink.py"];
        self.docker.docker(options.into_iter().chain(command))?;
        command::wait_until("the sink listens", Duration::from_secs(20), || {
            let mut connect = self.docker.in_network("busybox");
            command::run(connect.args(["nc", "-w", "1", SINK_ADDRESS, "8080", "-e", "true"])).ok()
        })?;
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.docker.docker(["rm", "--force", SINK]).ok();
        self.docker.docker(["network", "rm", NETWORK]).ok();
        self.victim.kill().ok();
        self.victim.wait().ok();
        self.api.end();
        fs::remove_dir_all(&self.lab).ok();
    }
}

/// Files that entries open, and a process of the host that they look at.
fn prepare_folder(lab: &Path) -> Result<Child> {
    fs::remove_dir_all(lab).ok();
    for folder in ["hostroot", "sa"] {
        fs::create_dir_all(lab.join(folder))?;
    }
    for (file, content) in [("hostroot/marker", "marker\n"), ("sa/token", "corpus-token\n")] {
        fs::write(lab.join(file), content)?;
    }
    let victim = Command::new("sleep")
        .arg("1000000")
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start sleep")?;
    fs::write(lab.join("victim"), victim.id().to_string())?;
    Ok(victim)
}

/// Answers like a runtime's API, and does nothing.
#[derive(Debug)]
struct FakeApi {
    socket: PathBuf,
    over: Arc<AtomicBool>,
}

impl FakeApi {
    fn serve(socket: &Path) -> Result<Self> {
        let listener =
            UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if is_over.load(Ordering::Acquire) {
                    return;
                }
                answer(stream);
            }
        });
        Ok(Self {
            socket: socket.to_path_buf(),
            over,
        })
    }

    fn end(&self) {
        self.over.store(true, Ordering::Release);
        // Wakes the thread, which then sees that it is over.
        UnixStream::connect(&self.socket).ok();
    }
}

fn answer(mut stream: UnixStream) {
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok();
    // Whoever does not ask, or has gone already, gets no answer.
    if stream.read(&mut [0; 4096]).is_ok() {
        stream
            .write_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}")
            .ok();
    }
}
