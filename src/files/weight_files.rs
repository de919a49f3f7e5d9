//! Which files of a directory are the model's weights.
//!
//! ```text
//! model.safetensors, or diffusers' name for it           that file
//! the same with .index.json behind                       the shards that it names
//! NAME-00001-of-0000N ... NAME-0000N-of-0000N            those: the index is missing
//! one other .safetensors file                            that file
//! consolidated*.safetensors beside any of these          the same weights in another form;
//!   so are pytorch_model*.bin and its like
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::links::is_weights;
use super::pipeline::parts;
use crate::Error;
use crate::writer::copies::{has, names};

/// What a directory's only weight file is called, by family, most common first. With `.index.json` behind: the list of its shards.
pub(crate) const MAIN_FILES: [&str; 2] = ["model.safetensors", "diffusion_pytorch_model.safetensors"];

/// What a directory holds of a BF16 model.
pub(crate) enum Found {
    /// These weight files, and what the main file of such a model is called.
    Whole(Vec<String>, &'static str),
    /// The shards of this index, and the same.
    Sharded(PathBuf, &'static str),
}

/// Which files of a directory hold the model.
///
/// # Errors
/// None do, or it cannot be told which.
pub(crate) fn find_source_files(path: &Path) -> Result<Found, Error> {
    for main in MAIN_FILES {
        let index = path.join(format!("{main}.index.json"));
        if is_weights(&path.join(main))? {
            return Ok(Found::Whole(vec![main.to_owned()], main));
        }
        if has(&index)? {
            return Ok(Found::Sharded(index, main));
        }
    }
    let refused = |reason: String| Err(Error::NotAModel { path: path.to_path_buf(), reason });
    let own: Vec<String> = weights_files(path)?.into_iter().filter(|name| !is_consolidated(name)).collect();
    if let Some(shards) = whole_set(&own) {
        return Ok(Found::Whole(shards, MAIN_FILES[0]));
    }
    match own.as_slice() {
        [_] => Ok(Found::Whole(own, MAIN_FILES[0])),
        [] => match weights_files(path)?.as_slice() {
            [_] => Ok(Found::Whole(weights_files(path)?, MAIN_FILES[0])),
            _ => refused(no_weights(path)?),
        },
        many => refused(format!(
            "holds {} .safetensors files and none of {}, nor an index; give one of the files",
            many.len(),
            MAIN_FILES.join(", ")
        )),
    }
}

/// Whether a file holds the same weights as the others in another form: Mistral's own, beside those of transformers.
pub(crate) fn is_consolidated(name: &str) -> bool {
    name.starts_with("consolidated")
}

/// Whether a file beside safetensors is what another library or an older one made of the same weights: `pytorch_model-00001-of-00002.bin`,
/// `consolidated.00.pth`, `tf_model.h5`, `model-Q4_K_M.gguf`.
pub(crate) fn is_other_form(name: &Path) -> bool {
    const FORMS: [(&str, &str); 7] = [
        ("pytorch_model", ".bin"),
        ("pytorch_model", ".bin.index.json"),
        ("diffusion_pytorch_model", ".bin"),
        ("consolidated", ".pth"),
        ("tf_model", ".h5"),
        ("flax_model", ".msgpack"),
        ("", ".gguf"),
    ];
    let name = name.to_string_lossy();
    FORMS.iter().any(|(begin, end)| name.starts_with(begin) && name.ends_with(end))
}

/// What `model-00001-of-00003.safetensors` is a shard of, its number, and their number.
pub(crate) fn shard_of(name: &str) -> Option<(String, usize, usize)> {
    let (number, of) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (stem, number) = number.rsplit_once('-')?;
    Some((stem.to_owned(), number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
}

/// The files, if they are the shards 1 to N of N. An index says the same where there is one.
fn whole_set(names: &[String]) -> Option<Vec<String>> {
    let shards: Vec<_> = names.iter().map(|name| shard_of(name)).collect::<Option<_>>()?;
    let (stem, _, of) = shards.first()?.clone();
    let expected: Vec<_> = (1..=names.len()).map(|number| (stem.clone(), number, of)).collect();
    (of == names.len() && shards == expected).then(|| names.to_vec())
}

/// Why a directory without safetensors files is refused, by what it holds instead.
pub(crate) fn no_weights(path: &Path) -> Result<String, Error> {
    let parts = parts(path)?;
    if !parts.is_empty() {
        let parts: Vec<_> = parts.iter().map(|part| part.display().to_string()).collect();
        return Ok(format!("is a pipeline folder; give one of its parts: {}", parts.join(", ")));
    }
    let names = names(path)?;
    let of_kind = |endings: &[&str]| {
        names.iter().find(|name| name.extension().is_some_and(|e| endings.iter().any(|end| e == *end)))
    };
    let found = |name: &Path, advice: &str| format!("holds no .safetensors file, but {}: {advice}", name.display());
    Ok(match (of_kind(&["gguf"]), of_kind(&["bin", "pt", "pth", "ckpt"])) {
        (Some(name), _) => found(name, "GGUF weights are not read; get the BF16 safetensors that they were made from"),
        (_, Some(name)) => found(name, "pickled weights can run code and are not read; save them as safetensors first"),
        _ => "holds no .safetensors file; give a file or directory of safetensors weights".into(),
    })
}

/// The shards that an index names, each once, in order of name.
pub(crate) fn shard_names(weight_map: &BTreeMap<String, String>, index: &Path) -> Result<Vec<String>, Error> {
    let names: BTreeSet<_> = weight_map.values().cloned().collect();
    for name in &names {
        plain_name(name, index)?;
    }
    Ok(names.into_iter().collect())
}

/// The file of each tensor, by these bytes of an index, which name one at least: without any, nothing would be left of the model.
pub(crate) fn weight_map(bytes: &[u8], index: &Path) -> Result<BTreeMap<String, String>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let refused = |found: String| Error::Json {
        path: index.to_path_buf(),
        reason: format!("expected an index with a `weight_map` of tensor to file: {found}"),
    };
    let parsed: Index = serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
    if parsed.weight_map.is_empty() {
        return Err(refused("it names no tensor; without the index, give the weight file itself".into()));
    }
    Ok(parsed.weight_map)
}

/// Refuses a file name in an index that is more than a name: it came from a stranger's file.
pub(crate) fn plain_name(name: &str, found_in: &Path) -> Result<(), Error> {
    let plain = !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::NameLeavesDirectory { path: found_in.to_path_buf(), name: name.to_owned() }) }
}

/// Whether a file is called like weights.
pub(crate) fn is_weights_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "safetensors")
}

/// The `.safetensors` files of a directory, by name.
pub(crate) fn weights_files(path: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("open", path))? {
        let name = PathBuf::from(entry.map_err(Error::io("open", path))?.file_name());
        if is_weights_file(&name) && is_weights(&path.join(&name))? {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
