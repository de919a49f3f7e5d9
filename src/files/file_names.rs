//! The names of a model's files.

use std::path::Path;

use crate::Error;

/// The file that marks a folder as the place where a run makes its output.
pub(crate) const UNFINISHED_MARK: &str = "df11.lock";
/// The model's own description. It contains `dfloat11_config`.
pub(crate) const CONFIG_FILE: &str = "config.json";

/// The name of a directory's only weight file, for each family, the most common first. With
/// `.index.json` appended it is the name of the list of shards.
pub(crate) const MAIN_FILES: [&str; 2] = ["model.safetensors", "diffusion_pytorch_model.safetensors"];

/// What follows the stem in the name of a list of shards:
/// `model.safetensors.index.json`, `model.safetensors.index.fp16.json`.
const INDEX: &str = ".safetensors.index.";

/// Whether the name is that of a list of shards, of any stem and variant.
pub(crate) fn is_index(name: &str) -> bool {
    variant(name).is_some()
}

/// Whether a list of shards names those of a variant, such as `fp16`.
pub(crate) fn has_variant(index: &str) -> bool {
    variant(index).is_some_and(|variant| !variant.is_empty())
}

fn variant(index: &str) -> Option<&str> {
    let (stem, rest) = index.split_once(INDEX)?;
    let variant = if rest == "json" { "" } else { rest.strip_suffix(".json")? };
    (!stem.is_empty() && !variant.contains('.')).then_some(variant)
}

/// Whether the name is that of a weight file.
pub(crate) fn is_weights_file(name: &Path) -> bool {
    name.extension().is_some_and(|extension| extension == "safetensors" || extension == "sft")
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

/// Whether a file, relative to the model's folder, holds weights in a form that nothing here reads,
/// or the state of a training: `onnx/model.onnx_data`, `rust_model.ot`, `optimizer.pt`.
pub(crate) fn is_of_another_tool(file: &Path) -> bool {
    const EXTENSIONS: [&str; 14] = [
        "bin",
        "ckpt",
        "h5",
        "keras",
        "mlmodel",
        "msgpack",
        "npz",
        "onnx",
        "onnx_data",
        "ot",
        "pb",
        "pt",
        "pth",
        "tflite",
    ];
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    file.starts_with("original")
        || is_weights_file(file)
        || extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Splits the name of a shard, such as `model-00001-of-00003.safetensors`, into the model's name,
/// the shard's number, and the number of shards. A variant may follow the number:
/// `model-00001-of-00003.fp16.safetensors`.
pub(crate) fn shard_of(name: &str) -> Option<(String, usize, usize)> {
    let (number, of) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (of, variant) = of.split_once('.').unwrap_or((of, ""));
    let (stem, number) = number.rsplit_once('-')?;
    let stem = if variant.is_empty() { stem.to_owned() } else { format!("{stem}.{variant}") };
    Some((stem, number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
}

/// Refuses a file name in an index that is more than a plain name. The index comes from an unknown
/// author.
pub(crate) fn plain_name(name: &str, found_in: &Path) -> Result<(), Error> {
    let plain = !name.is_empty() && name != "." && !name.contains("..") && !name.contains(['/', '\\', ':', '\0']);
    if plain { Ok(()) } else { Err(Error::NameLeavesDirectory { path: found_in.to_path_buf(), name: name.to_owned() }) }
}
