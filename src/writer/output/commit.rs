//! The moment at which the finished work becomes OUTPUT.
//!
//! ```text
//! OUTPUT is absent                rename, refusing to replace
//! OUTPUT is an empty folder       rename of a folder, which replaces only an empty folder
//! OUTPUT exists, `force`          exchange: OUTPUT is old or new, never absent. The old one then
//!                                 lies in OUTPUT.partial, and is checked again before it is
//!                                 removed: if another OUTPUT came meanwhile, it goes back
//! the same without an exchange    a file: rename over it
//!                                 a folder: move the old one away, then rename ours into its place
//! ```

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::Form;
use super::place::Gate;
use super::rename::{exchange, without_replacing};
use super::tidy::{exists, is_empty_folder, refused};
use super::working::Working;
use crate::Error;
use crate::error::OutputReason;

/// How often OUTPUT may appear and disappear while it is being replaced.
const TRIES: usize = 100;

/// The function that exchanges two names. Tests pass one that a system without an exchange has.
type Exchange = fn(&Path, &Path) -> io::Result<()>;

/// Gives the finished work its name. The old OUTPUT then lies in the folder, to be removed.
///
/// # Errors
/// OUTPUT appeared meanwhile, or differs from what was checked, or the system refuses. Then the
/// work and OUTPUT are where they were.
pub(super) fn into_place(working: &Working, gate: &Gate) -> Result<(), Error> {
    put(working, gate, exchange).map_err(|error| match error {
        Error::Output { path, reason } => {
            let (reason, output) = (Box::new(reason), working.output());
            Error::Output { path, reason: OutputReason::WorkKept { reason, output } }
        }
        error => error,
    })
}

fn put(working: &Working, gate: &Gate, exchange: Exchange) -> Result<(), Error> {
    let (new, place) = (working.output(), &gate.place);
    let renaming = || Error::io("rename to its final name", &new);
    for _ in 0..TRIES {
        match without_replacing(&new, place) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => return done.map_err(renaming()),
        }
        if gate.form == Form::Directory && is_empty_folder(place) && fs::rename(&new, place).is_ok() {
            return Ok(());
        }
        if !gate.force {
            return Err(refused(place, OutputReason::CameMeanwhile));
        }
        // Check again: OUTPUT may have appeared meanwhile.
        gate.refuse_what_is_there()?;
        match exchange(&new, place) {
            Ok(()) => return look_once_more(&new, gate, exchange),
            Err(error) if error.kind() == ErrorKind::NotFound && !exists(place) => {}
            Err(error) if error.kind() == ErrorKind::Unsupported => return in_two_steps(working, gate),
            Err(error) => return Err(renaming()(error)),
        }
    }
    Err(refused(place, OutputReason::ComesAndGoes))
}

/// The OUTPUT that was exchanged may differ from the one that was checked. If so, exchanges back.
fn look_once_more(old: &Path, gate: &Gate, exchange: Exchange) -> Result<(), Error> {
    let Err(error) = gate.check_replaced(old) else { return Ok(()) };
    exchange(old, &gate.place).map_err(Error::io("rename back", old))?;
    match error {
        Error::Output { reason, .. } => Err(refused(&gate.place, OutputReason::Changed { reason: Box::new(reason) })),
        error => Err(error),
    }
}

fn in_two_steps(working: &Working, gate: &Gate) -> Result<(), Error> {
    let (new, place, old) = (working.output(), &gate.place, working.replaced());
    let renaming = || Error::io("rename to its final name", &new);
    if gate.form == Form::File {
        return fs::rename(&new, place).map_err(renaming());
    }
    without_replacing(place, &old).map_err(renaming())?;
    let put = gate.check_replaced(&old).and_then(|()| without_replacing(&new, place).map_err(renaming()));
    if put.is_err() {
        without_replacing(&old, place).map_err(Error::io("rename back", &old))?;
    }
    put
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_exchange(_: &Path, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }

    #[test]
    fn without_an_exchange_the_new_takes_the_place_of_the_old_and_a_stranger_stays() {
        for form in [Form::File, Form::Directory] {
            for stranger in [false, true] {
                let dir = tempfile::tempdir().expect("a folder");
                let (input, place) = (dir.path().join("in"), dir.path().join("out"));
                fs::write(&input, b"x").expect("written");
                let gate = Gate::new(&place, &[&input], form, true).expect("a name");
                let working = Working::take(&gate).expect("free");
                let make = |path: &Path, bytes: &[u8]| match form {
                    Form::File => fs::write(path, bytes).expect("written"),
                    Form::Directory => {
                        fs::create_dir(path).expect("created");
                        fs::write(path.join("model.safetensors"), bytes).expect("written");
                    }
                };
                make(&place, b"old");
                make(&working.output(), b"new");
                let weights = |path: &Path| {
                    fs::read(if form == Form::File { path.to_path_buf() } else { path.join("model.safetensors") })
                };
                if stranger && form == Form::Directory {
                    fs::write(place.join("thesis.tex"), b"precious").expect("written");
                    put(&working, &gate, no_exchange).expect_err("a stranger");
                    assert_eq!(weights(&place).expect("read"), b"old");
                    assert_eq!(weights(&working.output()).expect("read"), b"new");
                } else {
                    put(&working, &gate, no_exchange).expect("renamed");
                    assert_eq!(weights(&place).expect("read"), b"new");
                }
            }
        }
    }

    /// At the exchange, OUTPUT differs from what was checked.
    #[test]
    fn what_came_at_the_last_moment_goes_back() {
        fn late(new: &Path, place: &Path) -> io::Result<()> {
            if !exists(&place.join("thesis.tex")) && !exists(&new.join("thesis.tex")) {
                fs::write(place.join("thesis.tex"), b"precious")?;
            }
            exchange(new, place)
        }
        let dir = tempfile::tempdir().expect("a folder");
        let (input, place) = (dir.path().join("in"), dir.path().join("out"));
        fs::write(&input, b"x").expect("written");
        let gate = Gate::new(&place, &[&input], Form::Directory, true).expect("a name");
        let working = Working::take(&gate).expect("free");
        for folder in [&place, &working.output()] {
            fs::create_dir(folder).expect("created");
            fs::write(folder.join("model.safetensors"), b"x").expect("written");
        }
        let error = put(&working, &gate, late).expect_err("a stranger").to_string();
        assert!(error.contains("thesis.tex"), "{error}");
        assert_eq!(fs::read(place.join("thesis.tex")).expect("read"), b"precious");
        assert!(!exists(&working.output().join("thesis.tex")));
    }
}
