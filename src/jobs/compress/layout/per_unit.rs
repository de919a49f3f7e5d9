//! Our layout of a directory: a file for each unit, and the main file for the rest.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::file_layout::FileLayout;
use crate::error::Fitting;
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::is_below;
use crate::naming::unit_files::file_names;
use crate::naming::units::UnitSpec;

/// A file for each unit, with the other tensors of its module. Everything else is in the main file.
pub(super) struct PerUnit<'a> {
    source: &'a Checkpoint,
    files: Vec<String>,
    beside: Beside<'a>,
}

impl<'a> PerUnit<'a> {
    pub fn new(source: &'a Checkpoint, specs: &'a [UnitSpec]) -> PerUnit<'a> {
        let files = file_names(specs.iter().map(|spec| spec.name.as_str()));
        PerUnit { source, files, beside: Beside::of(specs, source.tensors.keys().map(String::as_str)) }
    }
}

impl FileLayout for PerUnit<'_> {
    fn source(&self) -> &Checkpoint {
        self.source
    }

    fn unit_files(&self) -> Option<&[String]> {
        Some(&self.files)
    }

    fn beside(&self, index: usize, rest: &BTreeSet<String>) -> Vec<String> {
        self.beside.unit(index, rest)
    }

    fn fitting(&self) -> Fitting {
        Fitting::Split
    }
}

/// Which tensors are stored with which unit: those below the unit's module, unless the module of
/// another unit is nearer or a unit is made of them.
///
/// One walk down the tree of modules, with units and tensors in one order: a module comes directly
/// before everything below it.
struct Beside<'a>(Vec<Vec<&'a str>>);

impl<'a> Beside<'a> {
    /// For these units, and all tensors of their model.
    fn of(specs: &'a [UnitSpec], tensors: impl Iterator<Item = &'a str>) -> Beside<'a> {
        let units = specs.iter().enumerate().map(|(index, spec)| (spec.name.as_str(), Some(index)));
        let mut names: Vec<(&str, Option<usize>)> = units.chain(tensors.map(|tensor| (tensor, None))).collect();
        // A unit whose name is the full name of a tensor comes before that tensor.
        names.sort_by(|one, other| depth_first(one.0, other.0).then(other.1.is_some().cmp(&one.1.is_some())));
        let mut beside = vec![Vec::new(); specs.len()];
        let mut open: Vec<usize> = Vec::new();
        for (name, unit) in names {
            while open.pop_if(|unit| *name != specs[*unit].name && !is_below(name, &specs[*unit].name)).is_some() {}
            match (unit, open.last()) {
                (Some(unit), _) => open.push(unit),
                (None, Some(&unit)) if specs[unit].name != name => beside[unit].push(name),
                (None, _) => {}
            }
        }
        Beside(beside)
    }

    /// The tensors of `rest` that go into the file of unit `index`.
    fn unit(&self, index: usize, rest: &BTreeSet<String>) -> Vec<String> {
        self.0[index].iter().filter(|tensor| rest.contains(**tensor)).map(|tensor| (*tensor).to_owned()).collect()
    }
}

/// Orders paths so that each path comes directly before all paths below it: a dot sorts before
/// every other byte.
fn depth_first(one: &str, other: &str) -> Ordering {
    let differs = one.bytes().zip(other.bytes()).find(|(one, other)| one != other);
    let rank = |byte: u8| (byte != b'.', byte);
    differs.map_or_else(|| one.len().cmp(&other.len()), |(one, other)| rank(one).cmp(&rank(other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::sampling::scatter;

    /// The rule, applied tensor by tensor.
    fn by_trying(specs: &[UnitSpec], index: usize, tensors: &BTreeSet<String>) -> Vec<String> {
        let name = &specs[index].name;
        let nearer = |tensor: &str| {
            let below = specs.iter().filter(|other| is_below(&other.name, name));
            below.into_iter().any(|other| *tensor == other.name || is_below(tensor, &other.name))
        };
        tensors.iter().filter(|tensor| is_below(tensor, name) && !nearer(tensor)).cloned().collect()
    }

    #[test]
    fn a_tensor_lies_beside_the_nearest_unit() {
        let components = ["a", "b", "a-b", "0", "a\0", "\u{2d}", "ä", ""];
        let (mut state, mut found) = (0, 0);
        let mut choose = |most: usize| {
            state += 1;
            (scatter(state) % most as u64) as usize
        };
        let mut name = || (0..1 + choose(4)).map(|_| components[choose(8)]).collect::<Vec<_>>().join(".");
        for round in 0..2000 {
            let tensors: BTreeSet<String> = (0..round % 40).map(|_| name()).collect();
            let units: BTreeSet<String> = (0..round % 12).map(|_| name()).collect();
            let spec = |name| UnitSpec { name, attributes: Vec::new(), tensors: Vec::new(), weights: 1 };
            let specs: Vec<UnitSpec> = units.into_iter().map(spec).collect();
            let beside = Beside::of(&specs, tensors.iter().map(String::as_str));
            for index in 0..specs.len() {
                let mut of_unit = beside.unit(index, &tensors);
                of_unit.sort();
                found += of_unit.len();
                assert_eq!(of_unit, by_trying(&specs, index, &tensors), "{} of {specs:?}", specs[index].name);
            }
        }
        assert!(found > 1000, "{found}");
    }
}
