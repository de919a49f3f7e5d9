//! Where OUTPUT may be written, and what of it may be replaced.

use std::fs;
use std::path::Path;

use super::super::weight_files::is_weights_file;
use super::Form;
use crate::Error;

/// Neither of INPUT and OUTPUT may be inside the other: one would be written while the other is read, or replaced with it.
pub(super) fn apart_from_input(place: &Path, input: &Path) -> Result<(), Error> {
    let input = fs::canonicalize(input).map_err(Error::io("open", input))?;
    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let parent = fs::canonicalize(parent).map_err(Error::io("find the folder of OUTPUT", parent))?;
    let full = place.file_name().map_or(parent.clone(), |name| parent.join(name));
    let full = fs::canonicalize(&full).unwrap_or(full);
    let refused = |reason: &str| Err(Error::Output { path: place.to_path_buf(), reason: reason.into() });
    if full == input {
        return refused("OUTPUT is INPUT; give another place");
    }
    if input.is_dir() && full.starts_with(&input) {
        return refused("OUTPUT is inside INPUT; give a place outside");
    }
    if input.starts_with(&full) {
        return refused("INPUT is inside OUTPUT; give another place");
    }
    Ok(())
}

/// Refuses an OUTPUT that is there, unless it may be replaced by what is to come.
pub(super) fn may_be_replaced(place: &Path, form: Form, force: bool) -> Result<(), Error> {
    let refused = |reason: &str| Err(Error::Output { path: place.to_path_buf(), reason: reason.into() });
    if fs::symlink_metadata(place).is_err() {
        return Ok(());
    }
    if place.is_dir() != (form == Form::Directory) {
        return refused(match form {
            Form::File => "is a directory, and the result is one file; give a file name",
            Form::Directory => "is a file, and the result is a directory; give another name",
        });
    }
    if form == Form::Directory {
        let entries = fs::read_dir(place).map_err(Error::io("open", place))?;
        let names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        if names.is_empty() {
            return Ok(());
        }
        let is_model = names.iter().any(|name| is_weights_file(Path::new(name)));
        if force && !is_model {
            return refused(
                "is a directory without .safetensors files, and --force replaces only a model; remove it yourself",
            );
        }
    }
    if force { Ok(()) } else { refused("exists already; give another name, or replace it with --force") }
}
