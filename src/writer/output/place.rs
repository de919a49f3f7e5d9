//! The gate that a job passes before it writes. It checks which paths the job may create, replace
//! or remove, and that the job reads none of them.
//!
//! ```text
//! OUTPUT            created; replaced where that is allowed
//! OUTPUT.partial    created, and removed with what df11 made in it
//! ```
//!
//! A job touches no other path. An input (INPUT, and models or patterns given beside it) may be
//! neither of the two, nor lie inside one of them. OUTPUT may not lie inside a folder that is read.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::identity::{Identity, is_mount_point};
use super::lock::refuse_unmarked;
use super::replaceable::{refuse_all_but_a_model, refuse_strangers};
use super::tidy::{exists, is_empty_folder, parent, refused, walk};
use crate::Error;
use crate::error::OutputReason;

/// The form that OUTPUT will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    File,
    Directory,
}

/// The paths of a job.
#[derive(Debug)]
pub(super) struct Gate {
    /// OUTPUT, without a slash at its end: a slash would make the system follow a link.
    pub place: PathBuf,
    /// `OUTPUT.partial`.
    pub partial: PathBuf,
    /// INPUT, and everything else that is read.
    inputs: Vec<PathBuf>,
    /// The form that OUTPUT will have.
    pub form: Form,
    /// Whether OUTPUT and the remains of an earlier run may be replaced.
    pub force: bool,
}

impl Gate {
    /// The paths of a job that reads `inputs`, INPUT first, and writes `place`.
    pub fn new(place: &Path, inputs: &[&Path], form: Form, force: bool) -> Result<Gate, Error> {
        let Some(name) = place.file_name() else {
            return Err(refused(place, OutputReason::NoName));
        };
        let mut partial = OsString::from(name);
        partial.push(".partial");
        let (place, partial) = (place.with_file_name(name), place.with_file_name(partial));
        let inputs = inputs.iter().map(|input| input.to_path_buf()).collect();
        Ok(Gate { place, partial, inputs, form, force })
    }

    /// Checks all paths, and touches nothing.
    ///
    /// # Errors
    /// OUTPUT exists and may not be replaced. Or the thing called `OUTPUT.partial` is not ours. Or
    /// an input would be lost or overwritten.
    pub fn check(&self) -> Result<(), Error> {
        self.refuse_input_around()?;
        self.refuse_what_is_there()?;
        refuse_unmarked(&self.partial, &self.place)?;
        if exists(&self.partial) && is_mount_point(&self.partial) {
            return Err(refused(&self.partial, OutputReason::PartialMounted));
        }
        self.refuse_loss(&[&self.place, &self.partial])
    }

    /// Refuses to remove the old OUTPUT, now at `path`, if [`Gate::check`] would not allow it.
    pub fn check_replaced(&self, path: &Path) -> Result<(), Error> {
        let found = fs::symlink_metadata(path).map_err(Error::io("open", path))?;
        match self.form {
            Form::Directory if found.is_dir() => drop(refuse_strangers(path, self.input())?),
            Form::File if found.is_file() => {}
            _ => return Err(refused(path, OutputReason::KindChanged)),
        }
        self.refuse_loss(&[path])
    }

    /// INPUT.
    pub fn input(&self) -> &Path {
        self.inputs.first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// Refuses if an input is OUTPUT or `OUTPUT.partial`, lies in one of them, or contains OUTPUT.
    fn refuse_input_around(&self) -> Result<(), Error> {
        let folder = parent(&self.place);
        let folder = fs::canonicalize(folder).map_err(Error::io("find the folder of OUTPUT", folder))?;
        let around_output: HashSet<Identity> = folder.ancestors().filter_map(|path| Identity::of(path).ok()).collect();
        let ours: Vec<(&Path, Identity)> = [&self.place, &self.partial]
            .into_iter()
            .flat_map(|path| [(path, Identity::of(path)), (path, Identity::of_name(path))])
            .filter_map(|(path, identity)| Some((path.as_path(), identity.ok()?)))
            .collect();
        for input in &self.inputs {
            let full = fs::canonicalize(input).map_err(Error::io("open", input))?;
            let named = fs::canonicalize(parent(input)).map_err(Error::io("open", input))?;
            let is_ours = |found: Option<Identity>| ours.iter().find(|(_, own)| found.as_ref() == Some(own));
            if let Some((path, _)) = is_ours(Identity::of(&full).ok()) {
                return Err(refused(path, OutputReason::SameAsInput { input: input.clone() }));
            }
            let mut around_input = full.ancestors().skip(1).chain(named.ancestors());
            if let Some((path, _)) = around_input.find_map(|path| is_ours(Identity::of(path).ok())) {
                return Err(refused(path, OutputReason::AroundInput { input: input.clone() }));
            }
            each(input, &mut |path, is_folder| {
                let folder = match path == input {
                    true => Identity::of(path),
                    false if is_folder => Identity::of_name(path),
                    false => return Ok(()),
                };
                match folder.is_ok_and(|folder| around_output.contains(&folder)) {
                    true => Err(refused(&self.place, OutputReason::InsideInput { input: path.to_path_buf() })),
                    false => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// Refuses an existing OUTPUT, unless the new one may replace it.
    pub fn refuse_what_is_there(&self) -> Result<(), Error> {
        let place = &self.place;
        let found = match fs::symlink_metadata(place) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            found => found.map_err(Error::io("open", place))?,
        };
        let reason = match self.form {
            _ if found.is_symlink() => Some(OutputReason::Link),
            _ if !found.is_dir() && !found.is_file() => Some(OutputReason::Special),
            Form::File if found.is_dir() => Some(OutputReason::Directory),
            Form::Directory if found.is_file() => Some(OutputReason::File),
            Form::Directory if is_mount_point(place) => Some(OutputReason::Mounted),
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(refused(place, reason));
        }
        if is_empty_folder(place) {
            return Ok(());
        }
        if !self.force {
            let is_left = exists(&self.partial) && refuse_unmarked(&self.partial, place).is_ok();
            let partial = is_left.then(|| self.partial.clone());
            return Err(refused(place, OutputReason::Exists { partial }));
        }
        if self.form == Form::Directory { refuse_all_but_a_model(place, self.input()) } else { Ok(()) }
    }

    /// Refuses to lose an input. Everything in `doomed`, and the paths themselves, may be removed.
    fn refuse_loss(&self, doomed: &[&Path]) -> Result<(), Error> {
        let mut lost = HashMap::new();
        for path in doomed {
            if let Ok(identity) = Identity::of_name(path) {
                lost.insert(identity, path.to_path_buf());
            }
            if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
                walk(path, &mut |name, _| {
                    let path = path.join(name);
                    lost.extend(Identity::of_name(&path).ok().map(|identity| (identity, path)));
                    Ok(())
                })?;
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        for input in &self.inputs {
            each(input, &mut |path, _| match Identity::of(path).ok().and_then(|identity| lost.get(&identity)) {
                Some(found) if found == path => Err(refused(found, OutputReason::InputRemoved)),
                Some(found) => Err(refused(found, OutputReason::InputRemovedByOtherPath { input: path.to_path_buf() })),
                None => Ok(()),
            })?;
        }
        Ok(())
    }
}

/// Visits an input and everything in it. The flag tells whether the path itself is a folder, not a
/// link to one.
fn each(input: &Path, visit: &mut dyn FnMut(&Path, bool) -> Result<(), Error>) -> Result<(), Error> {
    visit(input, false)?;
    if input.is_dir() {
        walk(input, &mut |name, kind| visit(&input.join(name), kind.is_dir()))?;
    }
    Ok(())
}
