//! The files of a pipeline that lie in none of its coded parts. We list them in `df11_files.json`,
//! at the top of the folder. FILES.md, "Pipelines".
//!
//! ```text
//! df11_files.json        the files beside the parts, with checksums; and each coded part, with the
//!                        checksum of its record
//! <part>/model...        the part's record says that it is a part, so a lost list is noticed
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::coded::CodedModel;
use super::config::canonical;
use super::source::checksum_of;
use crate::Error;
use crate::error::{FileReason, ModelReason, RecordReason};
use crate::files::checkpoint::Checkpoint;
use crate::files::folder::read_small;
use crate::files::our_files::{Digits, OurFile, check_names};
use crate::files::values;
use crate::files::weight_files::parts;
use crate::safetensors::Reader;

/// The name of the list.
pub(crate) const MANIFEST_FILE: &str = "df11_files.json";
/// The version of the record that this list belongs to.
const VERSION: &str = "2";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: String,
    files: Vec<OurFile>,
    checksum: Digits,
}

impl Manifest {
    fn of(files: &[OurFile]) -> Manifest {
        let sealed = json!({"version": VERSION, "files": files});
        let checksum = Digits(xxh3_64(canonical(&sealed).as_bytes()));
        Manifest { version: VERSION.to_owned(), files: files.to_vec(), checksum }
    }
}

/// The text of a list of these files.
pub(crate) fn text_of(files: &[OurFile]) -> String {
    format!("{:#}\n", serde_json::to_value(Manifest::of(files)).unwrap_or_default())
}

/// Refuses a source that already has a file with the name of the list.
pub(crate) fn refuse_list(folder: &Path) -> Result<(), Error> {
    if std::fs::symlink_metadata(folder.join(MANIFEST_FILE)).is_ok() {
        let reason = ModelReason::HasList { list: MANIFEST_FILE };
        return Err(Error::NotAModel { path: folder.to_path_buf(), reason });
    }
    Ok(())
}

/// The checksum of the record in a main file that was just written.
pub(crate) fn record_checksum(main: &Path) -> Result<Digits, Error> {
    let reader = Reader::open(main)?;
    checksum_of(&reader.header().metadata).ok_or_else(|| Error::ChangedMeanwhile { path: main.to_path_buf() })
}

/// The files that the list of a pipeline folder names; `None` if there is no list.
fn read(folder: &Path) -> Result<Option<Vec<OurFile>>, Error> {
    let path = folder.join(MANIFEST_FILE);
    if !path.is_file() {
        return Ok(None);
    }
    let damaged = |reason| Error::Record { path: path.clone(), key: MANIFEST_FILE.into(), reason };
    let not_json = |error: serde_json::Error| damaged(RecordReason::Json { message: error.to_string() });
    let value = values::parse(&read_small(&path)?).map_err(not_json)?;
    if let Some(found) = value["version"].as_str().filter(|found| found.parse::<u64>().is_ok_and(|found| found > 2)) {
        return Err(Error::RecordVersion { path, found: found.to_owned() });
    }
    let found: Manifest = serde_json::from_value(value).map_err(not_json)?;
    let expected = Manifest::of(&found.files);
    if found.version != VERSION {
        return Err(damaged(RecordReason::Version { found: found.version, expected: "`2`" }));
    }
    if found.checksum != expected.checksum {
        let (found, expected) = (expected.checksum.to_string(), found.checksum.to_string());
        return Err(damaged(RecordReason::Checksum { sealed: "it has", found, expected }));
    }
    let parts = found.files.iter().filter(|file| matches!(file, OurFile::Part { .. })).map(OurFile::name);
    if let Some(part) = parts.clone().find(|part| part.contains('/')) {
        return Err(damaged(RecordReason::PartBelow { part: part.to_owned() }));
    }
    check_names(parts).map_err(|(name, reason)| damaged(RecordReason::Name { name, reason }))?;
    Ok(Some(found.files))
}

/// A coded part of a pipeline.
#[derive(Debug)]
pub(crate) struct Part {
    /// Its folder in the pipeline.
    pub folder: String,
    /// Its model.
    pub model: CodedModel,
}

impl Part {
    /// Checks that it is the part that the list names.
    pub fn is_of(&self, record: Digits) -> Result<(), Error> {
        let checkpoint = &self.model.checkpoint;
        let found =
            checkpoint.record_file.and_then(|file| checksum_of(&checkpoint.files[file].reader.header().metadata));
        if found == Some(record) {
            return Ok(());
        }
        let path = checkpoint.main_path();
        let reason = FileReason::OtherRecord { list: MANIFEST_FILE, expected: record.0 };
        Err(Error::FileDiffers { path, reason })
    }

    fn says_so(&self) -> bool {
        let record = self.model.record.as_ref().ok().and_then(Option::as_ref);
        record.and_then(|record| record.written.as_ref()?.part.as_ref()).is_some()
    }
}

/// The input to be decompressed or verified.
#[derive(Debug)]
pub(crate) enum Input {
    /// One model.
    Model(Box<CodedModel>),
    /// A pipeline.
    Pipeline(Pipeline),
}

/// A pipeline: its coded parts, and its list.
#[derive(Debug)]
pub(crate) struct Pipeline {
    /// The parts that exist.
    pub parts: Vec<Part>,
    /// The files that the list names; `None` if no list could be read.
    pub files: Option<Vec<OurFile>>,
    /// What is wrong with the list: it is damaged, or it is missing although a part says that it is
    /// part of a pipeline.
    pub fault: Option<Error>,
}

impl Input {
    /// Opens the model or pipeline at `input`.
    ///
    /// # Errors
    /// It holds nothing that is DFloat11, or it cannot be read.
    pub fn open(input: &Path) -> Result<Input, Error> {
        let files = match read(input) {
            Ok(Some(files)) => files,
            Ok(None) => return Input::without_list(input, None),
            Err(fault @ Error::Record { .. }) => return Input::without_list(input, Some(fault)),
            Err(error) => return Err(error),
        };
        let folders = files.iter().filter(|file| matches!(file, OurFile::Part { .. })).map(OurFile::name);
        let there = folders.filter(|folder| input.join(folder).is_dir());
        let parts = there.map(|folder| {
            let model = CodedModel::open(&input.join(folder))?;
            Ok(Part { folder: folder.to_owned(), model })
        });
        let parts = parts.collect::<Result<Vec<_>, Error>>()?;
        Ok(Input::Pipeline(Pipeline { parts, files: Some(files), fault: None }))
    }

    fn without_list(input: &Path, fault: Option<Error>) -> Result<Input, Error> {
        let mut coded: Vec<Part> = Vec::new();
        for folder in parts(input)? {
            let checkpoint = Checkpoint::open(&input.join(&folder))?;
            if checkpoint.coded {
                let folder = folder.to_string_lossy().into_owned();
                coded.push(Part { folder, model: CodedModel::of(checkpoint)? });
            }
        }
        if coded.is_empty() {
            return Ok(Input::Model(Box::new(CodedModel::open(input)?)));
        }
        let lost = || coded.iter().any(Part::says_so).then(|| Error::FileMissing { path: input.join(MANIFEST_FILE) });
        let fault = fault.or_else(lost);
        Ok(Input::Pipeline(Pipeline { parts: coded, files: None, fault }))
    }
}
