//! Writing docker-archives: what `docker load`, `ctr images import` and Podman read, without a registry.
//!
//! Deterministic: the same layer and configuration give the same image id.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter, Read};
use std::path::Path;
use tar::{Builder, Header};

/// One image of an archive; all images of an archive share the layer.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    /// `repository:tag`.
    pub name: String,
    /// Docker's `config` object: `Cmd`, `Entrypoint`, `Env`, `ExposedPorts`, `User`, `Labels`.
    pub config: Value,
}

/// Writes the archive.
///
/// # Errors
/// When the layer cannot be read or the archive cannot be written.
pub fn write_archive(archive: &Path, layer: &Path, images: &[ImageConfig]) -> Result<()> {
    let digest = sha256_of(layer)?;
    let file = File::create(archive).with_context(|| format!("cannot create {}", archive.display()))?;
    let mut builder = Builder::new(BufWriter::new(file));
    let layer_name = format!("{digest}/layer.tar");
    let source = File::open(layer).with_context(|| format!("cannot open {}", layer.display()))?;
    builder.append_data(&mut header(source.metadata()?.len()), &layer_name, source)?;
    let mut manifest = Vec::new();
    for image in images {
        let config = serde_json::to_vec(&image_json(image, &digest))?;
        let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
        append_bytes(&mut builder, &config_name, &config)?;
        manifest.push(json!({"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]}));
    }
    append_bytes(&mut builder, "manifest.json", &serde_json::to_vec(&manifest)?)?;
    builder
        .into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

fn image_json(image: &ImageConfig, layer_digest: &str) -> Value {
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "vigia tests"}],
    })
}

fn append_bytes(builder: &mut Builder<impl io::Write>, name: &str, bytes: &[u8]) -> Result<()> {
    let size = u64::try_from(bytes.len())?;
    Ok(builder.append_data(&mut header(size), name, bytes)?)
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_share_the_layer_and_ids_are_stable() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let layer = folder.path().join("layer.tar");
        std::fs::write(&layer, b"layer")?;
        let image = |name: &str, cmd: &str| ImageConfig {
            name: name.into(),
            config: json!({"Cmd": [cmd]}),
        };
        let images = [image("a:1", "x"), image("b:1", "y")];
        let (first, second) = (folder.path().join("1.tar"), folder.path().join("2.tar"));
        write_archive(&first, &layer, &images)?;
        write_archive(&second, &layer, &images)?;
        assert_eq!(std::fs::read(&first)?, std::fs::read(&second)?);
        let mut archive = tar::Archive::new(File::open(&first)?);
        let names: Vec<_> = archive
            .entries()?
            .flatten()
            .filter_map(|e| Some(e.path().ok()?.into_owned()))
            .collect();
        assert_eq!(names.len(), 4, "{names:?}");
        Ok(())
    }
}
