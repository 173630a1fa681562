//! The profile as it is written.

use super::value::{AddressScope, Cidr, PathPattern, Port, Protocol};
use super::{ArgumentPatterns, DnsName, ImageName, ImagePattern, check};
use crate::container::Container;
use crate::detect::Class;
use crate::event::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an image may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    pub kind: Kind,
    pub metadata: ProfileMetadata,
    #[serde(rename = "match", deserialize_with = "check::matching")]
    pub matching: Matching,
    #[serde(default)]
    pub state: ProfileState,
    /// Per class; a class that is not named is monitored.
    #[serde(
        default,
        deserialize_with = "check::modes",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub mode: BTreeMap<Class, Mode>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<Exec>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<Listen>,
    #[serde(
        default,
        deserialize_with = "check::contacts",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub connect: Vec<Connect>,
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// Missing: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
}

/// The version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiVersion {
    #[serde(rename = "vigia.dev/v1alpha1")]
    V1Alpha1,
}

/// The kind of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    BehaviorProfile,
}

/// Name and labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileMetadata {
    #[serde(deserialize_with = "check::name")]
    pub name: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Which images the profile is for: the first of digest, image id and patterns that is given and matches; else which control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// Manifest digest.
    #[serde(
        default,
        deserialize_with = "check::digest",
        skip_serializing_if = "Option::is_none"
    )]
    pub digest: Option<String>,
    /// Config digest: what Docker calls the image's id.
    #[serde(
        default,
        deserialize_with = "check::digest",
        skip_serializing_if = "Option::is_none"
    )]
    pub image_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<ImagePattern>,
    /// Paths of control groups, as the host has them: for containers without an image (plain runc, systemd-nspawn), or whose image no
    /// profile matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<PathPattern>,
}

impl Matching {
    /// Whether it matches a container by its image, as soon as that is known, or by its control group.
    #[must_use]
    pub fn covers(&self, container: &Container) -> bool {
        let image = container
            .known()
            .and_then(|known| ImageName::parse(&known.image.reference));
        image.is_some_and(|image| self.specificity(&image).is_some())
            || self.cgroup_specificity(&container.cgroup).is_some()
    }

    /// How specific the best matching pattern is; `None` when no pattern matches.
    #[must_use]
    pub fn specificity(&self, image: &ImageName) -> Option<usize> {
        self.images
            .iter()
            .filter(|pattern| pattern.matches(image))
            .map(ImagePattern::specificity)
            .max()
    }

    /// How specific the best matching pattern of control groups is; `None` when none matches.
    #[must_use]
    pub fn cgroup_specificity(&self, cgroup: &str) -> Option<usize> {
        let matching = self
            .cgroups
            .iter()
            .filter(|pattern| pattern.matches(cgroup.as_bytes()));
        matching.map(|pattern| pattern.as_str().len()).max()
    }
}

/// How much the profile knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileState {
    /// There is no profile.
    None,
    /// It grows; what is outside of it is no finding.
    Learning,
    /// Some behaviour is described; what is outside is suspicious.
    Partial,
    /// All behaviour is described.
    #[default]
    Complete,
}

impl ProfileState {
    /// The word in alerts and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Learning => "learning",
            Self::Partial => "partial",
            Self::Complete => "complete",
        }
    }
}

/// What is done about deviations of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Deviations extend the profile.
    Learn,
    /// Deviations alert.
    #[default]
    Monitor,
    /// Deviations are denied. Part of the format; refused while nothing can deny.
    Enforce,
}

impl Mode {
    /// The word in alerts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Monitor => "monitor",
            Self::Enforce => "enforce",
        }
    }
}

/// Where an entry comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Shipped with the agent.
    Baseline,
    /// Read from the image: entrypoint, EXPOSE.
    Image,
    /// Observed.
    Learned,
    /// Written by a person.
    #[default]
    Manual,
}

/// Where an entry comes from, and what it rests on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    #[serde(default)]
    pub source: Source,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Containers in which it was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
}

/// A program, or a script by its name, that may be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exec {
    pub path: PathPattern,
    /// Executables that may start it; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<PathPattern>,
    /// Its arguments, the program's own name left out; missing: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<ArgumentPatterns>,
    #[serde(default)]
    pub provenance: Provenance,
}

/// A listener that may exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    #[serde(default)]
    pub proto: Protocol,
    pub port: Port,
    #[serde(default)]
    pub address: AddressScope,
    /// By which executable; missing: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<PathPattern>,
    #[serde(default)]
    pub provenance: Provenance,
}

/// A peer that may be contacted: all of what is given must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Cidr>,
    /// Image of the container that is contacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImagePattern>,
    /// What the container asked for when it was answered the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsName>,
    #[serde(default)]
    pub proto: Protocol,
    #[serde(default)]
    pub port: Port,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<PathPattern>,
    #[serde(default)]
    pub provenance: Provenance,
}

/// Files that may be touched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// Files and folders (with all below) that may be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<PathEntry>,
    /// Sensitive files and folders (with all below) that may be read; missing: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Vec<PathEntry>>,
}

impl Files {
    /// True when nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.write.is_empty() && self.read.is_none()
    }
}

/// A path with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathEntry {
    pub path: PathPattern,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe: Option<PathPattern>,
    #[serde(default)]
    pub provenance: Provenance,
}

/// A capability that the image uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// `CAP_NET_BIND_SERVICE`; read in any case, and without `CAP_`.
    #[serde(deserialize_with = "check::capability")]
    pub name: String,
    #[serde(default)]
    pub provenance: Provenance,
}

impl Capability {
    /// Number of the kernel; `None` where the name is not known.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        let known = self.name.parse::<caps::Capability>().ok()?;
        Some(u32::from(known.index()))
    }
}
