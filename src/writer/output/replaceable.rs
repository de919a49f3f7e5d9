//! What `force` may replace.
//!
//! A file may replace a file, because the user named it. A directory is also named, but its
//! contents are not. So a directory is replaced only if it is a model and nothing else. It must
//! hold a weight file, and every file in it must be one of these:
//!
//! ```text
//! a coded weight file                                        as DFloat11 tools write
//! a weight file that the model names                         model.safetensors, a shard, the only
//!                                                            weight file, what an index lists
//! a copy or card that the record in it lists, unchanged      what the job made that wrote it
//! a list of shards, config.json, a tokenizer, README.md ...  what models usually have too, if no
//!                                                            record lists it
//! a file that no record lists and INPUT has too, byte by     what an earlier job copied from there
//! byte
//! ```
//!
//! Bytes are compared, not names and sizes: a changed copy is the user's work.
//!
//! A mark of ours could not tell: the published form has none, and a decompressed model has none.
//! Links in a directory are removed as links; what they lead to stays. An OUTPUT that is itself a
//! link is not replaced: whoever made it meant something by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, FileType};
use std::io::Read;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::tidy::{parent, refused, walk};
use crate::error::OutputReason;
use crate::files::account::weight_map;
use crate::files::checkpoint::Checkpoint;
use crate::files::file_names::{MAIN_FILES, is_consolidated, is_index, is_weights_file, shard_of};
use crate::files::folder::{replaced_files, weights_files};
use crate::files::our_files::{Digits, OurFile};
use crate::files::own::FILES_KEY;
use crate::safetensors::Reader;
use crate::{Error, open};

/// Files that models usually have beside weights and lists of shards.
const USUAL: [&str; 26] = [
    ".gitattributes",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "NOTICE",
    "README.md",
    "README.source.md",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "model_index.json",
    "preprocessor_config.json",
    "processor_config.json",
    "scheduler_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "video_preprocessor_config.json",
    "vocab.json",
    "vocab.txt",
];

/// Bytes of a copy that are read at once.
const COMPARED_BYTES: usize = 1 << 20;

/// The folder that the hub's client keeps in a model that it downloaded.
const HUB_FOLDER: &str = ".cache/huggingface";

/// Refuses a directory that is not a model, or that holds something else too.
pub(super) fn refuse_all_but_a_model(folder: &Path, input: &Path) -> Result<(), Error> {
    if refuse_strangers(folder, input)? {
        return Ok(());
    }
    Err(refused(folder, OutputReason::NoModel))
}

/// Refuses a directory with a file that belongs to no model. Returns whether it holds weights.
pub(super) fn refuse_strangers(folder: &Path, input: &Path) -> Result<bool, Error> {
    let mut has_weights = false;
    let recorded = recorded(folder);
    walk(folder, &mut |name, kind| {
        has_weights |= is_weights_file(name);
        let (here, there) = (folder.join(name), input.join(name));
        let is_ours = || match recorded.get(name) {
            Some(made) => kind.is_file() && made.is_at(&here).unwrap_or(false),
            None => is_usual(folder, name) || kind.is_file() && are_equal(&here, &there).unwrap_or(false),
        };
        if kind.is_dir() || !is_special(kind) && is_ours() {
            return Ok(());
        }
        Err(refused(folder, OutputReason::Foreign { name: name.to_path_buf() }))
    })?;
    Ok(has_weights)
}

/// What a job made: a copy, or a card, whose size is not recorded.
struct Made {
    size: Option<u64>,
    xxh3: Digits,
}

impl Made {
    /// Whether the file at `path` is still what was made.
    fn is_at(&self, path: &Path) -> Result<bool, Error> {
        let file = open::regular(path)?;
        let size = file.metadata().map_err(Error::io("read", path))?.len();
        Ok(self.size.is_none_or(|made| made == size) && digest(file, path)? == self.xxh3)
    }
}

/// Whether two files hold the same bytes.
fn are_equal(one: &Path, other: &Path) -> Result<bool, Error> {
    let files = [open::regular(one)?, open::regular(other)?];
    let sizes = files.each_ref().map(|file| file.metadata().map(|metadata| metadata.len()).ok());
    let [file, beside] = files;
    Ok(sizes[0] == sizes[1] && digest(file, one)? == digest(beside, other)?)
}

fn digest(mut file: File, path: &Path) -> Result<Digits, Error> {
    let (mut hash, mut buffer) = (Xxh3Default::new(), vec![0; COMPARED_BYTES]);
    loop {
        match file.read(&mut buffer).map_err(Error::io("read", path))? {
            0 => return Ok(Digits(hash.digest())),
            bytes => hash.update(&buffer[..bytes]),
        }
    }
}

/// The files that a record in the directory, or in a part of a pipeline, says a job copied there or
/// wrote for people.
fn recorded(root: &Path) -> BTreeMap<PathBuf, Made> {
    let parts = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.file_name().into());
    let mains = parts.chain([PathBuf::new()]).flat_map(|part: PathBuf| MAIN_FILES.map(|main| part.join(main)));
    let records = mains.filter_map(|main| {
        let reader = Reader::open(&root.join(&main)).ok()?;
        let files: Vec<OurFile> = serde_json::from_str(reader.header().metadata.get(FILES_KEY)?).ok()?;
        Some((main.parent()?.to_path_buf(), files))
    });
    let copied = records.flat_map(|(part, files)| {
        files.into_iter().filter_map(move |file| match file {
            OurFile::Copied { name, size, xxh3, .. } => Some((part.join(name), Made { size: Some(size), xxh3 })),
            OurFile::Card { name, xxh3 } => Some((part.join(name), Made { size: None, xxh3 })),
            _ => None,
        })
    });
    copied.collect()
}

/// Whether it is a device, a pipe or a socket.
fn is_special(kind: FileType) -> bool {
    !kind.is_file() && !kind.is_symlink()
}

fn is_usual(root: &Path, name: &Path) -> bool {
    let file = name.file_name().unwrap_or_default().to_string_lossy();
    if is_weights_file(name) {
        return is_of_a_model(&root.join(name), &file);
    }
    is_index(&file) || USUAL.contains(&&*file) || name.starts_with(HUB_FOLDER)
}

/// Whether a weight file is coded, or is part of the model in its folder. Any folder can hold
/// .safetensors files: a collection of them is not a model.
fn is_of_a_model(path: &Path, file: &str) -> bool {
    let folder = parent(path);
    MAIN_FILES.contains(&file)
        || shard_of(file).is_some()
        || is_consolidated(file)
        || Checkpoint::open(path).is_ok_and(|checkpoint| checkpoint.coded)
        || weights_files(folder).is_ok_and(|files| files.len() == 1)
        || listed(folder).contains(file)
}

/// The files that the lists of shards in a folder name.
fn listed(folder: &Path) -> BTreeSet<String> {
    let small = replaced_files(folder).unwrap_or_default();
    let maps = small.iter().filter(|file| is_index(&file.name));
    maps.filter_map(|file| weight_map(&file.bytes, file.witness.path()).ok())
        .flat_map(|map| map.into_values())
        .collect()
}
