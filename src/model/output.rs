//! OUTPUT is whole or absent: the work goes to `OUTPUT.partial` beside it, which takes its name when everything is on the disk.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::weight_files::is_weights_file;
use crate::Error;
use crate::safetensors::write_at;

/// A file or directory in the making. Dropped before [`Output::commit`], it removes what it wrote.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    partial: PathBuf,
    is_dir: bool,
    force: bool,
    committed: bool,
}

/// What OUTPUT will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    File,
    Directory,
}

impl Output {
    /// Begins `OUTPUT.partial`.
    ///
    /// # Errors
    /// OUTPUT exists and `force` is not given, is of the other form, or contains INPUT or lies in it; remains of an earlier run are in the way.
    pub fn begin(place: &Path, input: &Path, form: Form, force: bool) -> Result<Output, Error> {
        let refused = |reason: String| Error::Output { path: place.to_path_buf(), reason };
        let Some(name) = place.file_name() else {
            return Err(refused("expected a path that ends in a name".into()));
        };
        apart_from_input(place, input)?;
        may_be_replaced(place, form, force)?;
        let mut partial_name = OsString::from(name);
        partial_name.push(".partial");
        let partial = place.with_file_name(partial_name);
        if fs::symlink_metadata(&partial).is_ok() {
            if !force {
                let remains = partial.display();
                return Err(refused(format!(
                    "{remains} is in the way: another run is writing it, or was interrupted; remove it, or replace it with --force"
                )));
            }
            remove(&partial).map_err(Error::io("remove", &partial))?;
        }
        match form {
            Form::Directory => fs::create_dir(&partial).map_err(Error::io("create", &partial))?,
            Form::File => drop(File::create_new(&partial).map_err(Error::io("create", &partial))?),
        }
        Ok(Output { place: place.to_path_buf(), partial, is_dir: form == Form::Directory, force, committed: false })
    }

    /// Creates the file `name` of a directory, or the one file.
    pub fn file(&self, name: &str) -> Result<NewFile, Error> {
        let path = if self.is_dir { self.partial.join(name) } else { self.partial.clone() };
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        Ok(NewFile { path, file })
    }

    /// Where a file of a directory is being written.
    pub fn path(&self, name: &Path) -> PathBuf {
        self.partial.join(name)
    }

    /// Gives the finished work its name.
    pub fn commit(mut self) -> Result<(), Error> {
        let renaming = || Error::io("rename to its final name", &self.partial);
        if self.is_dir {
            sync_directory(&self.partial)?;
            if self.place.is_dir() {
                let replaced = self.partial.with_extension("replaced");
                if self.force && fs::symlink_metadata(&replaced).is_ok() {
                    remove(&replaced).map_err(Error::io("remove", &replaced))?;
                }
                fs::rename(&self.place, &replaced).map_err(renaming())?;
                if let Err(error) = fs::rename(&self.partial, &self.place) {
                    let _ = fs::rename(&replaced, &self.place);
                    return Err(renaming()(error));
                }
                self.committed = true;
                remove(&replaced).map_err(Error::io("remove", &replaced))?;
            }
        }
        if !self.committed {
            fs::rename(&self.partial, &self.place).map_err(renaming())?;
            self.committed = true;
        }
        match self.place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
            _ => sync_directory(Path::new(".")),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.committed {
            // An error is already on its way to the user; one about the cleaning would hide it.
            let _ = remove(&self.partial);
        }
    }
}

/// A file in the making, written by position.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// Writes `bytes` at `position`.
    pub fn write(&self, bytes: &[u8], position: u64) -> Result<(), Error> {
        write_at(&self.file, bytes, position).map_err(Error::io("write", &self.path))
    }

    /// Waits until everything is on the disk.
    pub fn finish(self) -> Result<(), Error> {
        self.file.sync_all().map_err(Error::io("write", &self.path))
    }
}

/// Neither of INPUT and OUTPUT may be inside the other: one would be written while the other is read, or replaced with it.
fn apart_from_input(place: &Path, input: &Path) -> Result<(), Error> {
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
fn may_be_replaced(place: &Path, form: Form, force: bool) -> Result<(), Error> {
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

fn remove(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Makes renames and new names in a directory durable. Windows has no handle for that and needs none.
fn sync_directory(path: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(path).and_then(|directory| directory.sync_all()).map_err(Error::io("write", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        for form in [Form::File, Form::Directory] {
            let output = Output::begin(&place, &input, form, false).expect("free");
            output.file("a").expect("created").write(b"abc", 0).expect("written");
            drop(output);
            assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "{form:?}");
        }
    }

    #[test]
    fn an_output_that_exists_is_replaced_only_by_force() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::write(&place, b"old").expect("written");
        assert!(matches!(Output::begin(&place, &input, Form::File, false), Err(Error::Output { .. })));
        assert!(matches!(Output::begin(&place, &input, Form::Directory, true), Err(Error::Output { .. })));
        let output = Output::begin(&place, &input, Form::File, true).expect("forced");
        let file = output.file("").expect("created");
        file.write(b"new", 0).expect("written");
        file.finish().expect("synced");
        assert_eq!(fs::read(&place).expect("read"), b"old");
        output.commit().expect("renamed");
        assert_eq!(fs::read(&place).expect("read"), b"new");
    }

    #[test]
    fn force_replaces_a_model_and_never_another_directory() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::create_dir(&place).expect("created");
        fs::write(place.join("thesis.tex"), b"x").expect("written");
        assert!(Output::begin(&place, &input, Form::Directory, true).is_err());
        fs::write(place.join("model.safetensors"), b"x").expect("written");
        let output = Output::begin(&place, &input, Form::Directory, true).expect("a model");
        output.commit().expect("renamed");
        assert_eq!(fs::read_dir(&place).expect("listed").count(), 0);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2);
    }

    #[test]
    fn input_and_output_are_never_inside_each_other() {
        let dir = folder();
        let input = dir.path().join("in");
        fs::create_dir(&input).expect("created");
        for place in [input.clone(), input.join("out"), dir.path().to_path_buf()] {
            assert!(matches!(Output::begin(&place, &input, Form::Directory, true), Err(Error::Output { .. })));
        }
    }

    #[test]
    fn remains_of_an_interrupted_run_are_named() {
        let dir = folder();
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        fs::create_dir(dir.path().join("out.partial")).expect("created");
        let error = Output::begin(&place, &input, Form::Directory, false).expect_err("in the way");
        assert!(error.to_string().contains("out.partial"), "{error}");
        Output::begin(&place, &input, Form::Directory, true).expect("forced").commit().expect("renamed");
    }
}
