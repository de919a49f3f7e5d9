//! Adds up the files that compression would write.

use std::collections::{BTreeMap, BTreeSet};

use df11_core::{PartSizes, bf16};

use super::options::EstimateOptions;
use super::report::{EstimateReport, EstimatedPatterns, EstimatedRaw, EstimatedUnit};
use super::sample::{sizes_by_sample, typical_sizes};

use crate::files::our_files::{Digits, OurFile};
use crate::files::superseded::is_superseded;
use crate::jobs::compress::layout::{
    Contents, Fate, FileLayout, MainContents, Metadata, Steps, header, places, split_positions, unwritable, walk,
};
use crate::jobs::compress::record::record_of;
use crate::naming::owners::RawReason;
use crate::naming::units::UnitSpec;
use crate::record::config::dfloat11_config;
use crate::record::source::Written;
use crate::{Error, Note};

/// The walk that adds up: each file counts with the sizes of its tensors and its header.
pub(super) struct Total<'a> {
    layout: &'a dyn FileLayout,
    specs: &'a [UnitSpec],
    options: &'a EstimateOptions,
    report: EstimateReport,
    /// The files of units so far, as the record will list them.
    files: Vec<OurFile>,
}

impl Steps for Total<'_> {
    type Unit = PartSizes;

    fn unit(&mut self, index: usize, _file: Option<&str>) -> Result<Fate<PartSizes>, Error> {
        let (source, spec) = (self.layout.source(), &self.specs[index]);
        let EstimateOptions { code, backend, headers_only, .. } = self.options;
        let (sizes, read) = match headers_only {
            true => (typical_sizes(spec), 0),
            false => sizes_by_sample(source, spec, *code, backend)?,
        };
        self.report.weights_read += read;
        let bytes = sizes.total() + split_positions(source, spec).len() as u64;
        if !self.layout.worth_coding(bytes, spec.weights * size_of::<bf16>() as u64) {
            return Ok(Fate::Raw);
        }
        let (name, tensors) = (spec.name.clone(), spec.tensors.clone());
        self.report.units.push(EstimatedUnit { name, tensors, weights: spec.weights, bytes });
        self.report.weights += spec.weights;
        Ok(Fate::Coded(sizes))
    }

    fn file(&mut self, contents: &Contents<'_, PartSizes>, metadata: Metadata<'_>) -> Result<(), Error> {
        let size = self.bytes_of(contents, &metadata)?;
        self.report.output_bytes += size;
        let (name, header, xxh3) = (contents.name.to_owned(), Digits::default(), Digits::default());
        self.files.push(OurFile::Weights { name, size, header, xxh3 });
        Ok(())
    }
}

impl<'a> Total<'a> {
    pub fn new(layout: &'a dyn FileLayout, specs: &'a [UnitSpec], options: &'a EstimateOptions) -> Total<'a> {
        let source = layout.source();
        let (source_bytes, notes) = (source.file_bytes(), source.notes.clone());
        let model_files = source.files.iter().map(|file| file.name.clone()).collect();
        let report = EstimateReport { model_files, source_bytes, notes, ..EstimateReport::default() };
        Total { layout, specs, options, report, files: Vec::new() }
    }

    /// Adds up all files. `reasons` says why tensors are in no unit.
    pub fn report(mut self, reasons: &BTreeMap<String, RawReason>) -> Result<EstimateReport, Error> {
        let (layout, specs) = (self.layout, self.specs);
        let main = walk(layout, specs, &mut self)?;
        let coded: Vec<&UnitSpec> = main.coded.iter().map(|&index| &specs[index]).collect();
        let patterns = layout.pattern_dict(&coded);
        let config = dfloat11_config(patterns.clone());
        // Other files in the folder are ignored: their names are few bytes.
        let left_out = self.layout.source().notes.iter().flat_map(Note::left_out).collect();
        let written = Written { files: std::mem::take(&mut self.files), left_out, ..Written::default() };
        let record = record_of(layout.source(), &coded, &BTreeMap::new(), written);
        let MainContents { units, raw, .. } = &main;
        let contents = Contents { name: layout.main_file(), units, raw };
        self.report.output_bytes += self.bytes_of(&contents, &layout.main_metadata(&record, &config))?;
        self.report.pattern_dict = EstimatedPatterns(patterns);
        self.list_raw(&coded, reasons);
        Ok(self.report)
    }

    /// Bytes of a file with this content.
    fn bytes_of(&self, contents: &Contents<'_, PartSizes>, metadata: &Metadata<'_>) -> Result<u64, Error> {
        let (source, unwritable) = (self.layout.source(), unwritable(self.layout, contents.name));
        let sized = contents.units.iter().map(|(index, sizes)| (&self.specs[*index], *sizes));
        let places = places(source, sized, contents.raw.iter().map(String::as_str)).map_err(&unwritable)?;
        let header = header(source, &places, metadata).map_err(&unwritable)?;
        Ok(places.data_bytes() + header.len() as u64)
    }

    /// Lists the tensors that are in no coded unit.
    fn list_raw(&mut self, coded: &[&UnitSpec], reasons: &BTreeMap<String, RawReason>) {
        let in_units: BTreeSet<&String> = self.specs.iter().flat_map(|spec| &spec.tensors).collect();
        let in_coded: BTreeSet<&String> = coded.iter().flat_map(|spec| &spec.tensors).collect();
        for (name, place) in self.layout.source().tensors.iter().filter(|(name, _)| !in_coded.contains(name)) {
            let reason = match reasons.get(name) {
                Some(reason) => reason.clone(),
                None if in_units.contains(name) => RawReason::NotSmaller,
                None if is_superseded(name) => RawReason::Superseded,
                None => RawReason::NoPattern,
            };
            let info = &place.info;
            let (dtype, shape) = (info.dtype.name().to_owned(), info.shape.clone());
            self.report.raw.push(EstimatedRaw { name: name.clone(), dtype, shape, bytes: info.bytes(), reason });
        }
    }
}
