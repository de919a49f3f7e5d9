//! The walk through a layout: decides about each unit in turn, and hands over each file as soon as
//! its content is known.
//!
//! ```text
//! for each unit: raw?    its tensors stay among the rest
//!                coded?  in its own file, with the tensors beside it -> handed over
//!                        or in the main file
//! at the end:    the main file has the rest
//! ```

use std::collections::BTreeSet;

use super::file_layout::FileLayout;
use super::header::Metadata;
use crate::Error;
use crate::naming::units::UnitSpec;

/// What happens to a unit.
pub(crate) enum Fate<U> {
    /// Its tensors stay raw.
    Raw,
    /// It is coded, with this plan or this size.
    Coded(U),
    /// An earlier run has finished its file.
    Finished,
}

/// The content of one file: units, by their index in the list of all units, and raw tensors.
pub(crate) struct Contents<'a, U> {
    pub name: &'a str,
    pub units: &'a [(usize, U)],
    pub raw: &'a [String],
}

/// The content of the main file.
pub(crate) struct MainContents<U> {
    pub units: Vec<(usize, U)>,
    pub raw: Vec<String>,
    /// The units that are coded, in whichever file.
    pub coded: Vec<usize>,
}

/// What is done on a walk.
pub(crate) trait Steps {
    /// What is known about a coded unit.
    type Unit;

    /// Decides about a unit. `file` is the name of its own file, if it gets one.
    fn unit(&mut self, index: usize, file: Option<&str>) -> Result<Fate<Self::Unit>, Error>;

    /// Takes the content of a unit's own file.
    fn file(&mut self, contents: &Contents<'_, Self::Unit>, metadata: Metadata<'_>) -> Result<(), Error>;
}

/// Walks through all units, and returns the content of the main file.
pub(crate) fn walk<S: Steps>(
    layout: &dyn FileLayout,
    specs: &[UnitSpec],
    steps: &mut S,
) -> Result<MainContents<S::Unit>, Error> {
    let mut rest: BTreeSet<String> = layout.source().tensors.keys().cloned().collect();
    let (mut units, mut coded) = (Vec::new(), Vec::new());
    for (index, spec) in specs.iter().enumerate() {
        let file = layout.unit_files().map(|files| files[index].as_str());
        let unit = match steps.unit(index, file)? {
            Fate::Raw => continue,
            Fate::Coded(unit) => Some((index, unit)),
            Fate::Finished => None,
        };
        coded.push(index);
        remove(&mut rest, &spec.tensors);
        let Some(name) = file else {
            units.extend(unit);
            continue;
        };
        let raw = layout.beside(index, &rest);
        remove(&mut rest, &raw);
        if let Some(unit) = unit {
            steps.file(&Contents { name, units: &[unit], raw: &raw }, layout.unit_metadata())?;
        }
    }
    Ok(MainContents { units, raw: rest.into_iter().collect(), coded })
}

/// Removes tensors from those still to be placed.
pub(crate) fn remove(rest: &mut BTreeSet<String>, tensors: &[String]) {
    for tensor in tensors {
        rest.remove(tensor);
    }
}
