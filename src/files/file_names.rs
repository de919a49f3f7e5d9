//! The names of a model's files.

use std::path::Path;

use crate::Error;

/// The model's own description. It contains `dfloat11_config`.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// The name of a directory's only weight file, for each family, the most common first. With
/// `.index.json` appended it is the name of the list of shards.
pub(crate) const MAIN_FILES: [&str; 2] = ["model.safetensors", "diffusion_pytorch_model.safetensors"];

/// How the name of a list of shards ends.
pub(crate) const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Whether the name is that of a weight file.
pub(crate) fn is_weights_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "safetensors")
}

/// Whether a file holds the same weights as the others in another form: Mistral's own form beside
/// that of transformers.
pub(crate) fn is_consolidated(name: &str) -> bool {
    name.starts_with("consolidated")
}

/// Whether a file beside safetensors holds the same weights, written by another or an older
/// library: `pytorch_model-00001-of-00002.bin`, `consolidated.00.pth`, `tf_model.h5`,
/// `model-Q4_K_M.gguf`.
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

/// Splits the name of a shard, such as `model-00001-of-00003.safetensors`, into the model's name,
/// the shard's number, and the number of shards.
pub(crate) fn shard_of(name: &str) -> Option<(String, usize, usize)> {
    let (number, of) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (stem, number) = number.rsplit_once('-')?;
    Some((stem.to_owned(), number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
}

/// Refuses a file name in an index that is more than a plain name. The index comes from an unknown
/// author.
pub(crate) fn plain_name(name: &str, found_in: &Path) -> Result<(), Error> {
    let plain = !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::NameLeavesDirectory { path: found_in.to_path_buf(), name: name.to_owned() }) }
}
