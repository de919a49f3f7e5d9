//! What the files of a model are called.

use std::path::Path;

use crate::Error;

/// The model's own description, which `dfloat11_config` is part of.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// What a directory's only weight file is called, by family, most common first. With `.index.json` behind: the list of its shards.
pub(crate) const MAIN_FILES: [&str; 2] = ["model.safetensors", "diffusion_pytorch_model.safetensors"];

/// How the list of a sharded model's files ends.
pub(crate) const INDEX_SUFFIX: &str = ".safetensors.index.json";

/// Whether a file is called like weights.
pub(crate) fn is_weights_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "safetensors")
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

/// Refuses a file name in an index that is more than a name: it came from a stranger's file.
pub(crate) fn plain_name(name: &str, found_in: &Path) -> Result<(), Error> {
    let plain = !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::NameLeavesDirectory { path: found_in.to_path_buf(), name: name.to_owned() }) }
}
