//! The model card, written on request: a README.md to complete and to publish with the directory.
//!
//! ```text
//! compress:    source README.md  ->  README.source.md, next to the card
//! decompress:  README.source.md  ->  README.md
//!              the card, known by CARD_MARK, is no file of the source and is left out
//! ```

mod front_matter;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::compress::options::CompressReport;
use crate::error::ModelReason;
use crate::files::folder::has;
use crate::record::config::ConfigFile;
use crate::writer::copies::Named;
use crate::{Error, Note, open};
use front_matter::{Field, Value as FieldValue, kept_fields, written};

pub(crate) const README: &str = "README.md";
/// The name under which the source's README.md is kept next to a card.
const SOURCE_README: &str = "README.source.md";
/// The line by which a card is recognised among README.md files.
const CARD_MARK: &str = "<!-- df11 model card -->";
/// How much of a README.md is read. Larger ones hold pictures, not more text; our card has a few
/// thousand bytes.
const MAX_README_BYTES: u64 = 4 << 20;

/// The name of a source file in a directory with a card.
pub(crate) fn beside_card(name: &Path) -> Option<PathBuf> {
    Some(if name == Path::new(README) { SOURCE_README.into() } else { name.to_path_buf() })
}

/// Gives the name that a file of this directory has in the source. A card has none there.
pub(crate) fn without_card(folder: &Path) -> Result<Box<Named<'static>>, Error> {
    let has_card = is_card(&folder.join(README))?;
    Ok(Box::new(move |name| match name.to_str() {
        Some(README) if has_card => None,
        Some(SOURCE_README) if has_card => Some(README.into()),
        _ => Some(name.to_path_buf()),
    }))
}

/// Refuses a source whose README.md looks like a card: it would not be restored.
pub(crate) fn refuse_card(folder: &Path) -> Result<(), Error> {
    if is_card(&folder.join(README))? {
        let reason = ModelReason::HasCard { readme: README, mark: CARD_MARK };
        return Err(Error::NotAModel { path: folder.to_path_buf(), reason });
    }
    Ok(())
}

/// Refuses a source that already has a file with the name under which its README.md would be kept.
pub(crate) fn refuse_source_readme(folder: &Path) -> Result<(), Error> {
    if fs::symlink_metadata(folder.join(SOURCE_README)).is_ok() {
        let reason = ModelReason::HasKeptReadme { kept: SOURCE_README, readme: README };
        return Err(Error::NotAModel { path: folder.to_path_buf(), reason });
    }
    Ok(())
}

fn is_card(readme: &Path) -> Result<bool, Error> {
    if !has(readme)? {
        return Ok(false);
    }
    let text = read_start(readme)?;
    Ok(text.split(|&byte| byte == b'\n').any(|line| line.trim_ascii_end() == CARD_MARK.as_bytes()))
}

