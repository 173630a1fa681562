//! Image references as people and runtimes write them, and patterns over them.

use globset::{GlobBuilder, GlobMatcher};
use std::fmt;

/// An image reference in its two parts, without the registry that Docker adds by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageName {
    /// `nginx`, `ghcr.io/acme/api`.
    pub repository: String,
    /// `latest` when none was written.
    pub tag: String,
}

impl ImageName {
    /// Takes a reference apart. `None`: it is empty, or only a digest.
    #[must_use]
    pub fn parse(reference: &str) -> Option<Self> {
        let named = reference.split('@').next().unwrap_or_default();
        if named.is_empty() || named.starts_with("sha256:") {
            return None;
        }
        let (repository, tag) = split_tag(named);
        Some(Self {
            repository: familiar(repository).to_owned(),
            tag: tag.unwrap_or("latest").to_owned(),
        })
    }

    /// The last component of the repository: `postgres` of `docker.io/bitnami/postgres`.
    #[must_use]
    pub fn base(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository, self.tag)
    }
}

/// A colon in the last component begins the tag; one before it belongs to the registry's port.
fn split_tag(named: &str) -> (&str, Option<&str>) {
    let component = named.rfind('/').map_or(0, |at| at + 1);
    match named[component..].find(':') {
        Some(colon) => (&named[..component + colon], Some(&named[component + colon + 1..])),
        None => (named, None),
    }
}

/// Without what Docker adds to official images.
fn familiar(repository: &str) -> &str {
    let without_registry = ["docker.io/", "index.docker.io/", "registry-1.docker.io/"]
        .iter()
        .find_map(|prefix| repository.strip_prefix(prefix))
        .unwrap_or(repository);
    without_registry
        .strip_prefix("library/")
        .unwrap_or(without_registry)
}

/// A pattern over `repository:tag`; without a tag it means any.
#[derive(Clone)]
pub struct ImagePattern {
    text: String,
    repository: GlobMatcher,
    tag: Option<GlobMatcher>,
}

impl ImagePattern {
    /// True when the image's repository and tag both match.
    #[must_use]
    pub fn matches(&self, image: &ImageName) -> bool {
        self.repository.is_match(&image.repository)
            && self.tag.as_ref().is_none_or(|tag| tag.is_match(&image.tag))
    }

    /// How much the pattern pins down: the number of its literal characters. The highest wins.
    #[must_use]
    pub fn specificity(&self) -> usize {
        self.text
            .chars()
            .filter(|character| !"*?[]{}".contains(*character))
            .count()
    }
}

impl std::str::FromStr for ImagePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.contains('@') || text.contains(char::is_whitespace) {
            return Err(format!(
                "`{text}` is no image pattern; write repository:tag, a digest belongs under `digest`"
            ));
        }
        let (repository, tag) = split_tag(text);
        Ok(Self {
            text: text.to_owned(),
            repository: matcher(text, familiar(repository))?,
            tag: tag.map(|tag| matcher(text, tag)).transpose()?,
        })
    }
}

fn matcher(whole: &str, part: &str) -> Result<GlobMatcher, String> {
    GlobBuilder::new(part)
        .literal_separator(true)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("`{whole}` is no image pattern: {}", error.kind()))
}

impl fmt::Debug for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for ImagePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ImagePattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, image: &str) -> bool {
        pattern
            .parse::<ImagePattern>()
            .unwrap()
            .matches(&ImageName::parse(image).unwrap())
    }

    #[test]
    fn docker_s_own_registry_is_left_out() {
        assert!(matches("nginx:1.25*", "docker.io/library/nginx:1.25.3"));
        assert!(matches("docker.io/library/nginx", "nginx"));
        assert!(!matches("nginx:1.25*", "ghcr.io/acme/nginx:1.25.3"));
    }

    #[test]
    fn a_registry_s_port_is_no_tag_and_a_digest_is_ignored() {
        let image = ImageName::parse("localhost:5000/acme/api@sha256:00").unwrap();
        assert_eq!(
            (image.repository.as_str(), image.tag.as_str(), image.base()),
            ("localhost:5000/acme/api", "latest", "api")
        );
        assert_eq!(ImageName::parse("sha256:0123"), None);
    }

    #[test]
    fn a_star_stays_within_a_component() {
        assert!(matches("acme/*:v?", "acme/api:v1"));
        assert!(!matches("acme/*", "acme/team/api"));
        assert!(matches("acme/**", "acme/team/api"));
    }
}
