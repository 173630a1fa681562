//! Writing image archives without a registry: docker-archive and OCI layout in one, over the same blobs, so that `docker
//! load`, `podman load`, `ctr images import` and `skopeo` read them.
//!
//! Deterministic: the same layer and configuration give the same image id, and the same file.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
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

/// Writes the archive. The layer comes first: [`read_layer`] need not read what follows.
///
/// # Errors
/// When the layer cannot be read or the archive cannot be written.
pub fn write_archive(archive: &Path, layer: &Path, images: &[ImageConfig]) -> Result<()> {
    let digest = sha256_of(layer)?;
    let file = File::create(archive).with_context(|| format!("cannot create {}", archive.display()))?;
    let mut builder = Builder::new(BufWriter::new(file));
    let source = File::open(layer).with_context(|| format!("cannot open {}", layer.display()))?;
    let size = source.metadata()?.len();
    builder.append_data(&mut header(size), blob_name(&digest), source)?;
    let (mut manifest, mut index) = (Vec::new(), Vec::new());
    for image in images {
        let config = append_blob(&mut builder, "image.config", &image_json(image, &digest))?;
        let layer = json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": format!("sha256:{digest}"),
            "size": size,
        });
        manifest.push(json!({
            "Config": blob_name(config["digest"].as_str().unwrap_or_default()),
            "RepoTags": [image.name],
            "Layers": [blob_name(&digest)],
        }));
        index.push(append_manifest(&mut builder, image, &config, &layer)?);
    }
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index});
    append_json(
        &mut builder,
        "oci-layout",
        &json!({"imageLayoutVersion": "1.0.0"}),
    )?;
    append_json(&mut builder, "index.json", &index)?;
    append_json(&mut builder, "manifest.json", &json!(manifest))?;
    builder
        .into_inner()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

/// Reads the layer of an archive that [`write_archive`] wrote.
///
/// # Errors
/// When the archive cannot be read or has no layer, and what `read` answers.
pub fn read_layer<T>(archive: &Path, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let file = File::open(archive).with_context(|| format!("cannot open {}", archive.display()))?;
    match tar::Archive::new(BufReader::new(file)).entries()?.next() {
        Some(entry) => read(&mut entry?),
        None => bail!("{} has no layer", archive.display()),
    }
}

fn image_json(image: &ImageConfig, layer_digest: &str) -> Value {
    json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": image.config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "vigia"}],
    })
}

/// What images call this machine.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

/// Answers the image's descriptor for the index.
fn append_manifest(
    builder: &mut Builder<impl io::Write>,
    image: &ImageConfig,
    config: &Value,
    layer: &Value,
) -> Result<Value> {
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]});
    let mut descriptor = append_blob(builder, "image.manifest", &manifest)?;
    let tag = image.name.rsplit(':').next().unwrap_or_default();
    descriptor["platform"] = json!({"architecture": architecture(), "os": "linux"});
    descriptor["annotations"] = json!({
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": tag,
    });
    Ok(descriptor)
}

/// `digest` with or without its algorithm.
fn blob_name(digest: &str) -> String {
    format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"))
}

/// Answers the blob's descriptor.
fn append_blob(builder: &mut Builder<impl io::Write>, kind: &str, content: &Value) -> Result<Value> {
    let digest = hex(&Sha256::digest(serde_json::to_vec(content)?));
    append_json(builder, &blob_name(&digest), content)?;
    Ok(json!({
        "mediaType": format!("application/vnd.oci.{kind}.v1+json"),
        "digest": format!("sha256:{digest}"),
        "size": serde_json::to_vec(content)?.len(),
    }))
}

fn append_json(builder: &mut Builder<impl io::Write>, name: &str, content: &Value) -> Result<()> {
    let bytes = serde_json::to_vec(content)?;
    let size = u64::try_from(bytes.len())?;
    Ok(builder.append_data(&mut header(size), name, bytes.as_slice())?)
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
        let names = names_of(&first)?;
        // a layer, two configurations, two manifests, and the three files that say where they are
        assert_eq!(names.len(), 8, "{names:?}");
        let mut content = String::new();
        read_layer(&first, |layer| Ok(layer.read_to_string(&mut content)?))?;
        assert_eq!(content, "layer");
        Ok(())
    }

    fn names_of(archive: &Path) -> Result<Vec<String>> {
        let mut archive = tar::Archive::new(File::open(archive)?);
        archive
            .entries()?
            .map(|entry| Ok(entry?.path()?.display().to_string()))
            .collect()
    }

    /// Follows every reference of a written archive, as those who load it do.
    #[test]
    fn both_forms_lead_to_blobs_that_are_what_their_names_say() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (layer, archive, out) = (
            folder.path().join("layer.tar"),
            folder.path().join("a.tar"),
            folder.path().join("out"),
        );
        std::fs::write(&layer, b"layer")?;
        let image = ImageConfig {
            name: "vigia:1".into(),
            config: json!({"Cmd": ["run"]}),
        };
        write_archive(&archive, &layer, &[image])?;
        tar::Archive::new(File::open(&archive)?).unpack(&out)?;
        let read =
            |name: &str| -> Result<Value> { Ok(serde_json::from_slice(&std::fs::read(out.join(name))?)?) };
        let blob = |descriptor: &Value| -> Result<Vec<u8>> {
            let digest = descriptor["digest"].as_str().context("no digest")?;
            let content = std::fs::read(out.join(blob_name(digest)))?;
            assert_eq!(format!("sha256:{}", hex(&Sha256::digest(&content))), digest);
            assert_eq!(descriptor["size"], content.len());
            Ok(content)
        };
        let index = read("index.json")?;
        let listed = &index["manifests"][0];
        assert_eq!(listed["annotations"]["io.containerd.image.name"], "vigia:1");
        let manifest: Value = serde_json::from_slice(&blob(listed)?)?;
        assert_eq!(blob(&manifest["layers"][0])?, b"layer");
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])?)?;
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        let docker = &read("manifest.json")?[0];
        assert_eq!(docker["RepoTags"][0], "vigia:1");
        assert_eq!(read(docker["Config"].as_str().context("no config")?)?, config);
        assert_eq!(
            std::fs::read(out.join(docker["Layers"][0].as_str().context("no layer")?))?,
            b"layer"
        );
        Ok(())
    }
}
