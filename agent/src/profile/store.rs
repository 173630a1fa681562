//! Reads profiles from files: the one part of the module that does I/O.

use super::error::{Place, ProfileError};
use super::place::place_of;
use super::{MAX_PROFILE_BYTES, Profile, ProfileSet, parse};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Profiles that one folder may hold.
const MAX_PROFILES: usize = 4096;

/// Whether a folder must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The default folder: without it there are no profiles.
    Optional,
    /// The user named it.
    Required,
}

/// Reads every `*.yaml` and `*.yml` of a folder (not of its subfolders), in the order of names.
///
/// # Errors
/// The first problem; nothing is used of a folder that has one.
pub fn load_folder(folder: &Path, presence: Presence) -> Result<ProfileSet, ProfileError> {
    load_files(&profile_files(folder, presence)?)
}

/// The files that [`load_folder`] reads.
///
/// # Errors
/// When the folder cannot be listed.
pub fn profile_files(folder: &Path, presence: Presence) -> Result<Vec<PathBuf>, ProfileError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match presence {
                Presence::Optional => Ok(Vec::new()),
                Presence::Required => Err(ProfileError::Missing(folder.to_owned())),
            };
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(ProfileError::NotAFolder(folder.to_owned()));
        }
        Err(error) => return Err(unreadable(folder, error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if is_yaml(&path) {
            files.push(path);
        }
        if files.len() > MAX_PROFILES {
            return Err(ProfileError::TooMany {
                folder: folder.to_owned(),
                limit: MAX_PROFILES,
            });
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the given files.
///
/// # Errors
/// The first problem.
pub fn load_files(files: &[PathBuf]) -> Result<ProfileSet, ProfileError> {
    let profiles = files.iter().map(|file| Ok((file.clone(), load_file(file)?)));
    ProfileSet::new(profiles.collect::<Result<_, ProfileError>>()?).map_err(located)
}

/// Two profiles clash: where in their files. Only then the files are read once more.
fn located(error: ProfileError) -> ProfileError {
    let ProfileError::Duplicate {
        key,
        value,
        first,
        second,
    } = error
    else {
        return error;
    };
    let place = |whole: Place| match text_of(&whole.file) {
        Ok(text) => place_of(key, &text, &whole.file),
        Err(_) => whole,
    };
    ProfileError::Duplicate {
        key,
        value,
        first: place(first),
        second: place(second),
    }
}

/// Reads one profile. A file that is too large is refused before its content is read.
///
/// # Errors
/// [`ProfileError`] names the file and what to do.
pub fn load_file(file: &Path) -> Result<Profile, ProfileError> {
    parse(&text_of(file)?, file)
}

fn text_of(file: &Path) -> Result<String, ProfileError> {
    let metadata = fs::metadata(file).map_err(|error| unreadable(file, error))?;
    if metadata.is_dir() {
        return Err(ProfileError::Folder(file.to_owned()));
    }
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(ProfileError::NotAFile(file.to_owned()));
    }
    if metadata.len() > MAX_PROFILE_BYTES {
        return Err(ProfileError::TooLarge {
            file: file.to_owned(),
            bytes: metadata.len(),
            limit: MAX_PROFILE_BYTES,
        });
    }
    let mut text = String::new();
    // A file that grows meanwhile, or a device, is cut one byte beyond the limit, where the parser refuses it.
    let opened = File::open(file).map_err(|error| unreadable(file, error))?;
    opened
        .take(MAX_PROFILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(file, error))?;
    Ok(text)
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

fn unreadable(file: &Path, source: io::Error) -> ProfileError {
    let file = file.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => ProfileError::MissingFile(file),
        io::ErrorKind::InvalidData => ProfileError::NotText(file),
        _ => ProfileError::Unreadable { file, source },
    }
}