/// The first bytes of a README.md, `MAX_README_BYTES` at most.
fn read_start(readme: &Path) -> Result<Vec<u8>, Error> {
    let file = open::regular(readme)?;
    let mut bytes = Vec::new();
    file.take(MAX_README_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", readme))?;
    Ok(bytes)
}

/// The fields that a card takes from the source's README.md, and a note of those left out.
fn taken_over(readme: &Path) -> Result<(Vec<Field>, Option<Note>), Error> {
    if !has(readme)? {
        return Ok((Vec::new(), None));
    }
    let bytes = read_start(readme)?;
    if bytes.len() as u64 > MAX_README_BYTES {
        let reason = format!("has more than {MAX_README_BYTES} bytes");
        return Ok((Vec::new(), Some(Note::ReadmeNotTaken { reason })));
    }
    Ok(kept_fields(&bytes))
}

/// The card of the model made from `input`, and a note of what it lacks. The model is a pipeline
/// with these coded `parts`, or a single model if there are none.
pub(crate) fn card(
    input: &Path,
    output: &Path,
    parts: &[PathBuf],
    report: &CompressReport,
) -> Result<(String, Option<Note>), Error> {
    let config = ConfigFile::read(input)?;
    let base = base_model(input, config.as_ref());
    let (kept, mut note) = taken_over(&input.join(README))?;
    let with = |kept: &[Field]| {
        let relation = [Field::text("base_model", &base), Field::text("base_model_relation", "quantized")];
        let tags = FieldValue::List(["dfloat11", "df11"].map(str::to_owned).to_vec());
        let tags = [Field { name: "tags".into(), value: tags }];
        written(&[&relation[..], kept, &tags].concat())
    };
    let front_matter = with(&kept).unwrap_or_else(|| {
        note = Some(Note::ReadmeNotTaken { reason: "has front matter that cannot be written again".into() });
        with(&[]).unwrap_or_default()
    });
    let name = plain(&output.file_name().unwrap_or_default().to_string_lossy());
    // A command would read a name that begins with a dash as an option.
    let argument = if name.starts_with('-') || name.is_empty() { format!("./{name}") } else { name.clone() };
    let share = 100.0 * report.output_bytes as f64 / report.source_bytes.max(1) as f64;
    let (before, after) = (size(report.source_bytes), size(report.output_bytes));
    let usage = match report.extension_units {
        0 => published_usage(&base, parts, config.as_ref()),
        _ => "The published loader cannot read this model: it holds units of an extension, which df11 alone reads.\n"
            .into(),
    };
    let original = match has(&input.join(README))? {
        true => format!("The card of the original: [{SOURCE_README}]({SOURCE_README}).\n"),
        false => String::new(),
    };
    let card = format!(
        "---
{front_matter}---

{CARD_MARK}

# {name}

The weights of `{base}` in DFloat11, a lossless form of BF16: every bit comes back.

| | weight files |
|---|---|
| original | {before} |
| here | {after} ({share:.1} %) |

## Run it

{usage}
## Get the original back

```sh
df11 decompress {argument} -o original
```

Every file of the original, byte for byte.

{original}"
    );
    Ok((card, note))
}

/// The repository of the original: from its place in a hub's cache, else from its configuration,
/// else a placeholder to complete.
fn base_model(input: &Path, config: Option<&ConfigFile>) -> String {
    let full = fs::canonicalize(input).unwrap_or_else(|_| input.to_path_buf());
    let cached = full.iter().rev().find_map(|component| {
        let (owner, name) = component.to_str()?.strip_prefix("models--")?.split_once("--")?;
        Some(format!("{owner}/{name}"))
    });
    let configured = || match config?.get("_name_or_path")? {
        Value::String(name) => Some(name),
        _ => None,
    };
    let is_repository =
        |name: &String| name.matches('/').count() == 1 && *name == plain(name) && !name.starts_with(['/', '.']);
    let folder =
        || format!("OWNER/{}", plain(&full.file_name().unwrap_or_default().to_string_lossy()).replace('/', "-"));
    cached.filter(is_repository).or_else(|| configured().filter(is_repository)).unwrap_or_else(folder)
}

/// Keeps only the characters of repository names, so that front matter and commands cannot read the
/// name as anything else.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_./".contains(c) { c } else { '-' }).collect()
}

/// How the published package loads the model.
fn published_usage(base: &str, parts: &[PathBuf], config: Option<&ConfigFile>) -> String {
    let text = |field: &str| config.and_then(|config| config.get(field));
    let is_causal = text("architectures").is_some_and(|names| {
        let name = names.get(0).and_then(Value::as_str);
        name.is_some_and(|name| name.ends_with("ForCausalLM"))
    });
    let code = if !parts.is_empty() {
        let part = |part: &PathBuf| {
            let part = plain(&part.to_string_lossy());
            format!("DFloat11Model.from_pretrained(f\"{{here}}/{part}\", device=\"cpu\", bfloat16_model=pipe.{part})\n")
        };
        format!(
            "import torch\nfrom dfloat11 import DFloat11Model\nfrom diffusers import DiffusionPipeline\n\n\
             here = \".\"  # this directory\npipe = DiffusionPipeline.from_pretrained(\"{base}\", torch_dtype=torch.bfloat16)\n{}",
            parts.iter().map(part).collect::<String>()
        )
    } else if is_causal {
        "from dfloat11 import DFloat11Model\nfrom transformers import AutoTokenizer\n\n\
         here = \".\"  # this directory, or the repository it was uploaded to\n\
         model = DFloat11Model.from_pretrained(here, device_map=\"auto\")\ntokenizer = AutoTokenizer.from_pretrained(here)\n"
            .into()
    } else {
        format!(
            "from dfloat11 import DFloat11Model\n\n# `model`: the module of {base}, in BF16, as its own library makes it\n\
             DFloat11Model.from_pretrained(\".\", device=\"cpu\", bfloat16_model=model)\n"
        )
    };
    format!("On an NVIDIA GPU, with the published package (`pip install dfloat11[cuda12]`):\n\n```python\n{code}```\n")
}

/// In decimal units, as hubs count.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e9 => format!("{:.2} MB", bytes / 1e6),
        bytes => format!("{:.2} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_original_is_named_by_the_cache_else_by_its_folder_and_never_by_more_than_a_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).expect("created");
            base_model(&path, None)
        };
        assert_eq!(at("models--meta-llama--Llama-3.1-8B/snapshots/0123"), "meta-llama/Llama-3.1-8B");
        assert_eq!(at("my model\n: x"), "OWNER/my-model---x");
        assert_eq!(at("models--a--b\n/x"), "OWNER/x");
    }
}
