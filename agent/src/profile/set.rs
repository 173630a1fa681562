//! All profiles, and which one an image has.

use super::error::{Place, ProfileError};
use super::model::Profile;
use super::{CompiledProfile, ImageName, UniqueKey, compile};
use crate::container::{Container, ImageRef};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Profiles by what they match. A value: reloading makes a new one, and a failed reload changes nothing.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct ProfileSet {
    profiles: Vec<Arc<CompiledProfile>>,
    by_digest: HashMap<String, usize>,
    by_image_id: HashMap<String, usize>,
}

impl ProfileSet {
    /// Takes profiles with the files that they come from.
    ///
    /// # Errors
    /// [`ProfileError::Duplicate`]: two have one name, or are for one image by its digest or id.
    pub fn new(profiles: Vec<(PathBuf, Profile)>) -> Result<Self, ProfileError> {
        let mut taken: HashMap<(UniqueKey, String), PathBuf> = HashMap::new();
        let mut set = Self::default();
        for (file, profile) in profiles {
            for (key, value) in unique(&profile) {
                if let Some(first) = taken.insert((key, value.clone()), file.clone()) {
                    return Err(ProfileError::Duplicate {
                        key,
                        value,
                        first: Place::whole(first),
                        second: Place::whole(file),
                    });
                }
            }
            set.add(profile);
        }
        Ok(set)
    }

    fn add(&mut self, profile: Profile) {
        let at = self.profiles.len();
        if let Some(digest) = &profile.matching.digest {
            self.by_digest.insert(digest.to_ascii_lowercase(), at);
        }
        if let Some(id) = &profile.matching.image_id {
            self.by_image_id.insert(id.to_ascii_lowercase(), at);
        }
        self.profiles.push(Arc::new(compile(profile)));
    }

    /// The profile of a container: by its image as soon as that is known, else by its control group.
    #[must_use]
    pub fn of_container(&self, container: &Container) -> Option<&Arc<CompiledProfile>> {
        let known = container.known();
        let by_image = known.and_then(|known| self.of_image(&known.image));
        by_image.or_else(|| self.by_cgroup(&container.cgroup))
    }

    fn by_cgroup(&self, cgroup: &str) -> Option<&Arc<CompiledProfile>> {
        self.best(|profile| profile.matching().cgroup_specificity(cgroup))
            .and_then(|at| self.profiles.get(at))
    }

    /// The profile of an image: by manifest digest, else by image id, else by the most specific pattern.
    #[must_use]
    pub fn of_image(&self, image: &ImageRef) -> Option<&Arc<CompiledProfile>> {
        let indexed = |index: &HashMap<String, usize>, key: &Option<String>| {
            key.as_ref()
                .and_then(|key| index.get(&key.to_ascii_lowercase()))
                .copied()
        };
        indexed(&self.by_digest, &image.digest)
            .or_else(|| indexed(&self.by_image_id, &image.id))
            .or_else(|| self.by_pattern(&image.reference))
            .and_then(|at| self.profiles.get(at))
    }

    fn by_pattern(&self, reference: &str) -> Option<usize> {
        let image = ImageName::parse(reference)?;
        self.best(|profile| profile.matching().specificity(&image))
    }

    /// The most specific one. Among equals the name decides, so that the order of files does not.
    fn best(&self, specificity: impl Fn(&CompiledProfile) -> Option<usize>) -> Option<usize> {
        let matching = self.profiles.iter().enumerate().filter_map(|(at, profile)| {
            specificity(profile).map(|specificity| (specificity, std::cmp::Reverse(profile.name()), at))
        });
        matching.max().map(|(_, _, at)| at)
    }

    /// All profiles, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CompiledProfile>> {
        self.profiles.iter()
    }

    /// Number of profiles.
    #[must_use]
    pub fn len(&self) -> usize {
        self.profiles.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }
}

/// What no other profile may have.
fn unique(profile: &Profile) -> impl Iterator<Item = (UniqueKey, String)> {
    let (name, matching) = (&profile.metadata.name, &profile.matching);
    let digest = |digest: &String| digest.to_ascii_lowercase();
    [
        (UniqueKey::Name, Some(name.clone())),
        (UniqueKey::Digest, matching.digest.as_ref().map(digest)),
        (UniqueKey::ImageId, matching.image_id.as_ref().map(digest)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
}
