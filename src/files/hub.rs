//! What people give for a model that a hub has: its name, its address, or the folder in which a
//! hub's tools keep what they downloaded.
//!
//! ```text
//! hub/                         the cache
//!   models--ORG--NAME/         a model
//!     refs/main                the revision of a branch
//!     snapshots/REVISION/      the folder to give
//! ```

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::folder::names;
use super::links::SNAPSHOTS;
use crate::error::ModelReason;
use crate::{Error, open};

/// How the name of a model's folder in a cache begins.
const MODEL: &str = "models--";
/// The file with the revision that is current.
const MAIN: &str = "refs/main";
/// Most bytes of that file that are read. A revision has 40.
const REVISION_BYTES: u64 = 256;

/// The snapshots in a cache of a hub, or in one model of it; none in another folder.
pub(super) fn snapshots(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if path.join(SNAPSHOTS).is_dir() {
        return of_model(path);
    }
    let mut found = Vec::new();
    for name in names(path)?.into_iter().filter(|name| name.to_string_lossy().starts_with(MODEL)) {
        if path.join(&name).join(SNAPSHOTS).is_dir() {
            found.extend(of_model(&path.join(name))?);
        }
    }
    Ok(found)
}

/// The snapshots of one model, the current one first.
fn of_model(model: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut current = String::new();
    if let Ok(file) = open::regular(&model.join(MAIN)) {
        // Without it, all snapshots are alike.
        let _ = file.take(REVISION_BYTES).read_to_string(&mut current);
    }
    let folder = model.join(SNAPSHOTS);
    let mut revisions = names(&folder)?;
    revisions.sort_by_key(|revision| revision.to_str() != Some(current.trim()));
    Ok(revisions.into_iter().map(|revision| folder.join(revision)).collect())
}

/// Refuses a path where nothing is, if it looks like a model of a hub.
pub(super) fn check_exists(path: &Path) -> Result<(), Error> {
    let is_absent = matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound);
    match path.to_str().and_then(name_on_hub).filter(|_| is_absent) {
        Some(name) => Err(Error::NotAModel { path: path.to_path_buf(), reason: ModelReason::OnHub { name } }),
        None => Ok(()),
    }
}

/// `ORG/NAME`, if this is such a name or an address with one.
fn name_on_hub(given: &str) -> Option<String> {
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let address = ["https://", "http://", "hf://"].into_iter().find_map(|begin| given.strip_prefix(begin));
    // A web address begins with the name of its machine.
    let before_name = usize::from(address.is_some() && !given.starts_with("hf://"));
    let mut parts = address.unwrap_or(given).split('/').skip(before_name);
    let (organisation, name) = (parts.next()?, parts.next()?);
    let is_name = is_plain(organisation) && is_plain(name) && (address.is_some() || parts.next().is_none());
    // What has a folder above it, or ends as a file does, is more likely a mistyped path.
    let is_path = address.is_none() && (Path::new(organisation).exists() || name.ends_with(".safetensors"));
    (is_name && !is_path).then(|| format!("{organisation}/{name}"))
}
