//! Roles: images that are known as a database, a web server, … bring rules before anything is learned.

mod program;
#[cfg(test)]
mod tests;

use super::error::ProfileError;
use super::model::ApiVersion;
use super::parse::document;
use super::value::{Port, Protocol};
use super::{ImageName, ImagePattern};
use crate::container::ContainerMetadata;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;

/// Label in which images say what they are.
const TITLE_LABEL: &str = "org.opencontainers.image.title";

/// A role.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    pub kind: RoleKind,
    pub metadata: RoleMetadata,
    pub recognise: Recognise,
    /// What containers of this role listen on.
    #[serde(default)]
    pub listen: Vec<RoleListen>,
    /// What they must not.
    #[serde(default)]
    pub forbid: Vec<Forbidden>,
}

/// The kind of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum RoleKind {
    Role,
}

/// Name and meaning.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleMetadata {
    pub name: String,
    pub description: String,
}

/// What gives a role away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recognise {
    /// Patterns over the last component of the repository, and over the image's title.
    pub images: Vec<ImagePattern>,
    /// Base names of the program that the entrypoint or command runs, or of one that starts it.
    pub programs: Vec<String>,
}

/// A listener that belongs to the role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleListen {
    #[serde(default)]
    pub proto: Protocol,
    pub port: Port,
    /// Base names of programs; empty: any.
    #[serde(default)]
    pub programs: Vec<String>,
}

/// A listener that has no place in the role.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// Id of the rule that it is a finding of.
    pub rule: String,
    /// Loopback aside: tools of the product talk to each other there.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Base names of programs that must not listen on any port.
    #[serde(default)]
    pub programs: Vec<String>,
}

impl Role {
    /// Name of the role.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// True when the role's own program listens where the role does.
    #[must_use]
    pub fn expects(&self, proto: Protocol, port: u16, program: &str) -> bool {
        self.listen.iter().any(|entry| {
            entry.proto == proto
                && (entry.port == Port::Number(port) || entry.port == Port::Any)
                && (entry.programs.is_empty() || entry.programs.iter().any(|known| known == program))
        })
    }

    /// What forbids the listener: its program, or its port unless only the container itself can reach it.
    #[must_use]
    pub fn forbids(&self, (address, port): (IpAddr, u16), program: &str) -> Option<&Forbidden> {
        self.forbid.iter().find(|entry| {
            let by_port = !address.is_loopback() && entry.ports.contains(&port);
            by_port || entry.programs.iter().any(|known| known == program)
        })
    }

    /// True when one of the role's programs is `program`.
    #[must_use]
    pub fn runs(&self, program: &str) -> bool {
        self.recognise
            .programs
            .iter()
            .chain(self.listen.iter().flat_map(|entry| &entry.programs))
            .any(|p| p == program)
    }

    fn is_image(&self, name: &ImageName) -> bool {
        let base = ImageName {
            repository: name.base().to_owned(),
            tag: name.tag.clone(),
        };
        self.recognise.images.iter().any(|pattern| pattern.matches(&base))
    }

    fn is_run_by(&self, command: &[String]) -> bool {
        let programs = program::programs(command);
        programs
            .iter()
            .any(|program| self.recognise.programs.iter().any(|known| known == program))
    }
}

/// The roles that are shipped.
#[derive(Debug, Clone)]
pub struct RoleSet {
    roles: Vec<Role>,
}

/// Every file of `profiles/roles`; a test asserts that none is missing.
const SHIPPED: [(&str, &str); 7] = [
    ("cache.yaml", include_str!("../../../profiles/roles/cache.yaml")),
    (
        "database.yaml",
        include_str!("../../../profiles/roles/database.yaml"),
    ),
    ("proxy.yaml", include_str!("../../../profiles/roles/proxy.yaml")),
    ("queue.yaml", include_str!("../../../profiles/roles/queue.yaml")),
    (
        "runtime.yaml",
        include_str!("../../../profiles/roles/runtime.yaml"),
    ),
    ("ssh.yaml", include_str!("../../../profiles/roles/ssh.yaml")),
    ("web.yaml", include_str!("../../../profiles/roles/web.yaml")),
];

impl RoleSet {
    /// Reads the roles that the binary carries.
    ///
    /// # Errors
    /// Never with the files of a release: a test reads them all.
    pub fn shipped() -> Result<Self, ProfileError> {
        let roles = SHIPPED.iter().map(|(name, text)| document(text, Path::new(name)));
        Ok(Self {
            roles: roles.collect::<Result<_, _>>()?,
        })
    }

    /// The role of an image: by its name, else by its title, else by what it runs.
    #[must_use]
    pub fn of(&self, metadata: &ContainerMetadata) -> Option<&Role> {
        let named = |reference: &str| {
            let name = ImageName::parse(reference)?;
            self.roles.iter().find(|role| role.is_image(&name))
        };
        named(&metadata.image.reference)
            .or_else(|| named(&metadata.labels.get(TITLE_LABEL)?.to_lowercase()))
            .or_else(|| self.roles.iter().find(|role| role.is_run_by(&metadata.command)))
    }

    /// All roles.
    pub fn iter(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter()
    }
}
