//! Which tensor goes into which file. The trait `FileLayout` says it; compression writes the files
//! of a layout, the gate checks their headers, and the estimate adds up their bytes.
//!
//! ```text
//! PerUnit     a unit, and the other tensors below its module -> <unit>.safetensors
//!             every other tensor                             -> the main file
//! SingleFile  everything                                     -> the main file
//! Published   as one of these, with the published tool's headers and names
//! ```
//!
//! Files, from the top down. None uses a name from a file above it:
//!
//! ```text
//! walk         goes through the units, and hands over each file's content
//! published    the published tool's choices
//! per_unit, single_file
//! file_layout  the trait
//! header       the places of tensors in one file, and its header
//! ```

mod file_layout;
mod header;
mod per_unit;
mod published;
mod single_file;
mod walk;

use super::options::CodeKind;
use crate::files::checkpoint::Checkpoint;
use crate::naming::pattern::PatternDict;
use crate::naming::units::UnitSpec;
pub(crate) use file_layout::{FileLayout, unwritable};
pub(crate) use header::{Metadata, header, places, split_positions};
use per_unit::PerUnit;
use published::Published;
pub(super) use published::Saver;
use single_file::SingleFile;
pub(crate) use walk::{Contents, Fate, MainContents, Steps, remove, walk};

/// The layout of a model with these units.
pub(crate) fn layout_of<'a>(
    source: &'a Checkpoint,
    specs: &'a [UnitSpec],
    code: CodeKind,
    pattern_dict: Option<&'a PatternDict>,
    single_file: bool,
) -> Box<dyn FileLayout + 'a> {
    let ours: Box<dyn FileLayout + 'a> = match source.is_dir && !single_file {
        true => Box::new(PerUnit::new(source, specs)),
        false => Box::new(SingleFile { source }),
    };
    match code {
        CodeKind::Canonical => ours,
        CodeKind::Published => {
            let saver = Saver::of(source, single_file);
            Box::new(Published { tensors: ours, saver, specs, given: pattern_dict })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::Error;
    use crate::naming::by_pattern::units_by_pattern;

    /// Decides by the bits of a number, and keeps the file of every tensor.
    struct Decided<'a> {
        specs: &'a [UnitSpec],
        coded: usize,
        files: BTreeMap<String, String>,
    }

    impl Decided<'_> {
        fn add(&mut self, contents: &Contents<'_, ()>) {
            let of_units = contents.units.iter().flat_map(|(index, ())| &self.specs[*index].tensors);
            for tensor in of_units.chain(contents.raw) {
                let before = self.files.insert(tensor.clone(), contents.name.to_owned());
                assert_eq!(before, None, "{tensor} is in {} too", contents.name);
            }
        }
    }

    impl Steps for Decided<'_> {
        type Unit = ();

        fn unit(&mut self, index: usize, _file: Option<&str>) -> Result<Fate<()>, Error> {
            Ok(if self.coded >> index & 1 == 1 { Fate::Coded(()) } else { Fate::Raw })
        }

        fn file(&mut self, contents: &Contents<'_, ()>, _metadata: Metadata<'_>) -> Result<(), Error> {
            self.add(contents);
            Ok(())
        }
    }

    #[test]
    fn every_tensor_is_in_exactly_one_file_whichever_units_stay_raw() {
        let names = ["m.0.a", "m.0.in", "m_0", "m.1"].map(|module| format!(r#"["{module}.weight", "BF16", [64]]"#));
        let beside = ["m.0.in.bias", "m.0.norm", "top"].map(|tensor| format!(r#"["{tensor}", "BF16", [4]]"#));
        let dir = tempfile::tempdir().expect("a folder");
        let (shapes, patterns) = (dir.path().join("shapes.json"), dir.path().join("patterns.json"));
        let text = format!(r#"{{"tensors": [{}, {}]}}"#, names.join(", "), beside.join(", "));
        std::fs::write(&shapes, text).expect("written");
        std::fs::write(&patterns, r#"{"m\\.0": ["a"], "m\\.0\\.in": [], "m_0": [], "m\\.1": []}"#).expect("written");
        let source = Checkpoint::of_shapes(&shapes).expect("shapes");
        let patterns = PatternDict::read(&patterns).expect("patterns");
        let specs = units_by_pattern(&source, &patterns).expect("units");
        assert_eq!(specs.len(), 4);
        for (coded, single_file) in (0..1 << specs.len()).flat_map(|coded| [(coded, false), (coded, true)]) {
            for code in [CodeKind::Canonical, CodeKind::Published] {
                let layout = layout_of(&source, &specs, code, None, single_file);
                let mut decided = Decided { specs: &specs, coded, files: BTreeMap::new() };
                let main = walk(&*layout, &specs, &mut decided).expect("walked");
                decided.add(&Contents { name: layout.main_file(), units: &main.units, raw: &main.raw });
                assert!(decided.files.keys().eq(source.tensors.keys()), "{coded}: {:?}", decided.files);
                for (index, spec) in specs.iter().enumerate() {
                    let own = layout.unit_files().filter(|_| coded >> index & 1 == 1).map(|files| &files[index]);
                    let expected = own.map_or(layout.main_file(), |name| name);
                    assert_eq!(decided.files[&spec.tensors[0]], expected, "{coded}: {}", spec.name);
                }
                let inner = specs.iter().position(|spec| spec.name == "m.0.in").expect("a unit");
                assert_eq!(decided.files["m.0.in.bias"], decided.files[&specs[inner].tensors[0]], "{coded}");
            }
        }
    }
}
